"""The page of recipes can't lie: each one is a configuration without a fault or a warning, and its cases pass."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from bridge.cli import main
from bridge.config.load import load

PAGE = Path(__file__).parents[1] / "docs" / "recipes.md"
LINES = 'lines:\n  - {number: "912345678", password: "${INFOCALLER_PASSWORD}", extensions: ["100", "101", "102"]}\n'
ENVIRONMENT = {"INFOCALLER_PASSWORD": "3956"}
_BLOCK = re.compile(r'^```(\w+)(?: title="([^"]+)")?\n(.*?)^```$', re.M | re.S)


@dataclass(frozen=True)
class Recipe:
    """A section of the page: its heading, its files by name, and its configuration, `lines:` included."""

    title: str
    files: Mapping[str, str]
    configuration: str

    def write(self, folder: Path) -> Path:
        """The configuration with its files, in a folder."""
        for name, text in self.files.items():
            (folder / name).write_text(text, encoding="utf-8")
        path = folder / "config.yaml"
        path.write_text(self.configuration, encoding="utf-8")
        path.chmod(0o600)
        return path


def recipes() -> list[Recipe]:
    """Those of the page that have a configuration."""
    read = []
    for section in re.split(r"^## ", PAGE.read_text("utf-8"), flags=re.M)[1:]:
        title, _, rest = section.partition("\n")
        blocks = _BLOCK.findall(rest)
        text = "".join(body for kind, name, body in blocks if kind == "yaml" and not name)
        if text:
            whole = text if re.search(r"^lines:", text, re.M) else LINES + text
            read.append(Recipe(title, {name: body for _, name, body in blocks if name}, whole))
    return read


@pytest.fixture(params=recipes(), ids=lambda recipe: recipe.title)
def recipe(request: pytest.FixtureRequest) -> Recipe:
    one: Recipe = request.param
    return one


def test_a_recipe_has_neither_fault_nor_warning(recipe: Recipe, tmp_path: Path) -> None:
    loaded = load(recipe.write(tmp_path), ENVIRONMENT)
    assert [str(warning) for warning in loaded.warnings] == []


def test_what_a_recipe_says_is_answered(
    recipe: Recipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = recipe.write(tmp_path)
    if not load(path, ENVIRONMENT).configuration.queries:
        return
    monkeypatch.setenv("INFOCALLER_PASSWORD", ENVIRONMENT["INFOCALLER_PASSWORD"])
    with pytest.raises(SystemExit) as ended:
        main(["test", "-c", str(path)])
    said = capsys.readouterr().out
    assert (ended.value.code, "there are no tests" in said) == (0, False), said

"""The page of the panel's side, in both languages: its configuration answers as it says, its commands print what it
shows, and its pictures are those that the program draws."""

from __future__ import annotations

import re
import runpy
import shlex
from pathlib import Path

import pytest

from bridge.cli import main
from bridge.config.load import load
from tests.test_recipes import ENVIRONMENT, Recipe

DOCS = Path(__file__).parents[1] / "docs"
PAGES = ("panel.md", "panel.es.md")
_BLOCK = re.compile(r'^```(\w+)(?: title="([^"]+)")?\n(.*?)^```$', re.M | re.S)
_KEY = re.compile(r"/infocaller/([\w-]+)/")


def blocks(page: str) -> list[tuple[str, str, str]]:
    """Kind, title and text of each block of a page."""
    return _BLOCK.findall((DOCS / page).read_text("utf-8"))


@pytest.fixture(params=PAGES)
def page(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The name of a page, whose configuration and files are in the folder that we are in."""
    name: str = request.param
    key = _KEY.search((DOCS / name).read_text("utf-8"))
    assert key is not None
    files = {title: text for _, title, text in blocks(name) if title}
    [configuration] = [text for kind, title, text in blocks(name) if kind == "yaml"]
    Recipe(name, files, configuration).write(tmp_path)
    for variable, value in {**ENVIRONMENT, "BRIDGE_URL_KEY": key[1]}.items():
        monkeypatch.setenv(variable, value)
    monkeypatch.chdir(tmp_path)
    return name


def printed(command: str, capsys: pytest.CaptureFixture[str]) -> str:
    """What a command of the page prints; it has to succeed."""
    program, *arguments = shlex.split(command)
    assert program == "infocaller-bridge"
    capsys.readouterr()
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    output = capsys.readouterr()
    assert ended.value.code == 0, output
    return output.out


def test_its_configuration_answers_as_it_says(page: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert load("config.yaml").warnings == ()
    assert printed("infocaller-bridge test", capsys).startswith("3 ")


def test_its_commands_print_what_it_shows(page: str, capsys: pytest.CaptureFixture[str]) -> None:
    ran = 0
    for kind, _, text in blocks(page):
        if kind == "console":
            command, _, output = text.partition("\n")
            assert printed(command.removeprefix("$ "), capsys) == output
            ran += 1
        elif kind == "sh":
            for command in text.splitlines():
                printed(command, capsys)
                ran += 1
    assert ran == 3


def test_both_languages_say_the_same_things() -> None:
    """The same headings of the same depth, blocks, pictures and names of the panel."""

    def shape(page: str) -> list[object]:
        text = (DOCS / page).read_text("utf-8")
        marks = re.findall(r"^(#+) |^(\d+\.) |^(\|)|\]\((pictures/[\w-]+)\.", text, re.M)
        return [*marks, [(kind, bool(title)) for kind, title, _ in blocks(page)]]

    assert shape("panel.md") == shape("panel.es.md")


def test_the_pictures_are_those_that_the_program_draws() -> None:
    drawn = dict(runpy.run_path(str(DOCS / "pictures" / "panel.py"))["drawn"]())
    assert drawn == {file.name: file.read_text("utf-8") for file in (DOCS / "pictures").glob("panel-*.svg")}


@pytest.mark.parametrize("page", PAGES)
def test_whoever_does_not_see_a_picture_reads_the_same(page: str) -> None:
    for text, name in re.findall(r"!\[([^\]]*)\]\((pictures/[^)]+)\)", (DOCS / page).read_text("utf-8")):
        assert f'<title id="title">{text}</title>' in (DOCS / name).read_text("utf-8")

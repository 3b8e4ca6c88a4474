"""The presets as they are shipped: each loads with the lines of its docs, and is in the docs' table."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError
from ruamel.yaml import YAML

from bridge.config.load import load
from connectors.rest import RestOptions, presets
from tests.fakes.presets import FAKES

PAGE = (Path(__file__).parents[3] / "docs" / "connectors" / "presets.md").read_text("utf-8")
NAMES = presets.names(presets.shipped())
ASKS_BACK = {fake.name: fake.asks_back for fake in FAKES}
SHOWN: dict[str, str] = {
    found[1]: block
    for block in re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
    if (found := re.search(r"preset: ([a-z0-9-]+)", block))
}


def test_every_preset_has_its_pretended_crm_and_its_lines_in_the_docs() -> None:
    assert sorted(fake.name for fake in FAKES) == NAMES
    assert sorted(SHOWN) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_a_preset_passes_check_with_the_lines_of_its_docs(name: str, tmp_path: Path) -> None:
    file = tmp_path / "config.yaml"
    lines = 'lines: [{number: "912345678", password: x, country: ES}]\nserver: {host: 127.0.0.1}\nconnectors:\n'
    used = 'queries: {Q: {find: {contact: {in: crm, phone: "{{ caller }}"}}, answer: {NAME: "{{ contact.name }}"}}}\n'
    used += "activities: [{in: crm, on: call}]\n"
    file.write_text(lines + "".join(f"  {line}\n" for line in SHOWN[name].splitlines()) + used)
    loaded = load(file, dict.fromkeys(re.findall(r"\$\{(\w+)\}", SHOWN[name]), "a-secret-0123456789"))
    assert [fault for fault in loaded.warnings if fault.path.startswith("connectors")] == []
    [connector] = loaded.configuration.connectors.values()
    can = connector.abilities()
    assert can.activities
    assert can.tasks is ASKS_BACK[name]
    assert {"contact"} <= can.by_phone
    assert can.by_key
    assert "lead" in can.saves


ROWS = {
    name: [cell.strip() for cell in row.strip("|").split("|")]
    for name in NAMES
    for row in PAGE.splitlines()
    if row.startswith(f"| `{name}`")
}


@pytest.mark.parametrize("name", NAMES)
def test_a_preset_is_in_the_table_with_what_it_can_do(name: str) -> None:
    cells = ROWS[name]
    options = RestOptions.model_validate(section(name))
    can = options.abilities()
    kinds = set(re.findall(r"`(\w+)`", cells[3]))
    assert kinds == can.by_key
    assert (cells[5] == "yes") is can.updates_activities
    assert (cells[6] != "none") is can.tasks
    assert cells[-1] == "no" or re.search(r"\d", cells[-1]), "which version it was run against"


@pytest.mark.parametrize("name", NAMES)
def test_a_preset_says_where_it_comes_from_and_holds_nobodys_secret(name: str) -> None:
    text = presets.shipped().joinpath(f"{name}.yaml").read_text("utf-8")
    head = text.split("\n\n", 1)[0]
    assert len(re.findall(r"https://\S+", head)) >= 3
    assert ("Not run against a real" in head) is (f"| `{name}`" in PAGE and ROWS[name][-1] == "no")
    assert "What the API can't do" in head
    assert "${" not in text


@pytest.mark.parametrize("name", NAMES)
def test_what_the_admin_forgot_is_asked_for_by_name(name: str) -> None:
    given = section(name)
    for key in given.keys() - {"type", "preset"}:
        less = {other: value for other, value in given.items() if other != key}
        # settings may be what the address is made of
        assert {key, "base_url"} & asked_for(less), f"{name} without {key}"


def asked_for(given: dict[str, Any]) -> set[object]:
    """The keys of a section that something is missing from."""
    try:
        return {problem.loc[0] for problem in RestOptions.model_validate(given).problems(Path())}
    except ValidationError as error:
        return {fault["loc"][0] for fault in error.errors()}


def section(name: str, **over: Any) -> dict[str, Any]:
    """The section of the docs."""
    text = re.sub(r"\$\{\w+\}", "a-secret-0123456789", SHOWN[name])
    [value] = YAML(typ="safe", pure=True).load(text).values()
    return {**value, **over}


def test_what_the_admin_writes_overrides_a_preset_key_by_key() -> None:
    records = {"contact": {"phones": ["properties.phone"], "newest": None}, "ticket": None}
    options = RestOptions.model_validate(section("hubspot", rate="2/s", records=records))
    plain = RestOptions.model_validate(section("hubspot"))
    assert options.rate != plain.rate
    assert [str(path) for path in options.records["contact"].numbers] == ["properties.phone"]
    assert options.records["contact"].newest is None
    assert options.records["contact"].fields == plain.records["contact"].fields
    assert set(plain.records) - set(options.records) == {"ticket"}

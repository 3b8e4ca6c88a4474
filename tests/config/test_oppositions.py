"""`save: {in: oppositions}`: what `check` says of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from bridge.config.schema import json_schema
from tests.config.files import told, warned

FILE = """
lines: [{{number: "912345678", password: "${{PASSWORD}}"}}]
{connectors}
queries:
  BAJA:
    {find}
    save: {save}
    answer: {{REF: "{answer}"}}
    not_found: {{REF: ""}}
"""
OWN = """
connectors:
  oppositions: {type: csv, tables: {bajas: {file: bajas.csv}}}
"""
REFERENCE = "{{ opposition.reference }}"


def text(save: str = "{in: oppositions}", answer: str = REFERENCE, find: str = "", connectors: str = "") -> str:
    return FILE.format(save=save, answer=answer, find=find, connectors=connectors)


@pytest.mark.parametrize("save", ["{in: oppositions}", '{in: oppositions, fields: {phone: "{{ vars.TEL }}"}}'])
def test_it_needs_nothing_else(tmp_path: Path, save: str) -> None:
    assert warned(tmp_path, text(save)) == []


MISTAKES = {
    "{in: oppositions, table: x}": "leave it out",
    "{in: oppositions, fields: {phon: x}}": "did you mean phone?",
    "{in: oppositions, when: '{{ opposition.reference }}'}": "an opposition is kept after that",
    "{in: oposiciones}": "is missing",
}


@pytest.mark.parametrize("save", MISTAKES)
def test_what_else_it_says_is_a_fault(tmp_path: Path, save: str) -> None:
    assert any(MISTAKES[save] in said for said in told(tmp_path, text(save)))


def test_the_answer_sees_its_reference_alone(tmp_path: Path) -> None:
    said = told(tmp_path, text(answer="{{ opposition.referenc }}"))
    assert any("did you mean reference?" in each for each in said)


def test_a_query_that_saves_none_has_none(tmp_path: Path) -> None:
    said = told(tmp_path, text(save="[]"))
    assert any("nothing is called opposition here" in each for each in said)


def test_a_step_of_that_name_would_hide_it(tmp_path: Path) -> None:
    find = 'find: {opposition: {in: calls, table: last, phone: "{{ caller }}", optional: true}}'
    assert any("what save: keeps in oppositions" in said for said in told(tmp_path, text(find=find)))


def test_what_must_be_found_first_is_warned_of(tmp_path: Path) -> None:
    find = 'find: {last: {in: calls, phone: "{{ caller }}"%s}}'
    answer = "{{ last.id }}"
    said = warned(tmp_path, text(find=find % "", answer=answer))
    assert any("nobody opposes where last is not found" in each for each in said)
    assert warned(tmp_path, text(find=find % ", optional: true", answer=answer)) == []


def test_a_connector_of_that_name_wins_and_is_warned_of(tmp_path: Path) -> None:
    save = '{in: oppositions, table: bajas, fields: {tel: "{{ caller }}"}}'
    said = warned(tmp_path, text(save, answer="ok", connectors=OWN))
    assert any("oppositions means this connector, not" in each for each in said)
    assert any("table" in each for each in told(tmp_path, text(connectors=OWN, answer="ok")))


def test_editors_ask_for_a_table_only_elsewhere() -> None:
    step = json_schema()["$defs"]["SaveStep"]
    assert "required" not in step
    assert (step["then"], step["else"]) == ({"required": ["in"]}, {"required": ["in", "table", "fields"]})

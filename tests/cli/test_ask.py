"""`ask` and `test`: the way to an answer, and the cases that a configuration keeps."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.conftest import CONFIGURATION, Run

QUERIES = """
queries:
  DESVIO:
    find:
      contact: {in: crm, phone: "{{ caller }}"}
    answer: {NOMBRE: "{{ contact.name }}", MARCA: "{{ none }}"}
    not_found: {NOMBRE: NADIE, result: 4, text: nobody}
  ENCUESTA:
    save: {in: crm, table: survey, fields: {phone: "{{ caller.e164 }}", score: "{{ vars.NOTA }}"}}
    answer: {GUARDADO: "1"}
"""


@pytest.fixture
def config(config: Path) -> Path:
    config.write_text(CONFIGURATION + QUERIES, encoding="utf-8")
    return config


def test_the_way_to_the_answer_is_shown(run: Run) -> None:
    said = run("ask", "DESVIO", "--caller", "600 11 12 22")
    assert (said.code, said.err) == (0, "")
    lines = said.out.splitlines()
    assert lines[0] == "Query DESVIO"
    assert lines[1].startswith("  contact in crm: found, ")
    assert lines[-2:] == ["Result 0", "  NOMBRE = Ana"]


def test_for_scripts_it_is_json_of_a_documented_shape(run: Run) -> None:
    told = json.loads(run("ask", "desvio", "--caller", "600111222", "--json").out)
    assert told.keys() == {"query", "result", "text", "variables", "outcome", "ms", "trail"}
    assert (told["query"], told["result"], told["outcome"]) == ("DESVIO", 0, "found")
    assert told["variables"] == {"NOMBRE": "Ana"}
    [step] = told["trail"]
    assert (step["step"], step["connector"], step["outcome"]) == ("contact", "crm", "found")
    assert isinstance(step["ms"], float)


def test_where_the_record_is_opened_is_shown_below_it(run: Run, config: Path) -> None:
    linked = CONFIGURATION.replace("type: csv", 'type: csv\n    link: "https://crm.example.com/{{ record.name }}"')
    config.write_text(linked + QUERIES.replace('"{{ contact.name }}"', '"{{ contact.link }}"'), encoding="utf-8")
    told = run("ask", "DESVIO", "--caller", "600111222")
    assert told.out.splitlines()[2] == "    https://crm.example.com/Ana"
    assert told.out.splitlines()[-1] == "  NOMBRE = https://crm.example.com/Ana"
    [step] = json.loads(run("ask", "DESVIO", "--caller", "600111222", "--json").out)["trail"]
    assert step["link"] == "https://crm.example.com/Ana"
    [step] = json.loads(run("ask", "DESVIO", "--caller", "699999999", "--json").out)["trail"]
    assert step["link"] is None


@pytest.mark.parametrize("caller", ["699999999", "X"])
def test_another_result_than_0_is_exit_1(run: Run, caller: str) -> None:
    said = run("ask", "DESVIO", "--caller", caller)
    assert said.code == 1
    assert "Result 4: nobody" in said.out


def test_an_unknown_query_is_said(run: Run) -> None:
    said = run("ask", "DESBIO")
    assert said.code == 1
    assert "Query 'DESBIO' is not in the configuration" in said.out


def test_what_is_no_number_is_warned_of(run: Run) -> None:
    said = run("ask", "DESVIO", "--caller", "Ana")
    assert said.code == 1
    assert "warning: Ana is no phone number of ES" in said.err


def test_saving_is_shown_and_done_only_when_told_to(run: Run) -> None:
    shown = run("ask", "ENCUESTA", "--caller", "600111222", "--var", "NOTA=5")
    assert shown.code == 0
    assert "save[0] in crm: shown" in shown.out
    assert json.loads(run("jobs", "list", "--json").out or "[]") == []
    assert run("ask", "ENCUESTA", "--caller", "600111222", "--var", "nota=5", "--write").code == 0
    [job] = json.loads(run("jobs", "list", "--json").out)
    assert (job["kind"], job["state"]) == ("save", "pending")


def test_a_line_that_is_not_there_is_wrong_usage(run: Run) -> None:
    said = run("ask", "DESVIO", "--line", "1")
    assert said.code == 2
    assert "912345678" in said.err


def cases(config: Path, text: str) -> None:
    config.write_text(f"{CONFIGURATION}{QUERIES}\ntests:\n{text}", encoding="utf-8")


def test_cases_that_are_answered_as_they_should_be_pass(run: Run, config: Path) -> None:
    cases(
        config,
        '  - {ask: DESVIO, caller: "600111222", answer: {NOMBRE: Ana, MARCA: null}}\n'
        "  - {ask: DESVIO, caller: X, answer: {NOMBRE: NADIE}, result: 4}\n",
    )
    assert run("test") == (0, "2 passed, 0 failed\n", "")


@pytest.mark.parametrize(
    ("case", "difference"),
    [
        ('caller: "600111222", answer: {NOMBRE: Eva}', "NOMBRE is 'Ana', not 'Eva'"),
        ('caller: "600111222", answer: {MARCA: x}', "MARCA is missing, it should be 'x'"),
        ('caller: "600111222", answer: {NOMBRE: null}', "NOMBRE is 'Ana', not absent"),
        ("caller: X, answer: {NOMBRE: NADIE}", "Result is 4, not 0"),
    ],
)
def test_a_case_that_differs_is_said_with_the_way_to_its_answer(
    run: Run, config: Path, case: str, difference: str
) -> None:
    cases(config, f'  - {{ask: DESVIO, {case}}}\n  - {{ask: DESVIO, caller: "600111222"}}\n')
    said = run("test")
    assert said.code == 1
    assert difference in said.out
    assert "FAIL tests[0] ask DESVIO" in said.out
    assert "  answer: " in said.out
    assert said.out.endswith("1 passed, 1 failed\n")


def test_without_cases_that_is_said(run: Run) -> None:
    assert run("test") == (0, "there are no tests: in the configuration\n", "")

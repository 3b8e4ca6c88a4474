"""`ask --at`, `tests: at:` and `simulate --at`: as if it were another moment."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.conftest import CONFIGURATION, Run

QUERIES = """
hours:
  reception:
    open: {days: mon-fri, from: "09:00", to: "20:00"}
    closed: [2026-12-24]
queries:
  HORA:
    answer:
      - when: "{{ hours.reception.open }}"
        AHORA: "{{ now | date('%d/%m/%Y %H:%M %z') }}"
        EMPEZO: "{{ call.start | date('%H:%M') }}"
        ABIERTO: "1"
      - AHORA: "{{ now | date('%d/%m/%Y %H:%M %z') }}"
        ABRE: "{{ hours.reception.opens_at | spoken }}"
"""


@pytest.fixture
def config(config: Path) -> Path:
    config.write_text(CONFIGURATION + QUERIES, encoding="utf-8")
    return config


def variables(run: Run, *options: str) -> dict[str, str]:
    answered: dict[str, str] = json.loads(run("ask", "HORA", "--json", *options).out)["variables"]
    return answered


@pytest.mark.parametrize("at", ["2026-12-23T09:00", "2026-12-23 09:00", "23/12/2026 9:00", "2026-12-23T08:00Z"])
def test_ask_answers_as_if_it_were_that_moment(run: Run, at: str) -> None:
    assert variables(run, "--at", at) == {"AHORA": "23/12/2026 09:00 +0100", "EMPEZO": "09:00", "ABIERTO": "1"}


def test_a_date_alone_is_its_first_minute_and_what_the_clock_skips_comes_after(run: Run) -> None:
    assert variables(run, "--at", "2026-12-24") == {
        "AHORA": "24/12/2026 00:00 +0100",
        "ABRE": "mañana a las nueve",
    }
    assert variables(run, "--at", "2026-03-29T02:30")["AHORA"] == "29/03/2026 03:30 +0200"


@pytest.mark.parametrize("at", ["mañana", "2026-02-30", "9999-12-31T23:59-05:00", "0001-01-01"])
def test_a_moment_that_is_none_is_wrong_usage(run: Run, at: str) -> None:
    said = run("ask", "HORA", "--at", at)
    assert said.code == 2
    assert "2026-12-24T21:30" in said.err


def test_cases_are_asked_at_their_own_moments_whatever_stands_before_them(run: Run, config: Path) -> None:
    cases = """
tests:
  - {ask: HORA, at: 2026-12-23T09:00, answer: {ABIERTO: "1", ABRE: null}}
  - {ask: HORA, at: 2026-12-23T20:00, answer: {ABIERTO: null, ABRE: el viernes a las nueve}}
  - {ask: HORA, at: 2026-12-26T12:00, answer: {ABRE: el lunes a las nueve}}
"""
    config.write_text(CONFIGURATION + QUERIES + cases, encoding="utf-8")
    assert run("test") == (0, "3 passed, 0 failed\n", "")
    config.write_text(CONFIGURATION + QUERIES + cases.replace('ABIERTO: "1"', 'ABIERTO: "0"'), encoding="utf-8")
    assert "caller X, at 2026-12-23 09:00: ABIERTO is '1'" in run("test").out

"""`hours:`: what is said of calendars and of whoever asks for one."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from tests.config.files import LINES, loaded, told, warned

CALENDARS = """
hours:
  reception:
    open: [{days: mon-fri, from: "09:00", to: "20:00"}, {days: sat, from: "10:00", to: "14:00"}]
    holidays: {country: ES, region: MD}
    closed: [2026-12-24, 31/12/2026, "2026-08-01 to 2026-08-03"]
  night: {open: {days: lun-dom, from: "22:00", to: "06:00"}}
"""


def query(expression: str) -> str:
    return f'{LINES}{CALENDARS}queries:\n  Q:\n    answer: {{X: "{{{{ {expression} }}}}"}}\n'


def source(hours: str, more: str = "") -> str:
    return f'{LINES}{CALENDARS}callbacks:\n  - {{name: web, line: "912345678", rule_group: g, hours: {hours}{more}}}\n'


def test_a_calendar_is_read_with_dates_as_people_write_them(tmp_path: Path) -> None:
    reception = loaded(tmp_path, LINES + CALENDARS).configuration.hours["reception"]
    days = [date(2026, 8, 1), date(2026, 8, 2), date(2026, 8, 3), date(2026, 12, 24), date(2026, 12, 31)]
    assert reception.closed == tuple(days)


@pytest.mark.parametrize(
    ("expression", "words"),
    [
        ("hours.reception.opened", ["hours.reception has no opened", "did you mean open?"]),
        ("hours.recepcion.open", ["there is no calendar recepcion", "did you mean reception?"]),
        ("hours.reception", ["neither true nor false", "hours.reception.open"]),
        ("hours.reception.opens_at.hora", ["opens_at has no hora", "did you mean hour?"]),
        ("now.minutes", ["now has no minutes", "did you mean minute?"]),
        ("call.end", ["call.end is never known in a Query", "use it in activities:"]),
        ("call.answered_by", ["call.answered_by is never known in a Query"]),
        ("nov", ["nothing is called nov here", "did you mean now?"]),
    ],
)
def test_what_an_expression_asks_of_time_and_can_not_have(tmp_path: Path, expression: str, words: list[str]) -> None:
    (said,) = told(tmp_path, query(expression))
    assert "queries.Q.answer" in said
    for word in words:
        assert word in said


def test_without_hours_an_expression_is_told_where_to_write_them(tmp_path: Path) -> None:
    (said,) = told(tmp_path, f'{LINES}queries:\n  Q:\n    answer: {{X: "{{{{ hours.reception.open }}}}"}}\n')
    assert "there is no calendar reception: write hours: at the top" in said


@pytest.mark.parametrize(
    "expression",
    [
        "hours.reception.open",
        "hours[vars.SEDE].open",
        "now.hour",
        "now | date('%A')",
        "call.start | spoken",
        "now.weekday",
    ],
)
def test_what_there_is_of_time_is_good_everywhere(tmp_path: Path, expression: str) -> None:
    assert told(tmp_path, query(expression)) == []
    activity = (
        f"connectors:\n  crm: {{type: csv, activities: {{file: a.csv}}}}\n"
        f'activities:\n  - {{in: crm, find: {{}}, fields: {{x: "{{{{ {expression} }}}}"}}}}\n'
    )
    assert told(tmp_path, LINES + CALENDARS + activity) == []


def test_a_source_sees_the_time_and_names_a_calendar(tmp_path: Path) -> None:
    more = ', when: "{{ hours.reception.open and now.hour < 18 }}", variables: {HOY: "{{ now | spoken }}"}'
    configuration = loaded(tmp_path, source("night", more)).configuration
    assert configuration.times_of(configuration.callbacks[0]) is configuration.hours["night"]


@pytest.mark.parametrize(
    ("hours", "more", "place", "words"),
    [
        ("nigth", "", "callbacks[0].hours", ["there is no calendar nigth", "did you mean night?"]),
        ("9 to 20", "", "callbacks[0].hours", ["there is no calendar 9 to 20", 'from: "09:00"']),
        ("night", ", holidays: {country: ES, region: XX}", "callbacks[0].holidays.region", ["no region XX"]),
        ("night", ', when: "{{ hours.dia.open }}"', "callbacks[0].when", ["there is no calendar dia"]),
        ("night", ", max_wait: 300, retries: 4", None, []),
        ('{days: mon, from: "09:00", to: "09:30"}', ", max_wait: 60", "callbacks[0].hours", ["30 minutes"]),
    ],
)
def test_a_source_whose_hours_can_not_be(
    tmp_path: Path, hours: str, more: str, place: str | None, words: list[str]
) -> None:
    said = told(tmp_path, source(hours, more))
    assert len(said) == (place is not None)
    for text in said:
        assert f": {place}: " in text
        for word in words:
            assert word in text


@pytest.mark.parametrize(
    ("calendar", "words"),
    [
        ("abierto: {}", ["open", "is missing"]),
        ("2nd: {open: always}", ["an expression can't name this calendar"]),
        ("always: {open: always}", ["another name"]),
        ("x: {open: always, holidays: {country: XX}}", ["no public holidays are known of XX"]),
        ("x: {open: always, closed: [mañana]}", ["write dates such as"]),
        ('x: {open: always, closed: ["2026-12-31 to 2026-12-01"]}', ["write dates such as"]),
        ("x: {open: nine}", ["always"]),
        ("x: {open: always, cerrado: []}", ["closed"]),
    ],
)
def test_a_calendar_that_can_not_be(tmp_path: Path, calendar: str, words: list[str]) -> None:
    (said,) = told(tmp_path, f"{LINES}hours:\n  {calendar}\n")
    assert "hours" in said
    for word in words:
        assert word in said


def test_a_step_of_the_same_name_wins_with_a_warning(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("phone,x\n600111222,1\n", encoding="utf-8")
    text = f"""{LINES}
connectors:
  crm: {{type: csv, tables: {{now: {{file: a.csv, phones: [phone]}}, hours: {{file: a.csv, phones: [phone]}}}}}}
queries:
  Q:
    find:
      now: {{in: crm, phone: "{{{{ caller }}}}"}}
      hours: {{in: crm, phone: "{{{{ caller }}}}", optional: true}}
    answer: {{X: "{{{{ now.x }}}}{{{{ hours.x }}}}"}}
"""
    assert [said.split(": ", 2)[1] for said in warned(tmp_path, text)] == ["queries.Q.find.now", "queries.Q.find.hours"]


def test_a_case_whose_answer_depends_on_the_time_wants_a_moment(tmp_path: Path) -> None:
    text = query("hours.reception.open") + "tests:\n  - {ask: q}\n  - {ask: Q, at: 2026-12-24}\n"
    (said,) = warned(tmp_path, text)
    assert "tests[0].ask: what q answers depends on the time" in said
    assert "add at:" in said
    saved = """
connectors:
  crm: {type: csv, tables: {survey: {file: survey.csv}}}
queries:
  S: {save: {in: crm, table: survey, fields: {at: "{{ now }}"}}, answer: {OK: "1"}}
tests:
  - {ask: S, answer: {OK: "1"}}
"""
    assert warned(tmp_path, LINES + saved) == []


@pytest.mark.parametrize(
    ("at", "good"),
    [("2026-12-24T21:30", True), ('"24/12/2026 21:30"', True), ("2026-12-24", True), ("soon", False), ("12", False)],
)
def test_a_case_may_say_when(tmp_path: Path, at: str, good: bool) -> None:
    said = told(tmp_path, query("now | date") + f"tests:\n  - {{ask: Q, at: {at}}}\n")
    assert (said == []) is good
    assert good or "write a moment such as 2026-12-24T21:30" in said[0]

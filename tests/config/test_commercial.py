"""What sources of callbacks are for: the faults and warnings of `check`, and the rules of countries as data."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest
from pydantic import ValidationError

from bridge.config.lawbook import CallerRule, lawbook, parsed
from tests.config.files import ENVIRONMENT, loaded, told, warned
from tests.config.lawtable import PAGES, page

CONSENT = 'consent: {basis: "{{ task.basis }}", date: "{{ task.consent_date }}"}'


def line(number: str = "400123456", more: str = "") -> str:
    return f'lines:\n  - {{number: "{number}", password: "${{PASSWORD}}"{more}}}\n'


def source(keys: str, number: str = "400123456", name: str = "name: spring") -> str:
    return f'callbacks:\n  - {{{name}, line: "{number}", rule_group: g, {keys}}}\n'


def selling(keys: str = "", number: str = "400123456", top: str = "", more: str = "") -> str:
    keys = f"purpose: commercial, {CONSENT}{', ' * bool(keys)}{keys}"
    return line(number, more) + top + source(keys, number)


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        (line() + source("purpose: commercial"), "purpose: a commercial source needs consent: with basis: and date:"),
        (line() + source("purpose: selling"), "purpose: "),
        (selling('hours: {days: mon-sat, from: "09:00", to: "20:00"}'), "hours: commercial calls are allowed mon-fri"),
        (selling('hours: {days: mon-fri, from: "08:30", to: "20:00"}'), "hours: commercial calls are allowed mon-fri"),
        (selling('hours: {days: mon-fri, from: "09:00", to: "21:30"}'), "09:00-21:00 alone (TRLGDCU art. 96.2"),
        (selling('hours: {days: mon-fri, from: "20:00", to: "02:00"}'), "hours: commercial calls are allowed mon-fri"),
        (selling("holidays: none"), "holidays: no commercial calls on public holidays"),
        (selling("schedule: platform"), "schedule: a request that went out ahead could not be taken back"),
        (selling(number="612345678"), "line: line 612345678 is a mobile, which may make no commercial calls"),
        (
            selling(number="912345678", top="commercial: {require_400: true}\n"),
            "line: line 912345678 is no 400 number, the only ones for commercial calls",
        ),
        (line() + source("purpose: service"), "line: line 400123456 is a 400 number, which may call for nothing but"),
        (line("912345678") + source(f"purpose: service, {CONSENT}", "912345678"), "consent: is of purpose: commercial"),
        (line("912345678") + source("automatic: true", "912345678"), "automatic: is of purpose: commercial alone"),
        (
            line("912345678") + source("exclusion_max_age: 5d, purpose: requested", "912345678"),
            "exclusion_max_age: is of purpose: commercial alone",
        ),
        (
            line() + source(f"purpose: commercial, {CONSENT}", name="from: missed_calls"),
            "purpose: who called and was missed asked for the call",
        ),
    ],
)  # fmt: skip
def test_what_the_law_refuses_for_certain_is_a_fault(tmp_path: Path, text: str, fault: str) -> None:
    faults = told(tmp_path, text)
    assert len(faults) == 1, faults
    assert fault in faults[0]


@pytest.mark.parametrize(
    "hours",
    [
        "",
        'hours: {days: mon-fri, from: "09:00", to: "21:00"}',
        'hours: [{days: mon-thu, from: "10:00", to: "14:00"}, {days: fri, from: "16:00", to: "21:00"}]',
        "holidays: {country: ES, region: MD}",
        "hours: office",
        "hours: office, holidays: none",
    ],
)
def test_hours_within_those_of_the_law_are_good(tmp_path: Path, hours: str) -> None:
    top = 'hours: {office: {open: {days: mon-fri, from: "09:00", to: "18:00"}, holidays: {country: ES}}}\n'
    assert warned(tmp_path, selling(hours, top=top)) == []


def test_always_is_a_fault_for_its_hours_and_its_holidays(tmp_path: Path) -> None:
    faults = told(tmp_path, selling("hours: always"))
    assert sorted(fault.split(": ")[1].split(".")[1] for fault in faults) == ["holidays", "hours"]


def test_a_calendar_that_is_not_there_is_the_only_fault(tmp_path: Path) -> None:
    [fault] = told(tmp_path, selling("hours: office"))
    assert "there is no calendar office" in fault


def test_a_time_zone_that_is_not_there_is_the_only_fault(tmp_path: Path) -> None:
    [fault] = told(tmp_path, selling(more=", timezone: Europe/Madird"))
    assert "there is no such time zone" in fault


@pytest.mark.parametrize(
    ("text", "warning"),
    [
        (
            line("912345678") + source("hours: always", "912345678"),
            "callbacks[0].name: does not say what its calls are",
        ),
        (selling(number="912345678"), "line 912345678 is no 400 number, the only ones for commercial calls"),
        (line("612345678") + source("purpose: service", "612345678"), "which may make no calls of service"),
        (
            selling(number="211234567", more=", country: PT, timezone: Europe/Lisbon"),
            "no rules about commercial calls are known of PT",
        ),
        (selling("retries: 1"), "callbacks[0].retries: a busy phone is tried again by the platform"),
        (selling('retries: "{{ task.tries }}"'), "callbacks[0].retries: a busy phone is tried again by the platform"),
    ],
)
def test_what_is_open_or_not_said_is_a_warning(tmp_path: Path, text: str, warning: str) -> None:
    [said] = warned(tmp_path, text)
    assert warning in said


def test_what_is_open_says_for_whom(tmp_path: Path) -> None:
    [said] = warned(tmp_path, selling(number="912345678"))
    assert "nobody has said" in said
    assert "Sexto" in said


@pytest.mark.parametrize(
    ("keys", "name", "aim"),
    [
        ("purpose: requested", "name: web", "requested"),
        ("token: '${TOKEN}'", "name: web", "requested"),
        ("token: '${TOKEN}', purpose: service", "name: web", "service"),
        ("dial: by_hand", "from: missed_calls", "requested"),
    ],
)
def test_who_was_missed_or_filled_in_a_form_asked_for_the_call(tmp_path: Path, keys: str, name: str, aim: str) -> None:
    result = loaded(tmp_path, line("912345678") + source(keys, "912345678", name), {**ENVIRONMENT, "TOKEN": "x" * 24})
    assert result.warnings == ()
    assert result.configuration.callbacks[0].aim == aim


def test_a_400_line_may_call_who_asked_for_it(tmp_path: Path) -> None:
    assert warned(tmp_path, line() + source("purpose: requested")) == []


def test_a_configuration_without_any_of_this_is_as_before(tmp_path: Path) -> None:
    result = loaded(tmp_path, line("612345678") + source("hours: always", "612345678"))
    [before] = result.configuration.callbacks
    assert (before.purpose, before.aim, before.consent) == (None, None, None)
    assert not result.configuration.commercial.require_400


def test_rules_hold_from_their_day_on_and_have_a_version() -> None:
    book = lawbook("es")
    assert book is not None
    assert lawbook("ES") == book
    assert book.version(date(2026, 10, 16)) == "es-2026-04"
    assert book.version(date(2026, 10, 17)) == "es-2026-10"
    assert book.version(date(1990, 1, 1)) == "es-0"
    before, after = (book.on(date(2026, 10, day)).callers("commercial") for day in (16, 17))
    assert {rule.id for rule in after} - {rule.id for rule in before} == {"number-400"}


def test_every_rule_says_where_it_is_written_in_both_languages() -> None:
    book = lawbook("ES")
    assert book is not None
    assert all(rule.url.startswith("https://www.boe.es/") and rule.says.en != rule.says.es for rule in book.rules)
    assert {rule.id for rule in book.rules if rule.sure == "open"} == {"mobile-service", "electricity", "number-400"}


@pytest.mark.parametrize("country", ["XX", "", "../es", "e", "..", "ES/"])
def test_a_country_without_a_file_has_no_rules(country: str) -> None:
    assert lawbook(country) is None


HEAD = "country: pt\nchecked: 2026-11-01\nrules:\n"
RULE = "  - {id: a, since: 2026-01-01, source: s, url: u, says: {en: x, es: y}, %s}\n"


def test_the_pages_show_the_rules_as_they_are() -> None:
    for language, path in PAGES.items():
        assert path.read_text("utf-8") == page(language), "run: python -m tests.config.lawtable"


def test_another_country_is_a_file_beside_it() -> None:
    text = HEAD + RULE % "demands: age, basis: consent, months: 12, until: 2026-01-20"
    text += (
        RULE.replace("id: a", "id: b").replace("01-01", "01-10") % "demands: caller, purposes: [service], never: '7'"
    )
    book = parsed(text)
    assert book.country == "PT"
    versions = [book.version(date(2026, 1, day)) for day in (1, 9, 10, 20, 21)]
    assert versions == ["pt-2026-01", "pt-2026-01", "pt-2026-01b", "pt-2026-01b", "pt-2026-01c"]
    assert [book.on(date(2026, 1, day)).age("consent") is not None for day in (20, 21)] == [True, False]
    assert isinstance(book.rules[1], CallerRule)


@pytest.mark.parametrize(
    "rule",
    [
        "demands: magic",
        "demands: age, basis: wish, months: 12",
        "demands: age, basis: consent, months: 0",
        "demands: people, sure: open",
        "demands: people, doubt: {en: x, es: y}",
        "demands: people, until: 2025-01-01",
        "demands: people, colour: red",
        "demands: caller, purposes: [commercial]",
        "demands: caller, purposes: [commercial], only: '4', never: '5'",
        "demands: hours, open: [{days: someday, from: '09:00', to: '10:00'}], holidays: true",
    ],
)
def test_a_file_of_rules_that_makes_no_sense_is_refused(rule: str) -> None:
    with pytest.raises(ValidationError):
        parsed(HEAD + RULE % rule)
    with pytest.raises(ValidationError, match="same id"):
        parsed(HEAD + RULE % "demands: people" + RULE % "demands: people")

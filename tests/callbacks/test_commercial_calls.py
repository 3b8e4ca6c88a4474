"""Commercial calls: what the law of the day keeps back. Each case of the table names its source; the rules themselves
are in bridge/callbacks/rules."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import date, datetime, timedelta
from types import MappingProxyType
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

import pytest

from bridge.callbacks.consent import Consent, day_of, is_yes, months_after
from bridge.callbacks.gates import OF_COMMERCIAL, Candidate, CommercialFacts, Decision, Facts, Gate, admit, wished
from bridge.callbacks.tasks import CallData, Rules, of_source
from bridge.config.lawbook import lawbook
from bridge.config.model import Configuration
from connectors.base import Task
from connectors.phone import parse

FIXED, MOBILE, RANGE = "912345678", "612345678", "400123456"
PENINSULA, CANARIES, CELL = "911234567", "928123456", "600111222"
YES, CLEAR = "consent", CommercialFacts()
PERMITTED = CommercialFacts(permitted=date(2026, 11, 20))

HOURS = "TRLGDCU art. 96.2"
BASIS = "LGT art. 66.1.b"
AUTOMATIC = "LGT art. 66.1.a"
INTEREST = "Circular AEPD 1/2023 art. 3"
BUSINESS = "Circular AEPD 1/2023 art. 5"
AGE = "Ley 10/2025 DF 3ª"
LISTS = "LOPDGDD art. 23.4"
OPPOSITION = "TRLGDCU art. 96.5"
NO_MOBILE = "Orden TDF/149/2025 art. 9"
NUMBER_400 = "Resolución SETID de 14-04-2026"


class Case(NamedTuple):
    """A call that somebody would make. `at`: on the line's clock; `consent`: basis and date; `gate`: what keeps it
    back, None: nothing."""

    source: str
    at: str
    gate: Gate | None
    purpose: str | None = "commercial"
    line: str = FIXED
    to: str = PENINSULA
    consent: tuple[str, str] = (YES, "2026-11-01")
    lists: CommercialFacts | None = CLEAR
    business: bool = False
    more: Mapping[str, Any] = MappingProxyType({})
    require_400: bool = False


MON = "2026-11-23 12:00"
CASES = [
    # hours, by day of the week, by the minute, by holidays, by the person's clock
    Case(HOURS, "2026-11-23 08:59", Gate.COMMERCIAL_HOURS),
    Case(HOURS, "2026-11-23 09:00", None),
    Case(HOURS, "2026-11-23 20:58", None, more={"hours": {"days": "mon-fri", "from": "09:00", "to": "21:00"}}),
    Case(HOURS, "2026-11-23 21:00", Gate.COMMERCIAL_HOURS),
    Case(HOURS, "2026-11-23 21:00", Gate.COMMERCIAL_HOURS, more={"hours": "always"}),
    Case(HOURS, "2026-11-23 20:30", Gate.HOURS),
    Case(HOURS, "2026-11-28 12:00", Gate.COMMERCIAL_HOURS, more={"hours": "always"}),
    Case(HOURS, "2026-11-29 12:00", Gate.COMMERCIAL_HOURS, more={"hours": "always"}),
    Case(HOURS, "2026-12-08 12:00", Gate.COMMERCIAL_HOURS, more={"hours": "always", "holidays": "none"}),
    Case(HOURS, "2026-12-25 12:00", Gate.COMMERCIAL_HOURS),
    Case(HOURS, "2026-12-24 12:00", None),
    Case(HOURS, "2026-11-23 09:30", Gate.COMMERCIAL_HOURS, to=CANARIES, more={"of": "line"}),
    Case(HOURS, "2026-11-23 10:00", None, to=CANARIES, more={"of": "line"}),
    Case(HOURS, "2026-11-23 09:30", Gate.COMMERCIAL_HOURS, to=CELL, more={"of": "line"}),
    Case(HOURS, "2026-11-28 12:00", None, purpose="service", more={"hours": "always"}),
    Case(HOURS, "2026-11-23 22:00", None, purpose="requested", more={"hours": "always"}),
    Case(HOURS, "2026-11-28 12:00", None, purpose=None, more={"hours": "always"}),
    Case(HOURS, "2014-03-28 22:00", None, more={"hours": "always"}),
    Case(HOURS, "2014-03-31 22:00", Gate.COMMERCIAL_HOURS, more={"hours": "always"}),
    # the number that the call shows
    Case(NO_MOBILE, MON, Gate.CALLER_NUMBER, line=MOBILE),
    Case(NO_MOBILE, "2025-06-06 12:00", None, line=MOBILE, consent=(YES, "2025-01-01")),
    Case(NO_MOBILE, "2025-06-09 12:00", Gate.CALLER_NUMBER, line=MOBILE, consent=(YES, "2025-01-01")),
    Case(NO_MOBILE, MON, None, line=MOBILE, purpose="service"),
    Case(NO_MOBILE, MON, None, line=MOBILE, purpose="requested"),
    Case(NO_MOBILE, MON, None, line=MOBILE, purpose=None),
    Case(NUMBER_400, MON, None, line=FIXED),
    Case(NUMBER_400, MON, Gate.CALLER_NUMBER, line=FIXED, require_400=True),
    Case(NUMBER_400, "2026-10-16 12:00", None, line=FIXED, require_400=True, consent=(YES, "2026-10-01")),
    Case(NUMBER_400, "2026-10-19 12:00", Gate.CALLER_NUMBER, line=FIXED, require_400=True, consent=(YES, "2026-10-01")),
    Case(NUMBER_400, MON, None, line=RANGE),
    Case(NUMBER_400, MON, None, line=RANGE, require_400=True),
    Case(NUMBER_400, MON, Gate.CALLER_NUMBER, line="40012345", require_400=True),
    Case(NUMBER_400, MON, Gate.CALLER_NUMBER, line=RANGE, purpose="service"),
    Case(NUMBER_400, "2026-04-16 12:00", None, line=RANGE, purpose="service"),
    Case(NUMBER_400, "2026-04-17 12:00", Gate.CALLER_NUMBER, line=RANGE, purpose="service"),
    Case(NUMBER_400, MON, None, line=RANGE, purpose="requested"),
    Case(NUMBER_400, MON, None, line=FIXED, purpose="service", require_400=True),
    # what allows the call
    Case(BASIS, MON, Gate.CONSENT, consent=("", "")),
    Case(BASIS, MON, Gate.CONSENT, consent=("", "2026-11-01")),
    Case(BASIS, MON, Gate.CONSENT, consent=("bought list", "2026-11-01")),
    Case(BASIS, MON, Gate.CONSENT, consent=(YES, "")),
    Case(BASIS, MON, Gate.CONSENT, consent=(YES, "soon")),
    Case(BASIS, MON, Gate.CONSENT, consent=(YES, "31/02/2026")),
    Case(BASIS, MON, Gate.CONSENT, consent=(YES, "2026-11-24")),
    Case(BASIS, MON, None, consent=(YES, "2026-11-23")),
    Case(BASIS, MON, None, consent=("Consent", "23/11/2026 10:00")),
    Case(BASIS, MON, None, purpose="service", consent=("", "")),
    Case(BASIS, MON, None, purpose="requested", consent=("", "")),
    Case(BASIS, MON, None, purpose=None, consent=("", "")),
    Case(BASIS, "2023-06-28 12:00", None, consent=("", ""), lists=CommercialFacts(permitted=date(2023, 6, 20))),
    Case(BASIS, "2023-06-29 12:00", Gate.CONSENT, consent=("", "")),
    # for how long consent counts
    Case(AGE, MON, None, consent=(YES, "2024-11-23")),
    Case(AGE, MON, Gate.CONSENT_OLD, consent=(YES, "2024-11-22")),
    Case(AGE, MON, None, consent=(YES, "24/11/2024")),
    Case(AGE, "2025-12-24 12:00", None, consent=(YES, "2020-01-01")),
    Case(AGE, "2025-12-29 12:00", Gate.CONSENT_OLD, consent=(YES, "2020-01-01")),
    Case(AGE, "2026-03-02 12:00", Gate.CONSENT_OLD, consent=(YES, "2024-02-29")),
    Case(AGE, "2026-02-27 12:00", None, consent=(YES, "2024-02-29")),
    # for how long dealings count
    Case(INTEREST, MON, None, consent=("legitimate_interest", "2025-11-23"), lists=PERMITTED),
    Case(INTEREST, MON, Gate.CONSENT_OLD, consent=("legitimate_interest", "2025-11-22"), lists=PERMITTED),
    Case(INTEREST, MON, Gate.CONSENT, consent=("legitimate_interest", ""), lists=PERMITTED),
    Case(INTEREST, "2023-06-28 12:00", None, consent=("legitimate_interest", "2020-01-01"),
         lists=CommercialFacts(permitted=date(2023, 6, 20))),
    Case(INTEREST, "2023-06-29 12:00", Gate.CONSENT_OLD, consent=("legitimate_interest", "2020-01-01"),
         lists=CommercialFacts(permitted=date(2023, 6, 20))),
    # where nobody of theirs speaks
    Case(AUTOMATIC, MON, Gate.CONSENT, consent=("legitimate_interest", "2026-11-01"), lists=PERMITTED,
         more={"automatic": True}),
    Case(AUTOMATIC, MON, None, consent=(YES, "2026-11-01"), more={"automatic": True}),
    Case(AUTOMATIC, MON, Gate.CONSENT, consent=("", ""), business=True, lists=PERMITTED, more={"automatic": True}),
    Case(AUTOMATIC, MON, Gate.CONSENT_OLD, consent=(YES, "2024-11-01"), more={"automatic": True}),
    Case(AUTOMATIC, "2022-06-29 12:00", None, consent=("", ""), lists=CommercialFacts(permitted=date(2022, 6, 20)),
         more={"automatic": True}),
    Case(AUTOMATIC, "2022-06-30 12:00", Gate.CONSENT, consent=("", ""), more={"automatic": True}),
    # a company's number
    Case(BUSINESS, MON, None, consent=("", ""), business=True, lists=PERMITTED),
    Case(BUSINESS, MON, Gate.EXCLUSION_LIST, consent=(YES, "2020-01-01"), business=True),
    Case(BUSINESS, MON, Gate.EXCLUSION_LIST, consent=(YES, ""), business=True),
    Case(BUSINESS, MON, Gate.EXCLUSION_LIST, consent=(YES, "2026-11-24"), business=True),
    Case(BUSINESS, MON, None, consent=(YES, "2020-01-01"), business=True, lists=PERMITTED),
    Case(BUSINESS, MON, None, consent=(YES, "2026-11-01"), business=True),
    Case(BUSINESS, MON, Gate.EXCLUSION_LIST, consent=("", ""), business=True),
    Case(BUSINESS, "2026-11-28 12:00", Gate.COMMERCIAL_HOURS, consent=("", ""), business=True, lists=PERMITTED,
         more={"hours": "always"}),
    # exclusion lists
    Case(LISTS, MON, Gate.EXCLUSION_LIST, consent=("legitimate_interest", "2026-11-01")),
    Case(LISTS, MON, Gate.EXCLUSION_LIST, consent=("legitimate_interest", "2026-11-01"),
         lists=CommercialFacts(excluded=date(2026, 11, 20))),
    Case(LISTS, MON, None, consent=(YES, "2026-11-01"), lists=CommercialFacts(excluded=date(2026, 11, 20))),
    Case(LISTS, MON, None, consent=("legitimate_interest", "2026-11-01"), lists=PERMITTED),
    Case(LISTS, MON, None, consent=(YES, "2026-11-01"), lists=CLEAR),
    Case(LISTS, MON, None, consent=("legitimate_interest", "2026-11-01"),
         lists=CommercialFacts(permitted=date(2026, 10, 24))),
    Case(LISTS, MON, Gate.EXCLUSION_LIST, consent=("legitimate_interest", "2026-11-01"),
         lists=CommercialFacts(permitted=date(2026, 10, 23))),
    Case(LISTS, MON, Gate.EXCLUSION_LIST, consent=("legitimate_interest", "2026-11-01"), lists=PERMITTED,
         more={"exclusion_max_age": "2d"}),
    Case(LISTS, MON, None, consent=("legitimate_interest", "2026-11-01"), lists=PERMITTED,
         more={"exclusion_max_age": "3d"}),
    Case(LISTS, MON, None, purpose="requested", consent=("", ""), lists=CLEAR),
    # who said no
    Case(OPPOSITION, MON, Gate.OPPOSED, lists=CommercialFacts(opposed=True)),
    Case(OPPOSITION, MON, Gate.OPPOSED, business=True, lists=CommercialFacts(True, date(2026, 11, 20))),
    Case(OPPOSITION, "2026-11-28 12:00", Gate.OPPOSED, lists=CommercialFacts(opposed=True)),
    Case(OPPOSITION, MON, None, purpose="service", lists=CommercialFacts(opposed=True)),
    Case(OPPOSITION, MON, None, purpose="requested", lists=CommercialFacts(opposed=True)),
    Case(OPPOSITION, MON, None, purpose=None, lists=CommercialFacts(opposed=True)),
]  # fmt: skip


def rules(case: Case) -> Rules:
    given: dict[str, Any] = {"name": "spring", "line": case.line, "rule_group": "g", "per_number": "3/d", **case.more}
    if case.purpose is not None:
        given["purpose"] = case.purpose
    if case.purpose == "commercial":
        given["consent"] = {"basis": "{{ task.basis }}", "date": "{{ task.on }}", "proof": "{{ task.ref }}"}
    configuration = Configuration.model_validate(
        {
            "lines": [{"number": case.line, "password": "3956"}],
            "callbacks": [given],
            "commercial": {"require_400": case.require_400},
        }
    )
    return of_source(configuration, configuration.callbacks[0], configuration.lines[0], lambda: moment(case.at))


def moment(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo("Europe/Madrid"))


def asked(case: Case, of: Rules) -> Candidate:
    basis, on = case.consent
    fields = {"phone": case.to, "basis": basis, "on": on, "ref": "form 77", "business": "sí" if case.business else ""}
    return wished(of.wish(Task("T1", fields)), expires_at=moment(case.at) + timedelta(days=7))


def decided(case: Case) -> Decision:
    of, data = rules(case), CallData({}, 1, 0, frozenset())
    return admit(asked(case, of), Facts(rules=of, now=moment(case.at), data=data, commercial=case.lists))


@pytest.mark.parametrize("case", CASES, ids=[f"{number}-{case.gate or 'rings'}" for number, case in enumerate(CASES)])
def test_the_law_of_the_day_keeps_back_what_it_does_not_allow(case: Case) -> None:
    decision = decided(case)
    assert decision.gate is case.gate, f"{case.source}: {decision.text('en')}"
    texts = {decision.text("en"), decision.text("es")}
    assert texts == {""} if case.gate is None else len(texts - {""}) == 2
    assert case.to not in "".join(texts)
    assert decision.final == (case.gate is Gate.OPPOSED)


def test_the_table_is_long_and_each_source_is_one_of_the_rules() -> None:
    book = lawbook("ES")
    assert book is not None
    written = " ".join(rule.source for rule in book.rules)
    assert len(CASES) >= 60
    assert {case.source for case in CASES if case.source not in written} == set()
    assert {case.gate for case in CASES} - {None} >= set(OF_COMMERCIAL)


def test_hours_of_the_law_cut_the_wait_as_those_of_the_source_do() -> None:
    case = Case(HOURS, "2026-11-23 20:50", None, more={"hours": "always"})
    of = rules(case)
    decision = admit(asked(case, of), Facts(rules=of, now=moment(case.at), data=CallData({}, 300, 0, frozenset())))
    assert decision.slot is not None
    assert decision.slot.max_wait == 10


def test_what_was_put_off_by_the_clock_says_until_when_and_what_needs_mending_until_it_expires() -> None:
    night = decided(Case(HOURS, "2026-11-27 21:30", None))
    assert night.until == moment("2026-11-30 09:00")
    missing = decided(Case(BASIS, MON, None, consent=("", "")))
    assert missing.until == moment(MON) + timedelta(days=7)
    to_come = decided(Case(BASIS, MON, None, consent=(YES, "2026-11-25")))
    assert to_come.until == moment("2026-11-25 00:00")


def test_reasons_name_the_key_that_is_missing_and_the_age() -> None:
    assert "consent: basis" in decided(Case(BASIS, MON, None, consent=("", ""))).text("es")
    assert "consent: date" in decided(Case(BASIS, MON, None, consent=(YES, ""))).text("es")
    old = decided(Case(AGE, MON, None, consent=(YES, "2024-11-01")))
    assert "2024-11-01" in old.text("en")
    assert "24 months" in old.text("en")
    assert "01/11/2024" in old.text("es")
    denied = CommercialFacts(excluded=date(2026, 11, 20))
    listed = decided(Case(LISTS, MON, None, consent=("legitimate_interest", "2026-11-01"), lists=denied))
    assert "an exclusion list has this number, by the check of 2026-11-20" in listed.text("en")
    assert "campaign permitted" in decided(Case(LISTS, MON, None, consent=("legitimate_interest", "2026-11-01"))).text(
        "en"
    )


def test_another_number_of_the_customers_counts_as_well() -> None:
    assert Candidate(parse(PENINSULA, "ES"), parse(CELL, "ES")).numbers == {"+34911234567", "+34600111222"}


def test_hours_of_the_law_are_kept_by_the_clock_of_the_phone_that_rings_too() -> None:
    case = Case(HOURS, "2026-11-23 09:30", Gate.COMMERCIAL_HOURS, more={"of": "line"})
    of = rules(case)
    elsewhere = replace(asked(case, of), number=parse(CANARIES, "ES"))
    facts = Facts(rules=of, now=moment(case.at), data=CallData({}, 1, 0, frozenset()), commercial=CLEAR)
    assert admit(elsewhere, facts).gate is Gate.COMMERCIAL_HOURS
    assert admit(elsewhere, replace(facts, now=moment("2026-11-23 10:00"))).slot is not None


def test_rules_of_a_country_without_any_keep_nobody_back_but_who_opposed() -> None:
    case = Case(BASIS, MON, None, consent=("", ""))
    of = rules(case)
    of = replace(of, line=of.line.model_copy(update={"country": "PT"}))
    facts = Facts(rules=of, now=moment(MON), commercial=CLEAR)
    assert admit(
        replace(asked(case, of), number=parse("211234567", "PT"), customer=parse("211234567", "PT")), facts
    ).slot
    assert admit(asked(case, of), replace(facts, commercial=CommercialFacts(opposed=True))).final


def test_what_a_row_says_of_consent_changes_its_digest_only_where_it_counts() -> None:
    given, renewed = ({"phone": CELL, "basis": YES, "on": day, "ref": "x"} for day in ("2024-01-01", "2026-01-01"))
    commercial, service = rules(Case(BASIS, MON, None)), rules(Case(BASIS, MON, None, purpose="service"))
    assert commercial.wish(Task("1", given)).digest != commercial.wish(Task("1", renewed)).digest
    assert service.wish(Task("1", given)).digest == service.wish(Task("1", renewed)).digest


@pytest.mark.parametrize(
    ("day", "months", "after"),
    [
        ("2024-02-29", 24, "2026-02-28"),
        ("2024-02-29", 48, "2028-02-29"),
        ("2026-12-31", 2, "2027-02-28"),
        ("2025-11-23", 12, "2026-11-23"),
        ("2025-12-01", 1, "2026-01-01"),
    ],
)
def test_months_are_counted_from_date_to_date(day: str, months: int, after: str) -> None:
    assert months_after(date.fromisoformat(day), months) == date.fromisoformat(after)


@pytest.mark.parametrize(
    ("value", "day"),
    [
        ("", (None, False)),
        (None, (None, False)),
        (" 2026-11-23 ", (date(2026, 11, 23), False)),
        ("23/11/2026", (date(2026, 11, 23), False)),
        (date(2026, 11, 23), (date(2026, 11, 23), False)),
        ("2026-11-22T23:30:00Z", (date(2026, 11, 23), False)),
        (datetime(2026, 11, 23, 23, 59), (date(2026, 11, 23), False)),
        ("9999-12-31T23:59:59Z", (date(9999, 12, 31), False)),
        (20261123, (None, True)),
        ("yesterday", (None, True)),
    ],
)
def test_the_day_of_consent_is_read_as_files_and_crms_write_it(value: object, day: tuple[date | None, bool]) -> None:
    assert day_of(value, "Europe/Madrid") == day


@pytest.mark.parametrize(
    ("value", "yes"), [("Sí", True), (True, True), (1, True), ("x", True), ("", False), ("no", False)]
)
def test_a_field_that_marks_a_company_is_read_as_people_write_it(value: object, yes: bool) -> None:
    assert is_yes(value) is yes


def test_basis_and_proof_are_kept_as_the_row_has_them() -> None:
    of = rules(Case(BASIS, MON, None))
    row = {"phone": CELL, "basis": " CONSENT ", "on": "2026-11-01", "ref": " form 77 ", "business": "1"}
    assert of.wish(Task("1", row)).consent == Consent("consent", date(2026, 11, 1), "form 77", business=True)

"""What every connector must hold to, whatever CRM is behind it: derive from `ConnectorContract`, give it a `Harness`.

    class TestMine(ConnectorContract):
        @pytest.fixture
        def harness(self, tmp_path):
            with contextlib.closing(MyHarness(tmp_path)) as harness:
                yield harness

The suite knows three kinds of records: contacts (found by phone), orders (found by key) and surveys (saved), with the
field names `name`, `status`, `phone` and `score`. A harness puts them into its CRM, in that CRM's own words, and reads
back what was written. What a CRM can't do, its harness says by a flag, and the tests of it are skipped.
"""

from __future__ import annotations

import contextlib
import logging
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import ClassVar

import pytest

from connectors.base import (
    Activity,
    Connector,
    ConnectorError,
    ConnectorOptions,
    Context,
    Deadline,
    LookupQuery,
    NewRecord,
    Record,
    Task,
    TaskOutcome,
    TimedOut,
    Unavailable,
)
from connectors.phone import HIDDEN, Phone, parse

GENEROUS = 30.0
"""Seconds within which anything here must happen; no test depends on how fast it does."""

SPELLINGS = (
    "600112233",
    "600 11 22 33",
    "600-11.22/33",
    "+34600112233",
    "+34 600 112 233",
    "0034600112233",
    "(0034) 600.112.233",
    "600112233 ext. 5",
    "600112233 / 911222333",
    "911222333; +34 600 11 22 33",
)
"""How a CRM may have written 600112233 of Spain."""


@dataclass(frozen=True)
class Contact:
    """A person as the CRM keeps them: `phone` and `mobile` as somebody typed them, `changed` an ISO date."""

    name: str
    phone: str = ""
    mobile: str = ""
    changed: str = "2024-01-01"


@dataclass(frozen=True)
class Order:
    """Something that has a key."""

    key: str
    status: str


class Harness(ABC):
    """One CRM with one connector in front of it, as the suite needs it. Made anew for each test."""

    connector: type[Connector]
    """The class under test."""
    folder: Path
    """Where relative paths of the options start."""
    contact: ClassVar[str] = "contact"
    order: ClassVar[str] = "order"
    survey: ClassVar[str] = "survey"
    """The kinds' names in the options."""
    spellings: ClassVar[Sequence[str]] = SPELLINGS
    """The spellings that this connector finds as it is set up here."""
    secrets: ClassVar[Sequence[str]] = ()
    """Passwords and tokens in the options; none may ever be seen."""
    can_save: ClassVar[bool] = True
    can_log: ClassVar[bool] = True
    can_correct: ClassVar[bool] = True
    """Whether a corrected activity takes the place of the first."""
    can_task: ClassVar[bool] = False
    can_hang: ClassVar[bool] = False
    """Whether the CRM can keep a caller waiting; then `hang` is there."""
    orders_newest: ClassVar[bool] = False
    """Whether the options say by which field contacts are newest (`Contact.changed`)."""
    once_at_once: ClassVar[bool] = True
    """Whether simultaneous writes under one key come out as one, by whatever the CRM enforces."""

    @abstractmethod
    def options(self) -> ConnectorOptions:
        """The configuration, for the kinds above; called after `load`."""

    @abstractmethod
    def load(self, contacts: Sequence[Contact] = (), orders: Sequence[Order] = ()) -> None:
        """Make the CRM hold exactly these; called before the connector is opened."""

    @abstractmethod
    def go_away(self) -> None:
        """From now on the CRM can't be reached; called before or after the connector is opened."""

    away_once_open: ClassVar[bool] = True
    """False where what was loaded goes on serving after `go_away` (a file's last good content)."""

    def come_back(self) -> None:
        """The end of `go_away`."""
        raise AssertionError(f"{type(self).__name__} lacks come_back()")

    def hang(self) -> None:
        """From now on the CRM takes requests and does not answer before the harness is closed (or 60 s)."""
        raise AssertionError(f"{type(self).__name__} lacks hang()")

    def lose_answer(self) -> bool:
        """Let the CRM do the next write but its answer be lost; False where there is no such thing here."""
        return False

    def survey_fields(self, phone: str, score: str) -> Mapping[str, object]:
        """The fields of a survey under the names that `save` takes."""
        return {"phone": phone, "score": score}

    def saved(self) -> Sequence[Mapping[str, str]]:
        """The surveys that the CRM holds, as `phone` and `score`."""
        raise AssertionError(f"{type(self).__name__} lacks saved()")

    def activities(self) -> Sequence[Mapping[str, str]]:
        """The activities that the CRM holds, as `key`, `subject` and `note`."""
        raise AssertionError(f"{type(self).__name__} lacks activities()")

    def add_task(self, phone: str) -> str:  # noqa: ARG002 - for those who have tasks
        """Put a task into the CRM that asks for a call to `phone`; its id."""
        raise AssertionError(f"{type(self).__name__} lacks add_task()")

    def outcomes(self, task: str) -> Sequence[str]:  # noqa: ARG002 - as above
        """What the CRM says became of the task, in its own words, one for each that can be seen there."""
        raise AssertionError(f"{type(self).__name__} lacks outcomes()")

    def close(self) -> None:  # noqa: B027 - most have nothing to stop
        """Stop whatever the harness started."""


@dataclass
class Seen:
    """What an admin could have read meanwhile."""

    texts: list[str]

    def error(self, error: ConnectorError) -> None:
        """An error is read too."""
        self.texts += [str(error), error.exchange]


def activity(key: str = "912345678:77:log", **changed: object) -> Activity:
    """A call of 35 seconds from 600112233."""
    made = Activity(
        key=key, subject="Llamada de Ana", note="Recibida\nContestada", direction="received",
        caller=parse("600112233", "ES"), called="912345678", line="912345678",
        start=datetime(2024, 5, 2, 10, 0, tzinfo=UTC), end=datetime(2024, 5, 2, 10, 0, 35, tzinfo=UTC), seconds=35,
        cost=Decimal("0.12"), answered=True, answered_by="101", contact=None,
    )  # fmt: skip
    return replace(made, **changed)  # type: ignore[arg-type]  # each test names fields of its own


def eventually(holds: Callable[[], object], what: str) -> None:
    """Wait until it holds, however slow the machine is."""
    end = time.monotonic() + GENEROUS
    while not holds():
        assert time.monotonic() < end, f"{what} did not come about"
        time.sleep(0.01)


def open_connector(
    harness: Harness,
    folder: Path,
    seen: Seen,
    waiting: Callable[[], contextlib.AbstractContextManager[None]] = contextlib.nullcontext,
) -> Connector:
    """The connector as the bridge opens it; whoever calls closes it."""
    cache = folder / "bridge-cache"
    cache.mkdir(exist_ok=True)
    log = logging.getLogger("connectors.test")
    context = Context(folder=harness.folder, cache=cache, see=seen.texts.append, log=log, waiting=waiting)
    return harness.connector("crm", harness.options(), context)


class ConnectorContract:
    """The suite; see the module."""

    @pytest.fixture
    def harness(self) -> Iterator[Harness]:
        """The CRM under test; every derived class has its own."""
        raise AssertionError("give the suite a harness")

    @pytest.fixture
    def seen(self, harness: Harness, caplog: pytest.LogCaptureFixture) -> Iterator[Seen]:
        """All that was logged, traced or raised; checked at the end for what nobody may read."""
        caplog.set_level(logging.INFO)
        caplog.set_level(logging.DEBUG, "connectors")
        seen = Seen([])
        yield seen
        everything = "\n".join([*seen.texts, caplog.text])
        for secret in (*harness.secrets, "600112233", "600 11 22 33", "%2B34600112233", "911222333"):
            assert secret not in everything, f"{secret} can be read in {everything}"

    @pytest.fixture
    def opened(self, harness: Harness, seen: Seen, tmp_path: Path) -> Iterator[Callable[[], Connector]]:
        """Opens the connector, as many times as it is called; all are closed at the end."""
        with contextlib.ExitStack() as stack:

            def open_it() -> Connector:
                connector = open_connector(harness, tmp_path, seen)
                stack.callback(connector.close)
                return connector

            yield open_it

    def by_phone(self, harness: Harness, connector: Connector, phone: Phone, *, newest: bool = False) -> list[Record]:
        wanted = LookupQuery(harness.contact, phone=phone, newest=newest)
        return list(connector.find(wanted, Deadline.after(GENEROUS)))

    def by_key(self, harness: Harness, connector: Connector, key: str) -> list[Record]:
        return list(connector.find(LookupQuery(harness.order, key=key), Deadline.after(GENEROUS)))

    # finding

    def test_its_options_claim_what_the_suite_uses(self, harness: Harness) -> None:
        harness.load([Contact("Ana", "600112233")], [Order("1", "new")])
        can = harness.options().abilities()
        assert harness.contact in can.by_phone
        assert harness.order in can.by_key
        assert (harness.survey in can.saves) == harness.can_save
        assert can.activities == harness.can_log
        assert can.updates_activities == harness.can_correct
        assert can.tasks == harness.can_task

    def test_its_options_have_no_problems(self, harness: Harness) -> None:
        harness.load([Contact("Ana", "600112233")], [Order("1", "new")])
        assert list(harness.options().problems(harness.folder)) == []

    def test_a_contact_is_found_by_every_spelling_of_its_phone(
        self, harness: Harness, opened: Callable[[], Connector]
    ) -> None:
        people = [Contact(f"Person {number}", text) for number, text in enumerate(harness.spellings)]
        harness.load(people)
        connector = opened()
        for typed in ("600112233", "+34 600 112 233", "0034600112233"):
            found = self.by_phone(harness, connector, parse(typed, "ES"))
            assert {record.fields["name"] for record in found} == {person.name for person in people}

    def test_a_contact_is_found_by_its_second_phone(self, harness: Harness, opened: Callable[[], Connector]) -> None:
        harness.load([Contact("Ana", "911222333", "600112233"), Contact("Luis", "911222333")])
        found = self.by_phone(harness, opened(), parse("600112233", "ES"))
        assert [record.fields["name"] for record in found] == ["Ana"]
        assert any(phone.e164 == "+34600112233" for phone in found[0].phones)
        assert (found[0].connector, found[0].kind) == ("crm", harness.contact)

    def test_who_is_not_there_is_not_found(self, harness: Harness, opened: Callable[[], Connector]) -> None:
        harness.load([Contact("Ana", "600112233")])
        assert self.by_phone(harness, opened(), parse("600999888", "ES")) == []

    def test_nothing_is_found_in_an_empty_crm(self, harness: Harness, opened: Callable[[], Connector]) -> None:
        harness.load()
        connector = opened()
        assert self.by_phone(harness, connector, parse("600112233", "ES")) == []
        assert self.by_key(harness, connector, "1") == []

    def test_only_records_that_have_the_number_are_found(
        self, harness: Harness, opened: Callable[[], Connector]
    ) -> None:
        harness.load(
            [
                Contact("Ana", "600112233"),
                Contact("French", "+33600112233"),
                Contact("Longer", "+346001122334"),
                Contact("600112233", "911222333"),
                Contact("Extension", "911000000 ext. 600112233"),
            ]
        )
        found = self.by_phone(harness, opened(), parse("600112233", "ES"))
        assert [record.fields["name"] for record in found] == ["Ana"]
        assert all(any(phone.e164 == "+34600112233" for phone in record.phones) for record in found)

    def test_everybody_who_shares_a_number_is_found(self, harness: Harness, opened: Callable[[], Connector]) -> None:
        harness.load([Contact("Ana", "600112233"), Contact("Luis", mobile="+34600112233"), Contact("Eva", "911222333")])
        found = self.by_phone(harness, opened(), parse("600112233", "ES"))
        assert {record.fields["name"] for record in found} == {"Ana", "Luis"}

    def test_the_newest_comes_first_when_it_is_wanted(self, harness: Harness, opened: Callable[[], Connector]) -> None:
        if not harness.orders_newest:
            pytest.skip("this set-up knows no newest")
        harness.load(
            [
                Contact("Old", "600112233", changed="2023-12-31"),
                Contact("New", "600112233", changed="2024-11-02"),
                Contact("Middle", "600112233", changed="2024-03-04"),
            ]
        )
        found = self.by_phone(harness, opened(), parse("600112233", "ES"), newest=True)
        assert found[0].fields["name"] == "New"

    def test_names_come_back_as_they_are_kept(self, harness: Harness, opened: Callable[[], Connector]) -> None:
        name = "Peña €“O'Brien” & Sons <UK>, \\ % _ {} ; #1"
        harness.load([Contact(name, "600112233")])
        assert [record.fields["name"] for record in self.by_phone(harness, opened(), parse("600112233", "ES"))] == [
            name
        ]

    @pytest.mark.parametrize("phone", [HIDDEN, parse("", "ES"), parse("abc", "ES"), parse("12", "ES")])
    def test_who_hides_the_number_is_nobody(
        self, harness: Harness, opened: Callable[[], Connector], phone: Phone
    ) -> None:
        harness.load([Contact("Empty"), Contact("Hidden", "X"), Contact("Odd", "abc", "12")])
        assert self.by_phone(harness, opened(), phone) == []

    def test_a_key_keeps_its_leading_zeros(self, harness: Harness, opened: Callable[[], Connector]) -> None:
        harness.load(orders=[Order("00077", "sent"), Order("77", "paid"), Order("0", "new")])
        connector = opened()
        assert [record.fields["status"] for record in self.by_key(harness, connector, "00077")] == ["sent"]
        assert [record.fields["status"] for record in self.by_key(harness, connector, "77")] == ["paid"]
        assert self.by_key(harness, connector, "077") == []

    @pytest.mark.parametrize(
        "key", ["O'Brien", "a\\b", "100%", "{}", "?", "*", "a_b", '"', "ñ€", "a/b", "../orders", "a&b=c", "x y", "#"]
    )
    def test_odd_characters_in_a_key_find_that_key_alone(
        self, harness: Harness, opened: Callable[[], Connector], key: str
    ) -> None:
        harness.load(orders=[Order(key, "mine"), Order("axb", "other"), Order("1", "other")])
        connector = opened()
        assert [record.fields["status"] for record in self.by_key(harness, connector, key)] == ["mine"]

    @pytest.mark.parametrize("key", ["' OR '1'='1", "%", "*", "1' --", "_", "{{ 7*7 }}", "9" * 10_000, "", " ", "\0"])
    def test_a_hostile_key_finds_nothing(self, harness: Harness, opened: Callable[[], Connector], key: str) -> None:
        harness.load(orders=[Order("1", "new"), Order("2", "new")])
        assert self.by_key(harness, opened(), key) == []

    # outages

    def test_an_outage_is_not_nothing_found(
        self, harness: Harness, opened: Callable[[], Connector], seen: Seen
    ) -> None:
        harness.load([Contact("Ana", "600112233")], [Order("1", "new")])
        harness.go_away()
        connector = opened()
        with pytest.raises(Unavailable) as raised:
            self.by_phone(harness, connector, parse("600112233", "ES"))
        seen.error(raised.value)
        with pytest.raises(Unavailable) as raised:
            self.by_key(harness, connector, "1")
        seen.error(raised.value)

    def test_an_outage_while_it_is_open_is_not_nothing_found(
        self, harness: Harness, opened: Callable[[], Connector], seen: Seen
    ) -> None:
        harness.load([Contact("Ana", "600112233")])
        connector = opened()
        assert len(self.by_phone(harness, connector, parse("600112233", "ES"))) == 1
        harness.go_away()
        if harness.away_once_open:
            with pytest.raises(Unavailable) as raised:
                self.by_phone(harness, connector, parse("600112233", "ES"))
            seen.error(raised.value)
        else:
            assert len(self.by_phone(harness, connector, parse("600112233", "ES"))) == 1

    def test_it_serves_again_when_the_crm_is_back(
        self, harness: Harness, opened: Callable[[], Connector], seen: Seen
    ) -> None:
        harness.load([Contact("Ana", "600112233")])
        harness.go_away()
        connector = opened()
        with pytest.raises(Unavailable) as raised:
            self.by_phone(harness, connector, parse("600112233", "ES"))
        seen.error(raised.value)
        harness.come_back()

        def served() -> bool:
            with contextlib.suppress(Unavailable):
                return len(self.by_phone(harness, connector, parse("600112233", "ES"))) == 1
            return False

        eventually(served, "an answer after the outage")

    def test_the_deadline_is_kept_when_the_crm_hangs(
        self, harness: Harness, opened: Callable[[], Connector], seen: Seen
    ) -> None:
        if not harness.can_hang:
            pytest.skip("nothing to wait for here")
        harness.load([Contact("Ana", "600112233")])
        connector = opened()
        harness.hang()
        begun = time.monotonic()
        with pytest.raises(TimedOut) as raised:
            connector.find(LookupQuery(harness.contact, phone=parse("600112233", "ES")), Deadline.after(0.5))
        seen.error(raised.value)
        assert time.monotonic() - begun < GENEROUS  # the CRM itself hangs for longer than that

    def test_one_that_is_cooperative_lets_others_compute_while_the_crm_hangs(
        self, harness: Harness, tmp_path: Path, seen: Seen
    ) -> None:
        if not (harness.can_hang and harness.connector.cooperative):
            pytest.skip("it does not claim to be")
        harness.load([Contact("Ana", "600112233")])
        harness.hang()
        permit, given_back, ended = threading.Lock(), threading.Event(), []

        @contextlib.contextmanager
        def waiting() -> Iterator[None]:
            mine = threading.current_thread() is asking
            if mine:
                permit.release()
                given_back.set()
            try:
                yield
            finally:
                if mine:
                    permit.acquire()

        def ask() -> None:
            with permit, contextlib.closing(open_connector(harness, tmp_path, seen, waiting)) as connector:
                with contextlib.suppress(TimedOut):
                    connector.find(LookupQuery(harness.contact, phone=parse("600112233", "ES")), Deadline.after(2.0))
                ended.append(True)

        asking = threading.Thread(target=ask)
        asking.start()
        assert given_back.wait(GENEROUS)
        with permit:
            before_it_ended = not ended
        asking.join()
        assert before_it_ended

    def test_nothing_is_begun_after_the_deadline(
        self, harness: Harness, opened: Callable[[], Connector], seen: Seen
    ) -> None:
        harness.load([Contact("Ana", "600112233")])
        connector = opened()
        if connector.immediate:
            pytest.skip("it answers from memory")
        with pytest.raises(TimedOut) as raised:
            connector.find(LookupQuery(harness.contact, phone=parse("600112233", "ES")), Deadline.after(-1))
        seen.error(raised.value)

    # writing

    def test_a_record_is_saved_once_however_often_it_is_tried(
        self, harness: Harness, opened: Callable[[], Connector]
    ) -> None:
        if not harness.can_save:
            pytest.skip("saves nothing")
        harness.load()
        connector = opened()
        fields = harness.survey_fields("+34600112233", "9")
        first = connector.save(NewRecord(harness.survey, "call-1", fields), Deadline.after(GENEROUS))
        assert first.created
        again = connector.save(NewRecord(harness.survey, "call-1", fields, attempt=2), Deadline.after(GENEROUS))
        assert not again.created
        assert again.id == first.id
        connector.save(NewRecord(harness.survey, "call-2", fields), Deadline.after(GENEROUS))
        assert [row["phone"] for row in harness.saved()] == ["+34600112233"] * 2
        assert [row["score"] for row in harness.saved()] == ["9"] * 2

    def test_a_record_is_saved_once_when_another_process_tries_again(
        self, harness: Harness, opened: Callable[[], Connector]
    ) -> None:
        if not harness.can_save:
            pytest.skip("saves nothing")
        harness.load()
        fields = harness.survey_fields("+34600112233", "9")
        opened().save(NewRecord(harness.survey, "call-1", fields), Deadline.after(GENEROUS))
        opened().save(NewRecord(harness.survey, "call-1", fields, attempt=2), Deadline.after(GENEROUS))
        assert len(harness.saved()) == 1

    def test_simultaneous_tries_under_one_key_save_one_record(
        self, harness: Harness, opened: Callable[[], Connector]
    ) -> None:
        if not (harness.can_save and harness.once_at_once):
            pytest.skip("this CRM enforces no key")
        harness.load()
        connectors = [opened(), opened()]
        fields = harness.survey_fields("+34600112233", "9")

        def save(number: int) -> None:
            saved = NewRecord(harness.survey, f"call-{number % 5}", fields, attempt=1 + number // 5)
            connectors[number % 2].save(saved, Deadline.after(GENEROUS))

        with ThreadPoolExecutor(8) as pool:
            list(pool.map(save, range(40)))
        assert len(harness.saved()) == 5

    def test_what_was_saved_reads_as_it_was_given(self, harness: Harness, opened: Callable[[], Connector]) -> None:
        if not harness.can_save:
            pytest.skip("saves nothing")
        harness.load()
        score = 'Peña €“O\'Brien” & Sons <UK>; one\ttab\nline, "two"'
        opened().save(NewRecord(harness.survey, "call-1", harness.survey_fields("", score)), Deadline.after(GENEROUS))
        assert [row["score"] for row in harness.saved()] == [score]

    def test_a_save_whose_answer_was_lost_is_not_doubled(
        self, harness: Harness, opened: Callable[[], Connector], seen: Seen
    ) -> None:
        harness.load()
        connector = opened()
        if not (harness.can_save and harness.lose_answer()):
            pytest.skip("no answer to lose")
        saved = NewRecord(harness.survey, "call-1", harness.survey_fields("+34600112233", "9"))
        with pytest.raises((Unavailable, TimedOut)) as raised:
            connector.save(saved, Deadline.after(GENEROUS))
        seen.error(raised.value)
        assert not connector.save(replace(saved, attempt=2), Deadline.after(GENEROUS)).created
        assert len(harness.saved()) == 1

    def test_an_activity_is_kept_once_however_often_it_is_tried(
        self, harness: Harness, opened: Callable[[], Connector]
    ) -> None:
        if not harness.can_log:
            pytest.skip("keeps no activities")
        harness.load()
        connector = opened()
        first = connector.log_activity(activity(), Deadline.after(GENEROUS))
        assert first.created
        assert not connector.log_activity(activity(attempt=2), Deadline.after(GENEROUS)).created
        assert not opened().log_activity(activity(attempt=3), Deadline.after(GENEROUS)).created
        connector.log_activity(activity("912345678:78:log"), Deadline.after(GENEROUS))
        assert sorted(row["key"] for row in harness.activities()) == ["912345678:77:log", "912345678:78:log"]
        assert {row["subject"] for row in harness.activities()} == {"Llamada de Ana"}
        assert {row["note"] for row in harness.activities()} == {"Recibida\nContestada"}

    def test_an_activity_whose_answer_was_lost_is_not_doubled(
        self, harness: Harness, opened: Callable[[], Connector], seen: Seen
    ) -> None:
        harness.load()
        connector = opened()
        if not (harness.can_log and harness.lose_answer()):
            pytest.skip("no answer to lose")
        with pytest.raises((Unavailable, TimedOut)) as raised:
            connector.log_activity(activity(), Deadline.after(GENEROUS))
        seen.error(raised.value)
        connector.log_activity(activity(attempt=2), Deadline.after(GENEROUS))
        assert len(harness.activities()) == 1

    def test_a_correction_takes_the_place_of_the_activity(
        self, harness: Harness, opened: Callable[[], Connector]
    ) -> None:
        if not (harness.can_log and harness.can_correct):
            pytest.skip("corrects nothing")
        harness.load()
        connector = opened()
        first = connector.log_activity(activity(), Deadline.after(GENEROUS))
        connector.log_activity(activity("912345678:78:log"), Deadline.after(GENEROUS))
        corrected = activity(subject="Corregida", seconds=40, revision=2, written_id=first.id)
        assert not connector.log_activity(corrected, Deadline.after(GENEROUS)).created
        connector.log_activity(replace(corrected, attempt=2), Deadline.after(GENEROUS))
        rows = {row["key"]: row["subject"] for row in harness.activities()}
        assert len(harness.activities()) == 2
        assert rows == {"912345678:77:log": "Corregida", "912345678:78:log": "Llamada de Ana"}

    def test_an_activity_of_a_hidden_caller_with_nothing_known_is_kept(
        self, harness: Harness, opened: Callable[[], Connector]
    ) -> None:
        if not harness.can_log:
            pytest.skip("keeps no activities")
        harness.load()
        bare = activity(caller=None, start=None, end=None, seconds=None, cost=None, answered=None, answered_by="")
        opened().log_activity(bare, Deadline.after(GENEROUS))
        assert len(harness.activities()) == 1

    def test_an_activity_of_a_contact_that_was_found_is_kept(
        self, harness: Harness, opened: Callable[[], Connector]
    ) -> None:
        if not harness.can_log:
            pytest.skip("keeps no activities")
        harness.load([Contact("Ana", "600112233")])
        connector = opened()
        [ana] = self.by_phone(harness, connector, parse("600112233", "ES"))
        connector.log_activity(activity(contact=ana, found={"contact": ana}), Deadline.after(GENEROUS))
        assert len(harness.activities()) == 1

    def test_a_write_during_an_outage_says_to_come_again(
        self, harness: Harness, opened: Callable[[], Connector], seen: Seen
    ) -> None:
        if not (harness.can_log and harness.away_once_open):
            pytest.skip("no such outage here")
        harness.load()
        connector = opened()
        harness.go_away()
        with pytest.raises(Unavailable) as raised:
            connector.log_activity(activity(), Deadline.after(GENEROUS))
        seen.error(raised.value)
        harness.come_back()
        connector.log_activity(activity(attempt=2), Deadline.after(GENEROUS))
        assert len(harness.activities()) == 1

    # tasks

    def test_tasks_are_listed_read_again_and_told_their_outcome_once(
        self, harness: Harness, opened: Callable[[], Connector]
    ) -> None:
        if not harness.can_task:
            pytest.skip("has no tasks")
        harness.load()
        first, second = harness.add_task("600112233"), harness.add_task("911222333")
        connector = opened()

        def listed() -> list[Task]:
            return list(connector.tasks(Deadline.after(GENEROUS)))

        eventually(lambda: {task.id for task in listed()} >= {first, second}, "both tasks")
        task = next(task for task in listed() if task.id == first)
        assert parse(str(task.fields["phone"]), "ES").e164 == "+34600112233"
        again = connector.read_task(task, Deadline.after(GENEROUS))
        assert again is not None
        assert again.id == first
        told = TaskOutcome("answered", "Contestada", datetime(2024, 5, 2, 10, tzinfo=UTC), idcall="9", seconds=35)
        connector.update_task(task, told, Deadline.after(GENEROUS))
        connector.update_task(task, told, Deadline.after(GENEROUS))
        assert len(harness.outcomes(first)) == 1
        assert list(harness.outcomes(second)) == []

    # manners

    def test_probing_finds_nothing_wrong(self, harness: Harness, opened: Callable[[], Connector], seen: Seen) -> None:
        harness.load([Contact("Ana", "600112233")], [Order("1", "new")])
        findings = list(opened().probe(Deadline.after(GENEROUS)))
        seen.texts += [f"{finding.what} {finding.text}" for finding in findings]
        assert [finding for finding in findings if not finding.ok] == []

    def test_probing_an_absent_crm_is_a_finding(
        self, harness: Harness, opened: Callable[[], Connector], seen: Seen
    ) -> None:
        harness.load([Contact("Ana", "600112233")])
        harness.go_away()
        findings = list(opened().probe(Deadline.after(GENEROUS)))
        seen.texts += [f"{finding.what} {finding.text}" for finding in findings]
        assert any(not finding.ok and finding.text for finding in findings)

    def test_many_threads_find_at_once(self, harness: Harness, opened: Callable[[], Connector]) -> None:
        harness.load([Contact(f"Person {number}", f"6001122{number:02}") for number in range(20)])
        connector = opened()

        def name(number: int) -> object:
            [record] = self.by_phone(harness, connector, parse(f"6001122{number % 20:02}", "ES"))
            return record.fields["name"]

        with ThreadPoolExecutor(16) as pool:
            assert list(pool.map(name, range(100))) == [f"Person {number % 20}" for number in range(100)]

    def test_closing_leaves_no_thread_behind(self, harness: Harness, seen: Seen, tmp_path: Path) -> None:
        harness.load([Contact("Ana", "600112233")])
        before = set(threading.enumerate())
        connector = open_connector(harness, tmp_path, seen)
        self.by_phone(harness, connector, parse("600112233", "ES"))
        connector.close()
        eventually(lambda: not set(threading.enumerate()) - before, "the end of all threads")

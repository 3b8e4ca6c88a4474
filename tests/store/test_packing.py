"""Calls that are packed: everything of them is read as before, and nothing is lost or there twice."""

from __future__ import annotations

import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, delete, func, insert, select, update

from bridge.calls.folding import Folding, call_by_call
from bridge.config.model import Configuration
from bridge.reports.keeping import count_some
from bridge.store import callfigures, calls, callsearch, deliveries, events, history, overview, packing, privacy
from bridge.store.calls import Call, CallFilter
from bridge.store.callsearch import CallSearch
from bridge.store.database import Database
from bridge.store.deliveries import DeliveryFilter, NewDelivery, State, Took
from bridge.store.events import Arrival, Event
from bridge.store.folded import FoldedCall
from bridge.store.packs import Pack, decode
from bridge.store.packwords import WORDS
from bridge.store.schema import connect
from bridge.store.tables import calls as calls_table
from bridge.store.tables import deliveries as deliveries_table
from bridge.store.tables import events as events_table
from bridge.store.tables import figures, packs
from bridge.store.version import OLDEST_NOTE, note_oldest
from tests.fakes.exchange import LINE, NOON, arrival, document, entry, final
from tests.store.children import child, first_line
from tests.store.made import at_revision
from tests.waiting import until

SOMEONE, LATER = "+34600111222", NOON + timedelta(days=8)
STATUS = (entry(14, "Inicio", after=0), entry(2, "101", "", "", "40", "0,0345", after=30), entry(7, "Fin", after=75))
CONFIGURATION = Configuration.model_validate({"lines": [{"number": LINE, "password": "3956"}]})


def whole(call: str) -> tuple[Arrival, ...]:
    """A call's events, with letters that no dictionary expects."""
    keyed = {"NOMBRE": "Íñigo \u20ac\0\ud800"}
    first, last = document(call_sequence=call), final(call_sequence=call, variables=keyed, status=STATUS)
    return (
        arrival("inicio", first),
        arrival("desvio_correcto", first, NOON + timedelta(seconds=9), diverted="101"),
        arrival("fin", last, NOON + timedelta(seconds=75)),
    )


def folding(database: Database) -> Folding:
    """Folds events; what changes leaves an activity."""

    def plan(connection: Connection, call: Call, _new: Sequence[Event]) -> None:
        payload = {"rule": "crm:call", "event": "", "call": call.call.to_json()}
        new = NewDelivery(
            "activity", f"{call.line}:{call.call_sequence}", "crm", payload, call.e164, call.id, call.version
        )
        deliveries.upsert(database, connection, new, NOON)

    return Folding(database, lambda: CONFIGURATION, call_by_call(plan), lambda: NOON)


def tell(database: Database, *arrivals: Arrival) -> None:
    """The events have come, and are in their calls."""
    with database.write() as connection:
        events.add(database, connection, arrivals)
    for sequence in dict.fromkeys(each.call_sequence for each in arrivals):
        folding(database).advance(LINE, sequence)


def deliver(database: Database) -> None:
    """Everything reaches its CRM and the reports."""
    with database.write() as connection:
        for each in deliveries.find(connection, DeliveryFilter(states=frozenset({State.PENDING}))):
            deliveries.claim(connection, each.id, "us", NOON, LATER)
            about = {"name": "Íñigo"}
            deliveries.done(connection, each.id, "us", each.wanted_revision, Took(NOON, 1), written_id="7",
                            exchange="POST /calls 201", about=about)  # fmt: skip
        connection.execute(update(calls_table).values(counted_version=calls_table.c.version, counted=[["ring"]]))


def done(database: Database, *names: str) -> None:
    """These calls are over and delivered."""
    for name in names:
        tell(database, *whole(name))
    deliver(database)


def pack(database: Database) -> int:
    return packing.pack(database, LATER)


def seen(database: Database) -> dict[str, Any]:
    """All that anybody reads of the calls, by way of every reader."""
    with database.read() as connection:
        stored = [_same(call) for call in calls.export(connection, CallFilter())]
        about = {
            "calls": stored,
            "found": [_same(call) for call in calls.find(connection, CallFilter())],
            "named": [_same(calls.named(connection, call["call_sequence"], [LINE])) for call in stored],
            "got": [_same(calls.get(connection, LINE, call["call_sequence"])) for call in stored],
            "events": [events.of_call(connection, LINE, call["call_sequence"]) for call in stored],
            "deliveries": deliveries.find(connection, DeliveryFilter()),
            "newest": deliveries.latest(connection, DeliveryFilter(), 100),
            "job": deliveries.by_key(connection, f"{LINE}:7"),
            "of a call": deliveries.of_call(connection, stored[0]["id"], LINE, "7", SOMEONE),
            "an extension": [
                (_same(match.call), match.verdict, match.person)
                for match in callsearch.search(connection, CallSearch(extension=frozenset({"101"})), 10).calls
            ],
            "in: calls": [
                (past.line, past.over_at, past.answered, past.missed, _answered(past.call))
                for past in [history.of_number(connection, SOMEONE, LATER, NOON).answered]
                if past is not None
            ],
        }
    return {**about, "person": privacy.person(database, SOMEONE)}


def _same(call: Call | None) -> dict[str, Any]:
    assert call is not None
    return {name: getattr(call, name) for name in Call.__slots__ if name != "packed"}


def _answered(call: FoldedCall) -> tuple[Any, ...]:
    """What a Query is told of a call, or a task of a missed one."""
    return call.id, call.line, call.direction, call.called, call.start, call.seconds, call.answered, call.answered_by


def rows(database: Database, *tables: Any) -> list[int]:
    with database.read() as connection:
        return [connection.execute(select(func.count()).select_from(table)).scalar_one() for table in tables]


def test_what_is_packed_is_read_as_before_and_takes_less(database: Database) -> None:
    done(database, "7", "8")
    before = seen(database)
    assert pack(database) == 2
    assert rows(database, packs, events_table, calls_table) == [2, 0, 2]
    with database.read() as connection:
        [payload] = connection.execute(select(deliveries_table.c.payload).limit(1)).scalars()
        [size] = connection.execute(select(func.length(packs.c.document)).limit(1)).scalars()
    assert payload == {"packed": True}
    assert size < 1000
    after = seen(database)
    assert {name: after[name] == before[name] for name in before} == dict.fromkeys(before, True)
    assert pack(database) == 0


@pytest.mark.parametrize("why", ["open", "pending", "dead", "event", "uncounted", "another number", "changed since"])
def test_what_is_not_done_with_is_left_as_it_is(database: Database, why: str) -> None:
    done(database, "7")
    before = LATER
    with database.write() as connection:
        match why:
            case "open":
                connection.execute(update(calls_table).values(state="open"))
            case "pending" | "dead":
                connection.execute(update(deliveries_table).values(state=why))
            case "event":
                events.add(database, connection, [arrival("fin", final(seconds=99))])
            case "uncounted":
                connection.execute(update(calls_table).values(counted_version=0))
            case "another number":  # which its owner may want forgotten
                row = connection.execute(select(events_table).where(events_table.c.event == "fin")).one()._mapping
                other = {**row, "id": 1000, "digest": "other", "e164": "+34600999888"}
                connection.execute(insert(events_table).values(other))
            case "changed since":
                before = NOON
    assert packing.pack(database, before) == 0
    assert rows(database, packs)[0] == 0


def test_an_event_that_comes_after_all_is_folded_with_those_that_are_packed(database: Database) -> None:
    done(database, "7", "8")
    pack(database)
    tell(database, arrival("fin", final(seconds=99, status=STATUS), NOON + timedelta(days=9)))
    with database.read() as connection:
        call = calls.get(connection, LINE, "7")
        heard = [(event.event, event.diverted_to, event.folded) for event in events.of_call(connection, LINE, "7")]
        job = deliveries.by_key(connection, f"{LINE}:7")
    assert call is not None
    assert job is not None
    assert (call.packed, call.seconds, call.call.answered_by, call.call.uuid) == (False, 99, "101", "u-7")
    assert heard == [("inicio", "", True), ("desvio_correcto", "101", True), ("fin", "", True), ("fin", "", True)]
    assert (job.state, job.written_id, job.wanted_revision) == (State.PENDING, "7", call.version)
    assert rows(database, packs) == [1]
    deliver(database)
    before = seen(database)
    assert pack(database) == 1
    assert seen(database) == before


def test_an_event_that_comes_once_more_changes_nothing(database: Database) -> None:
    done(database, "7")
    pack(database)
    with database.read() as connection:
        before = _same(calls.get(connection, LINE, "7"))
        heard = {(event.event, event.received_at) for event in events.of_call(connection, LINE, "7")}
    tell(database, *(replaced(each) for each in whole("7")))
    with database.read() as connection:
        assert _same(calls.get(connection, LINE, "7")) == before
        again = events.of_call(connection, LINE, "7")
        assert {(event.event, event.received_at) for event in again} == heard
        assert all(event.folded for event in again)
        [job] = deliveries.find(connection, DeliveryFilter())
    assert (job.state, job.exchange) == (State.DONE, "POST /calls 201")
    assert pack(database) == 1


def test_what_a_delivery_carried_that_is_gone_is_not_given_to_the_one_that_has_its_number(database: Database) -> None:
    done(database, "7")
    pack(database)
    with database.write() as connection:
        [gone] = connection.execute(delete(deliveries_table).returning(deliveries_table.c.id)).scalars()
        other = NewDelivery("save", "another", "crm", {"table": "survey"})
        deliveries.add(database, connection, [other], NOON)
        connection.execute(update(deliveries_table).values(id=gone))
    tell(database, arrival("fin", final(seconds=99), LATER))
    with database.read() as connection:
        job = deliveries.by_key(connection, "another")
    assert job is not None
    assert (job.id, job.payload) == (gone, {"table": "survey"})


def replaced(sent: Arrival) -> Arrival:
    """The same event, which comes a week later."""
    return Arrival(**{**{name: getattr(sent, name) for name in Arrival.__slots__}, "received_at": LATER})


def test_what_is_packed_is_forgotten_and_let_go_as_anything(database: Database) -> None:
    done(database, "7", "8")
    pack(database)
    erased = privacy.purge(database, LATER, LATER)
    assert (erased.calls, erased.events, erased.deliveries) == (2, 6, 2)
    done(database, "9")
    pack(database)
    erased = privacy.forget(database, SOMEONE)
    assert (erased.calls, erased.events, erased.deliveries) == (1, 3, 1)
    assert rows(database, packs, calls_table, events_table, deliveries_table) == [0, 0, 0, 0]


def test_what_is_unpacked_while_it_is_forgotten_goes_too(database: Database) -> None:
    done(database, "7")
    pack(database)
    with ThreadPoolExecutor(1) as threads:
        with database.write() as connection:
            call = calls.get(connection, LINE, "7")
            assert call is not None
            events.add(database, connection, [arrival("fin", final(seconds=99), LATER)])
            packing.unpack(database, connection, call)
            forgotten = threads.submit(privacy.forget, database, SOMEONE)
            time.sleep(0.5)  # it waits
        assert forgotten.result().calls == 1
    assert rows(database, packs, calls_table, events_table, deliveries_table) == [0, 0, 0, 0]


def test_who_reads_while_a_call_is_packed_sees_it_as_it_was(database: Database) -> None:
    done(database, "7")
    with database.read() as connection:
        assert len(connection.execute(select(events_table.c.id)).all()) == 3
        assert pack(database) == 1
        assert len(events.of_call(connection, LINE, "7")) == 3
        assert connection.execute(select(packs.c.call_id)).all() == []


def test_a_packed_call_can_be_added_up_anew(database: Database) -> None:
    done(database, "7")
    with database.write() as connection:
        connection.execute(update(calls_table).values(counted=None))

    def moments() -> list[Any]:
        with database.write() as connection:
            connection.execute(update(calls_table).values(counted_version=0))
            counted = [(each.began, each.answered_at, each.call.call) for each in callfigures.uncounted(connection, 5)]
            connection.execute(update(calls_table).values(counted_version=calls_table.c.version))
        return counted

    before = moments()
    assert [each[:2] for each in before] == [(NOON, NOON + timedelta(seconds=9))]
    assert pack(database) == 1
    assert moments() == before


def test_nothing_is_packed_while_a_host_of_the_version_before_may_serve(database: Database) -> None:
    hour = timedelta(hours=1)
    assert [packing.begins(database, NOON + hour * hours) for hours in (0, 1, 23, 24, 25)] == [False] * 3 + [True] * 2


def test_a_host_that_reads_no_packs_takes_no_more_work_once_packing_begins(database: Database) -> None:
    def oldest() -> str:
        with database.read() as connection:
            return str(overview.noted(connection, OLDEST_NOTE))

    before = oldest()
    assert not packing.begins(database, NOON)
    assert oldest() == before
    assert packing.begins(database, NOON + timedelta(days=1))
    assert oldest() == "0015"
    with database.write() as connection:
        note_oldest(connection)  # of a step that comes later
    assert oldest() >= "0015"


def test_a_packed_call_that_was_counted_anew_is_taken_back_as_what_it_was_counted_as_last(database: Database) -> None:
    def count_anew(zone: str) -> dict[str, int]:
        line = {"number": LINE, "password": "3956", "timezone": zone}
        with database.write() as connection:
            connection.execute(update(calls_table).values(counted_version=0))
        assert count_some(database, Configuration.model_validate({"lines": [line]})) == 1
        with database.read() as connection:
            stored = connection.execute(select(figures.c.at, figures.c.calls).where(figures.c.kind == "call"))
            return {f"{at:%H:%M}": number for at, number in stored if number}

    done(database, "7")
    with database.write() as connection:
        connection.execute(update(calls_table).values(counted=None))
    assert count_anew("Europe/Madrid") == {"11:00": 1}
    assert pack(database) == 1
    assert [count_anew("Asia/Kolkata") for _ in range(2)] == [{"11:30": 1}] * 2
    for late in whole("7")[:1]:
        tell(database, replaced(late))  # unpacked
    assert count_anew("Europe/Madrid") == {"11:00": 1}


def test_a_pack_that_was_written_once_is_read_for_ever() -> None:
    """Read with other words, texts would come out altered, and nothing would say so."""
    assert sha256(WORDS).hexdigest() == "10195377a03c5c3881945bdaa854b7fc61424844f166bd9de93e0206c0c0f68e"
    event = {
        "id": 3, "event": "fin", "diverted_to": "101", "digest": "d",
        "received_at": datetime(2026, 3, 2, 12, tzinfo=UTC),
        "raw": "<ApiCall><LineNumber>912345678</LineNumber>Íñigo</ApiCall>",
        "document": {"format": "xml", "line_number": "912345678"}, "panel": {"id": "7"}, "e164": SOMEONE,
    }  # fmt: skip
    pack = Pack({"id": "7", "answered": True}, [["call"]], [event], {1: ({"rule": "crm:call"}, "POST /calls 201")})
    stored = (
        "01b381ad7120bc2af470efe18d99e9f98865110cf0e12463c22d707859076b84a7e06c751beb1a1885181a610427b8b96d6a81bbb54d"
        "686d066aa50ea9efccb154b08686864646462815ac3996b2182991e38b3390f901fec1210afa206e3130360c41210f00"
    )
    assert decode(bytes.fromhex(stored)) == pack


def test_calls_of_an_old_database_are_packed(tmp_path: Path) -> None:
    """One that the version before has made."""
    url = f"sqlite:///{tmp_path}/bridge.db"
    with closing(at_revision("0014", url, tmp_path)) as database, database.write() as connection:
        connection.exec_driver_sql(
            "INSERT INTO calls (line, call_sequence, state, call, version, counted_version, updated_at) VALUES"
            " ('912345678', '7', 'over', '{\"id\": \"7\", \"vars\": {\"A\": \"1\"}}', 1, 1, '2026-01-01 00:00:00')"
        )
    with closing(connect(url)) as database:
        assert pack(database) == 1
        with database.read() as connection:
            call = calls.get(connection, LINE, "7")
        assert call is not None
        assert (call.packed, call.call.id, call.call.vars) == (True, "7", {"A": "1"})


def test_a_packer_that_is_killed_loses_nothing_and_packs_nothing_twice(database: Database, database_url: str) -> None:
    many = 12
    done(database, *map(str, range(7, 7 + many)))
    before = seen(database)
    for transactions, packed in ((1, 0), (2, 5)):
        with child("pack", database_url, str(transactions)) as process:
            assert first_line(process) == "stopped"
        assert rows(database, packs, events_table, calls_table) == [packed, 3 * (many - packed), many]
        assert seen(database) == before
    until(lambda: pack(database) == many - packed)  # PostgreSQL needs a moment to see that the other one is gone
    assert rows(database, packs, events_table, calls_table) == [many, 0, many]
    assert seen(database) == before

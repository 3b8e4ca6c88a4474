"""Events become one call, whatever their order; what is not heard is not guessed."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import count, permutations
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.calls.folding import fold
from bridge.config.model import Line
from bridge.expressions.scope import call_view
from bridge.infocaller.messages import Document, StatusEvent
from bridge.store import calls as stored_calls
from bridge.store.calls import Call, CallState
from bridge.store.events import Arrival, Event
from bridge.store.folded import FoldedCall
from tests.fakes.connector import Handheld
from tests.fakes.exchange import LINE, NOON, STARTED, Exchange, arrival, document, entry, final

MADRID = Line.model_validate({"number": LINE, "password": "3956"})
STATUS = (
    entry(14, "Inicio", after=0),
    entry(6, "Menú principal", "2", after=3),
    entry(4, "PEDIDO", "00077", after=8),
    entry(2, "101", "", "", "0", "0", after=20),
    entry(2, "911000001", "", "", "40", "0,0345", after=30),
    entry(7, "Fin", "", "", "", "0", after=75),
)


def events(*arrivals: Arrival) -> list[Event]:
    """As they are stored, in this order."""
    return [
        Event(
            number,
            each.line,
            each.call_sequence,
            each.event,
            each.diverted_to,
            each.digest,
            each.received_at,
            each.raw,
            each.document,
            each.panel,
            each.e164,
            folded=False,
        )
        for number, each in enumerate(arrivals, 1)
    ]


def folded(*arrivals: Arrival, line: Line = MADRID) -> FoldedCall:
    return fold(events(*arrivals), line)


def _iso(moment: datetime | None) -> str:
    assert moment is not None
    return moment.isoformat()


def whole(call: str) -> tuple[Arrival, ...]:
    """All events of a call: not put through to 101, put through to 911000001."""
    keyed = {"PEDIDO": "00077"}
    end = final(call_sequence=call, variables={**keyed, "MENU": "2"}, status=STATUS)
    return (
        arrival("inicio", document(call_sequence=call)),
        arrival("desvio_fallido", document(call_sequence=call, variables=keyed), diverted="101"),
        arrival("desvio_correcto", document(call_sequence=call, variables=keyed), diverted="+34 911 000 001"),
        arrival("fin", end),
    )


WHOLE = whole("7")


def test_a_whole_call() -> None:
    call = folded(*WHOLE)
    assert {
        name: getattr(call, name) for name in ("id", "uuid", "number_id", "line", "direction", "caller", "called")
    } == {
        "id": "7",
        "uuid": "u-7",
        "number_id": "7",
        "line": LINE,
        "direction": "received",
        "caller": "600111222",
        "called": LINE,
    }
    assert (call.e164, call.hidden, call.seconds) == ("+34600111222", False, 75)
    assert (call.cost, call.cost_rx, call.cost_tx) == (Decimal("0.0465"), Decimal("0.012"), Decimal("0.0345"))
    assert (_iso(call.start), _iso(call.end)) == ("2026-03-02T12:58:45+01:00", "2026-03-02T13:00:00+01:00")
    assert [(one.to, one.answered) for one in call.diversions] == [("101", False), ("911000001", True)]
    assert (call.answered, call.answered_by) == (True, "911000001")
    assert call.vars == {"PEDIDO": "00077", "MENU": "2"}
    assert [event.type for event in call.events] == [14, 6, 4, 2, 2, 7]
    assert call.heard == ("desvio_correcto", "desvio_fallido", "fin", "inicio")
    assert (call.over, call.incomplete) == (True, False)


def test_what_is_kept_of_a_call_is_the_json_of_every_version() -> None:
    call = folded(*WHOLE)
    kept = {
        "id": "7", "uuid": "u-7", "number_id": "7", "line": LINE, "direction": "received", "idcall": "",
        "caller": "600111222", "called": LINE, "e164": "+34600111222", "hidden": False,
        "start": "2026-03-02T12:58:45+01:00", "end": "2026-03-02T13:00:00+01:00", "seconds": 75,
        "cost": "0.0465", "cost_rx": "0.012", "cost_tx": "0.0345", "over": True, "incomplete": False,
        "answered": True, "answered_by": "911000001",
        "diversions": [
            {"to": "101", "answered": False, "at": "2026-03-02T12:59:05"},
            {"to": "911000001", "answered": True, "at": "2026-03-02T12:59:15"},
        ],
        "vars": {"PEDIDO": "00077", "MENU": "2"},
        "events": call.to_json()["events"],
        "heard": ["desvio_correcto", "desvio_fallido", "fin", "inicio"],
    }  # fmt: skip
    assert call.to_json() == kept
    assert list(call.to_json()) == list(kept)
    assert call.to_json()["events"][1] == {
        "type": 6, "at": "2026-03-02T12:58:48", "name": "Menú principal", "info": ["2", "", "", "", ""],
    }  # fmt: skip
    assert FoldedCall.from_json(kept) == call


def test_what_another_version_kept_of_a_call_is_read_as_far_as_this_one_knows_it() -> None:
    call = folded(*WHOLE)
    kept = call.to_json()
    event = kept["events"][1]
    event["info"] = [*event["info"], "a sixth"]
    newer = FoldedCall.from_json({**kept, "mood": "glad"})
    assert newer == call
    event |= {"info": ["2"], "at": ""}
    older = FoldedCall.from_json({**kept, "start": "", "cost": ""})
    assert (older.start, older.cost, older.end) == (None, None, call.end)
    assert (older.events[1].at, older.events[1].info) == (None, ("2", "", "", "", ""))


@pytest.mark.parametrize("order", list(permutations(range(4))))
def test_the_order_of_arrival_changes_nothing(order: tuple[int, ...]) -> None:
    assert folded(*(WHOLE[place] for place in order)) == folded(*WHOLE)


def test_without_fin_what_is_told_later_holds() -> None:
    call = folded(WHOLE[2], WHOLE[0], WHOLE[1])
    assert [one.to for one in call.diversions] == ["+34 911 000 001", "101"]
    assert call.answered_by == "+34 911 000 001"
    assert (call.over, call.seconds, call.cost, call.end) == (False, None, None, None)
    assert _iso(call.start) == NOON.astimezone(UTC).isoformat().replace("12:00:00+00:00", "13:00:00+01:00")
    assert call.vars == {"PEDIDO": "00077"}


def test_an_inicio_that_comes_late_takes_back_no_variable() -> None:
    call = folded(
        arrival("desvio_fallido", document(variables={"A": "new"}), diverted="101"),
        arrival("inicio", document(variables={"A": "old", "B": "1"})),
    )
    assert call.vars == {"A": "new", "B": "1"}


def test_fin_alone_is_a_call() -> None:
    call = folded(arrival("fin", final(status=STATUS)))
    assert [(one.to, one.answered) for one in call.diversions] == [("101", False), ("911000001", True)]
    assert (call.over, call.answered) == (True, True)


def test_of_several_fin_the_last_one_holds() -> None:
    first = arrival("fin", final(seconds=10), NOON)
    second = arrival("fin", final(seconds=20), NOON + timedelta(minutes=1))
    assert folded(WHOLE[0], first, second).seconds == 20


def test_what_fin_does_not_list_the_events_tell() -> None:
    call = folded(
        arrival("desvio_correcto", document(), diverted="102"),
        arrival("fin", final(status=(entry(2, "101", "", "", "0", after=5),))),
    )
    assert [(one.to, one.answered) for one in call.diversions] == [("101", False), ("102", True)]


def test_a_list_without_seconds_leaves_it_to_the_event() -> None:
    call = folded(
        arrival("desvio_correcto", document(), diverted="101"),
        arrival("fin", final(status=(entry(2, "101", after=5),))),
    )
    assert [(one.to, one.answered) for one in call.diversions] == [("101", True)]


@pytest.mark.parametrize("swapped", [False, True])
def test_the_same_extension_tried_twice_is_two_diversions(swapped: bool) -> None:
    tried = [
        arrival("desvio_fallido", document(), diverted="101"),
        arrival("desvio_correcto", document(), diverted="101"),
    ]
    listed = (entry(2, "101", "", "", "0", after=5), entry(2, "101", "", "", "30", after=20))
    call = folded(*(tried[::-1] if swapped else tried), arrival("fin", final(status=listed)))
    assert [one.answered for one in call.diversions] == [False, True]


def test_a_diversion_whose_number_the_url_did_not_bring_still_counts() -> None:
    assert folded(arrival("desvio_correcto", document())).answered is True
    assert folded(arrival("desvio_fallido", document())).answered is False
    assert folded(arrival("inicio", document())).answered is None


@pytest.mark.parametrize(("caller", "hidden"), [("X", True), ("", False), ("anonymous", False)])
def test_a_caller_without_a_number(caller: str, hidden: bool) -> None:
    call = folded(arrival("fin", final(caller_number=caller)))
    assert (call.e164, call.hidden) == ("", hidden)


@pytest.mark.parametrize(("seconds", "answered"), [(30, True), (0, False), (None, False)])
def test_an_emitted_call_is_about_whom_it_rang(seconds: int | None, answered: bool) -> None:
    said = final(
        call_type="E",
        caller_number=LINE,
        inbound_number="",
        outbound_number="600222333",
        idcall="998",
        seconds=seconds,
    )
    call = folded(arrival("fin", said))
    assert (call.direction, call.caller, call.called, call.idcall) == ("emitted", "600222333", LINE, "998")
    assert call.answered is answered


def test_unknown_kinds_are_kept_by_number() -> None:
    call = folded(arrival("fin", final(status=(entry(99, "something", "a"), entry(2, "")))))
    assert call.events[0] == StatusEvent(99, None, "something", ("a", "", "", "", ""))
    assert call.diversions == ()


@pytest.mark.parametrize(
    ("rx", "tx", "cost"),
    [
        ("0.1", "0.2", "0.3"),
        (None, "0.2", "0.2"),
        ("0.000001", "0", "0.000001"),
        (None, None, None),
        ("1E-6", None, "0.000001"),
    ],
)
def test_money_is_exact(rx: str | None, tx: str | None, cost: str | None) -> None:
    said = final(cost_rx=rx and Decimal(rx), cost_tx=tx and Decimal(tx))
    found = call_view(folded(arrival("fin", said)))["cost"]
    assert found == (cost and Decimal(cost))
    assert folded(arrival("fin", said)).to_json()["cost"] == cost


AUTUMN = datetime(2026, 10, 25)


@pytest.mark.parametrize(
    ("start", "end", "seconds", "heard", "expected"),
    [
        ((2, 50), (2, 10), 1200, datetime(2026, 10, 25, 1, 10, 1, tzinfo=UTC), ("02:50:00+02:00", "02:10:00+01:00")),
        ((2, 10), (2, 30), 1200, datetime(2026, 10, 25, 0, 30, 1, tzinfo=UTC), ("02:10:00+02:00", "02:30:00+02:00")),
        ((2, 10), (2, 30), 1200, datetime(2026, 10, 25, 1, 30, 1, tzinfo=UTC), ("02:10:00+01:00", "02:30:00+01:00")),
        ((2, 30), (3, 5), 5700, datetime(2026, 10, 25, 8, 5, tzinfo=UTC), ("02:30:00+02:00", "03:05:00+01:00")),
        ((1, 50), (3, 10), 8400, datetime(2026, 10, 25, 2, 10, 1, tzinfo=UTC), ("01:50:00+02:00", "03:10:00+01:00")),
    ],
)
def test_the_hour_that_comes_twice(
    start: tuple[int, int], end: tuple[int, int], seconds: int, heard: datetime, expected: tuple[str, str]
) -> None:
    said = final(
        start=AUTUMN.replace(hour=start[0], minute=start[1]),
        end=AUTUMN.replace(hour=end[0], minute=end[1]),
        seconds=seconds,
    )
    call = folded(arrival("fin", said, heard))
    assert (_iso(call.start)[11:], _iso(call.end)[11:]) == expected
    seen = call_view(call)
    began, ended = seen["start"], seen["end"]
    assert isinstance(began, datetime)
    assert isinstance(ended, datetime)
    assert ended - began == timedelta(seconds=seconds)


def test_an_hour_that_spring_leaves_out_is_some_time_all_the_same() -> None:
    call = folded(arrival("fin", final(start=datetime(2026, 3, 29, 2, 30), end=None)))
    assert call.start is not None
    assert call.start.tzinfo is not None
    assert call.end is None


# Stored


@pytest.fixture
def exchange(tmp_path: Path) -> Iterator[Exchange]:
    exchange = Exchange(tmp_path, Handheld(), activities=[])
    yield exchange
    exchange.close()


def there(call: Call | None) -> Call:
    assert call is not None
    return call


def test_a_call_stands_in_the_table_as_its_events_say(exchange: Exchange) -> None:
    call = there(exchange.tell(*WHOLE))
    assert (call.state, call.e164, call.direction, call.seconds) == (CallState.OVER, "+34600111222", "received", 75)
    assert call.cost == Decimal("0.0465")
    assert call.started_at == datetime(2026, 3, 2, 11, 58, 45, tzinfo=UTC)
    assert call.ended_at == NOON
    assert call.close_at is None
    assert there(exchange.call()).version == 1


def test_what_is_heard_twice_changes_nothing(exchange: Exchange) -> None:
    before = there(exchange.tell(*WHOLE))
    exchange.later(minutes=5)
    assert there(exchange.tell(*WHOLE)) == before
    assert there(exchange.advance()) == before


def test_however_the_events_come_in_the_call_is_the_same(exchange: Exchange) -> None:
    numbers = count(1)

    @settings(max_examples=40, deadline=None)
    @given(st.permutations(range(4)), st.sets(st.integers(0, 3)))
    def holds(order: list[int], repeated: set[int]) -> None:
        number = f"call {next(numbers)}"
        events_of_it = whole(number)
        for place in order:
            exchange.tell(events_of_it[place])
            if place in repeated:
                exchange.tell(events_of_it[place])
        call = there(exchange.call(number))
        assert call.state is CallState.OVER
        assert call.call == folded(*events_of_it)

    holds()


def test_a_call_whose_fin_never_comes_is_closed_and_said(exchange: Exchange, caplog: pytest.LogCaptureFixture) -> None:
    exchange.configure(
        activities=[{"in": "crm", "close_after": "2h"}, {"in": "crm", "on": "inicio", "close_after": "9h"}]
    )
    call = there(exchange.tell(WHOLE[0]))
    assert call.state is CallState.OPEN
    assert call.close_at == NOON + timedelta(hours=2)
    exchange.later(hours=1, minutes=59)
    assert there(exchange.advance()).state is CallState.OPEN
    exchange.later(minutes=2)
    with exchange.database.read() as connection:
        assert stored_calls.to_close(connection, exchange.now, 10) == [(LINE, "7")]
    call = there(exchange.advance())
    assert call.state is CallState.INCOMPLETE
    assert call.call.incomplete is True
    assert call.close_at is None
    assert [record.levelno for record in caplog.records] == [logging.WARNING]
    assert "600111222" not in caplog.text


def test_a_fin_that_comes_after_all_completes_it(exchange: Exchange) -> None:
    exchange.tell(WHOLE[0])
    exchange.later(hours=7)
    exchange.advance()
    exchange.tell(WHOLE[1])
    assert there(exchange.call()).state is CallState.INCOMPLETE
    call = there(exchange.tell(WHOLE[3]))
    assert call.state is CallState.OVER
    assert (call.call.incomplete, call.seconds) == (False, 75)


def test_a_longer_patience_opens_no_call_again(exchange: Exchange) -> None:
    exchange.tell(WHOLE[0])
    exchange.later(hours=7)
    exchange.advance()
    exchange.configure(activities=[{"in": "crm", "close_after": "30d"}])
    assert there(exchange.tell(WHOLE[1])).state is CallState.INCOMPLETE


def test_a_call_without_events_is_none(exchange: Exchange) -> None:
    assert exchange.advance("unheard") is None


def test_sensitive_variables_are_stored_nowhere(exchange: Exchange, tmp_path: Path) -> None:
    said: list[Document] = [
        document(variables={"TARJETA": "4111222233334444", "PEDIDO": "77"}),
        final(
            variables={"TARJETA": "4111222233334444", "PEDIDO": "77"},
            status=(entry(4, "Tarjeta", "4111222233334444", after=3), entry(4, "Pedido", "77", after=5)),
        ),
    ]
    exchange.configure()
    exchange.tell(arrival("inicio", said[0], sensitive=("tarjeta",)), arrival("fin", said[1], sensitive=("tarjeta",)))
    call = there(exchange.call())
    assert call.call.vars == {"TARJETA": "", "PEDIDO": "77"}
    exchange.work()
    assert len(exchange.crms["crm"].logged) == 1
    exchange.close()
    for file in tmp_path.iterdir():
        assert b"4111222233334444" not in file.read_bytes()


def test_a_call_of_a_line_that_is_gone_is_still_a_call(exchange: Exchange) -> None:
    exchange.configure(lines=[{"number": "933000000", "password": "1"}], activities=[])
    assert there(exchange.tell(WHOLE[3])).e164 == "+34600111222"


def test_expressions_see_a_call_by_its_documented_names() -> None:
    from bridge.config.checks.expressions import CALL_FIELDS

    seen = call_view(folded(*WHOLE), "fin")
    assert set(seen) == set(CALL_FIELDS)
    assert seen["diversions"] == ["101", "911000001"]
    assert (seen["event"], seen["complete"], seen["query"]) == ("fin", True, "")
    assert seen["start"] == STARTED.astimezone(UTC).replace(hour=11, minute=58, second=45)

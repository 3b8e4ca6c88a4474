"""The platform's emission API as we play it: strict, scripted, and with a record of every phone that rang."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit
from zoneinfo import ZoneInfo

import pytest
import requests

from bridge.callbacks.emitter import Emitter, Sent
from bridge.config.emission import Emission
from bridge.infocaller import document
from bridge.infocaller.emission import EmissionRequest, encode
from bridge.infocaller.messages import Document, Format
from bridge.infocaller.results import RESULTS, Consequence
from bridge.simulator.calls import Target
from bridge.simulator.emission import EmissionPlatform
from bridge.simulator.ledger import EmissionLedger, Entry
from bridge.simulator.outcomes import CallOutcome, OutcomeSender
from bridge.simulator.script import PlannedFault, Reaction
from tests.fakes.loopback import HttpLoopback, HttpRequest
from tests.waiting import until

LINE, PASSWORD = "912345678", "3956"
NUMBER = "+34600111222"


@pytest.fixture
def platform() -> Iterator[EmissionPlatform]:
    with EmissionPlatform({LINE: PASSWORD}, groups={"callbacks", "Ñandú & Cía"}) as running:
        yield running


def ask(platform: EmissionPlatform, number: str = NUMBER, password: str = PASSWORD, **request: Any) -> Sent:
    emission = {key: request.pop(key) for key in ("format", "timeout") if key in request}
    section = Emission.model_validate({"url": platform.url, "timeout": "10s", **emission})
    asked = EmissionRequest(**{"line_number": LINE, "number": number, "rule_group": "callbacks", **request})
    return Emitter(section).send(asked, password)


def post(platform: EmissionPlatform, **form: str) -> dict[str, str]:
    body = urlencode(form, encoding="iso-8859-1")
    kind = {"Content-Type": "application/x-www-form-urlencoded"}
    answer = requests.post(platform.url, data=body, headers=kind, timeout=10)
    values: dict[str, str] = json.loads(answer.content.decode("iso-8859-1"))["callRequest"]
    return values


@pytest.mark.parametrize("form", Format)
def test_a_request_in_order_rings_and_is_kept(platform: EmissionPlatform, form: Format) -> None:
    sent = ask(
        platform,
        format=form,
        rule_group="Ñandú & Cía",
        at=datetime(2025, 6, 11, 9, 30),
        max_wait=12,
        retries=3,
        variables={"TAREA": "<1> & ñ", "VACIA": ""},
    )
    assert sent.consequence() is Consequence.ACCEPTED
    assert sent.reply is not None
    (entry,) = platform.ledger.rung
    assert sent.reply.idcall == entry.idcall
    assert (entry.line, entry.number, entry.rule_group) == (LINE, NUMBER, "Ñandú & Cía")
    assert (entry.call_at, entry.max_wait, entry.retries) == ("2025-06-11T09:30:00", 12, 3)
    assert entry.variables == {"TAREA": "<1> & ñ", "VACIA": ""}
    assert entry.format == form
    assert "firma" not in repr(entry)


@pytest.mark.parametrize("form", Format)
@pytest.mark.parametrize("result", [*RESULTS, 77])
def test_every_result_can_be_asked_for(platform: EmissionPlatform, form: Format, result: int) -> None:
    platform.script.next(Reaction(result))
    sent = ask(platform, format=form)
    assert sent.reply is not None
    assert sent.reply.result == result
    assert len(platform.ledger.rung) == (result == 0)
    if result in RESULTS:
        assert sent.reply.text == RESULTS[result].words.render("es")


def good(**changes: str) -> dict[str, Any]:
    body, _ = encode(EmissionRequest(LINE, NUMBER, "callbacks"), PASSWORD, Format.JSON)
    call: dict[str, Any] = json.loads(parse_qs(body.decode())["apiCALLjson"][0])
    call["callRequest"]["callData"].update(changes)
    return call


@pytest.mark.parametrize(
    ("form", "result"),
    [
        ({}, "-99"),
        ({"apicalljson": json.dumps(good())}, "-99"),
        ({"apiCALLjson": "{"}, "-3"),
        ({"apiCALLjson": "[]"}, "-3"),
        ({"apiCALLjson": json.dumps(good(EsperaMax=5))}, "-3"),  # type: ignore[arg-type]  # a number, to be refused
        ({"apiCALLjson": json.dumps({"callRequest": {"UserID": {}, "callData": {}}})}, "-2"),
        ({"apiCALLjson": json.dumps(good(numtelefono="12"))}, "5"),
        ({"apiCALLjson": json.dumps(good(gruporeglas="nope"))}, "8"),
        ({"apiCALLjson": json.dumps(good(fechahora="2025-02-31T09:00:00"))}, "4"),
        ({"apiCALLjson": json.dumps(good(fechahora="2025-02-01 09:00"))}, "4"),
        ({"apiCALLjson": json.dumps(good(EsperaMax="301"))}, "6"),
        ({"apiCALLjson": json.dumps(good(Reintentos="5"))}, "7"),
    ],
)
def test_what_breaks_the_manual_is_refused_and_rings_nobody(
    platform: EmissionPlatform, form: dict[str, str], result: str
) -> None:
    assert post(platform, **form)["Resultado"] == result
    assert platform.ledger.rung == []
    assert [str(entry.result) for entry in platform.ledger.entries] == [result]


def test_xml_that_breaks_the_manual_is_refused(platform: EmissionPlatform) -> None:
    answer = requests.post(platform.url, data={"apiCALLxml": "<CallRequest><UserID/></CallRequest>"}, timeout=10)
    assert b"<Resultado>-3</Resultado>" in answer.content
    assert platform.ledger.rung == []


def test_a_wrong_signature_or_line_is_refused(platform: EmissionPlatform) -> None:
    for form in Format:
        wrong = ask(platform, password="0000", format=form)
        other = ask(platform, line_number="900000000", format=form)
        assert [sent.reply.result for sent in (wrong, other) if sent.reply] == [1, 2]
    assert platform.ledger.rung == []


FAULTS = {
    PlannedFault.RESET_BEFORE: (Consequence.MAY_HAVE_RUNG, 0),
    PlannedFault.RESET_AFTER: (Consequence.MAY_HAVE_RUNG, 1),
    PlannedFault.CLOSED: (Consequence.MAY_HAVE_RUNG, 1),
    PlannedFault.HANG: (Consequence.MAY_HAVE_RUNG, 1),
    PlannedFault.SLOW: (Consequence.MAY_HAVE_RUNG, 1),
    PlannedFault.TRUNCATED: (Consequence.MAY_HAVE_RUNG, 1),
    PlannedFault.GARBAGE: (Consequence.MAY_HAVE_RUNG, 1),
    PlannedFault.HUGE: (Consequence.MAY_HAVE_RUNG, 1),
    PlannedFault.ERROR_500: (Consequence.MAY_HAVE_RUNG, 1),
    PlannedFault.NOT_FOUND: (Consequence.PAUSE_LINE, 0),
    PlannedFault.REDIRECT: (Consequence.PAUSE_LINE, 0),
}


@pytest.mark.parametrize("form", Format)
@pytest.mark.parametrize("fault", [fault for fault in PlannedFault if fault])
def test_each_fault_has_the_consequence_of_the_table(
    platform: EmissionPlatform, fault: PlannedFault, form: Format
) -> None:
    consequence, rung = FAULTS[fault]
    platform.script.next(Reaction(fault=fault))
    patience = "2s" if fault in (PlannedFault.HANG, PlannedFault.SLOW) else "10s"
    assert ask(platform, format=form, timeout=patience).consequence() is consequence
    until(lambda: platform.ledger.entries)
    assert len(platform.ledger.rung) == rung
    assert [entry.fault for entry in platform.ledger.entries] == [fault]
    assert ask(platform, format=form).consequence() is Consequence.ACCEPTED


def test_whoever_hangs_is_let_go_when_the_platform_stops() -> None:
    with EmissionPlatform({LINE: PASSWORD}) as platform, ThreadPoolExecutor(4) as pool:
        platform.script.always(Reaction(fault=PlannedFault.HANG))
        hanging = [pool.submit(ask, platform, f"+3460011122{n}", timeout="100s") for n in range(4)]
        until(lambda: len(platform.ledger.entries) == 4)
        platform.close()
        assert {future.result().consequence() for future in hanging} == {Consequence.MAY_HAVE_RUNG}


def test_reactions_are_planned_by_number_first(platform: EmissionPlatform) -> None:
    platform.script.always(Reaction(11))
    platform.script.next(Reaction(0))
    platform.script.number(NUMBER, Reaction(3), Reaction(-100, idcall="88"))
    replies = [ask(platform).reply for _ in range(4)]
    assert [(reply.result, reply.idcall == "88") for reply in replies if reply] == [
        (3, False),
        (-100, True),
        (0, False),
        (11, False),
    ]


def test_the_record_outlives_the_process_and_a_line_cut_by_a_crash(tmp_path: Path) -> None:
    file = tmp_path / "rung.jsonl"
    with EmissionPlatform({LINE: PASSWORD}, ledger=EmissionLedger(file)) as platform:
        ask(platform)
        platform.script.next(Reaction(5))
        ask(platform, "+34600111223")
        before = platform.ledger.entries
    with file.open("a") as record:
        record.write('{"at": "2025-')
    with EmissionPlatform({LINE: PASSWORD}, ledger=EmissionLedger(file)) as platform:
        assert platform.ledger.entries == before
        assert platform.ledger.twice() == {}
        ask(platform)
        assert platform.ledger.twice() == {NUMBER: 2}
        assert len({entry.idcall for entry in platform.ledger.rung}) == 2
    with closing(EmissionLedger(file)) as again:
        assert len(again.entries) == 3


def test_many_requests_at_once_are_all_kept(platform: EmissionPlatform) -> None:
    with ThreadPoolExecutor(16) as pool:
        sent = list(pool.map(lambda n: ask(platform, f"+34600{n:06}"), range(1000, 1200)))
    assert {one.consequence() for one in sent} == {Consequence.ACCEPTED}
    assert len({entry.idcall for entry in platform.ledger.rung}) == 200
    assert platform.ledger.twice() == {}


# --- the calls that come of it


class Bridge(HttpLoopback):
    """Takes events, and keeps them with the name in their URL."""

    def __init__(self) -> None:
        super().__init__()
        self.events: list[tuple[str, Document]] = []

    def take(self, request: HttpRequest) -> None:
        """Keep the event."""
        event = urlsplit(request.path).path.rpartition("/")[2]
        self.events.append((event, document.read(request.body, request.headers["Content-Type"])))
        request.reply()


@pytest.fixture
def bridge() -> Iterator[Bridge]:
    with Bridge() as server:
        yield server


def calling(bridge: Bridge, *outcomes: CallOutcome, timezone: str = "Europe/Madrid") -> EmissionPlatform:
    target = Target(bridge.address, LINE, PASSWORD, key="k" * 16, timezone=timezone)

    def plan(_entry: Entry) -> tuple[CallOutcome, ...]:
        return outcomes

    return EmissionPlatform({LINE: PASSWORD}, outcomes=OutcomeSender({LINE: target}, plan))


def test_an_answered_call_tells_its_events_with_its_idcall(bridge: Bridge) -> None:
    outcome = CallOutcome(seconds=33, diverted="101", inicio=True, delay=0.01)
    with calling(bridge, outcome) as platform:
        sent = ask(platform, variables={"TAREA": "7"})
        until(lambda: len(bridge.events) == 3)
    assert [event for event, _ in bridge.events] == ["inicio", "desvio_correcto", "fin"]
    for _, told in bridge.events:
        assert told.emitted
        assert told.other_party == NUMBER
        assert sent.reply is not None
        assert told.idcall == sent.reply.idcall
        assert told.variables == {"TAREA": "7"}
    fin = bridge.events[-1][1]
    assert fin.seconds == 33
    assert len({told.call_sequence for _, told in bridge.events}) == 1


@pytest.mark.parametrize("zone", ["Pacific/Auckland", "America/Lima"])  # no machine is in both
def test_a_call_is_told_in_the_lines_local_time(bridge: Bridge, zone: str) -> None:
    with calling(bridge, CallOutcome(delay=0.01), timezone=zone) as platform:
        ask(platform)
        until(lambda: bridge.events)
    start = bridge.events[0][1].start
    assert start is not None
    assert abs(start.replace(tzinfo=ZoneInfo(zone)) - datetime.now(UTC)) < timedelta(minutes=10)


@pytest.mark.parametrize(
    ("outcome", "seconds", "name"),
    [
        (CallOutcome("busy", delay=0.01), 0, "Comunica"),
        (CallOutcome("no_answer", delay=0.01), 0, "No contesta"),
        (CallOutcome("failed", text="Número no existe", delay=0.01), 0, "Número no existe"),
        (CallOutcome("voicemail", seconds=9, delay=0.01), 9, "Contestador"),
    ],
)
def test_a_call_that_nobody_answered_tells_its_end(
    bridge: Bridge, outcome: CallOutcome, seconds: int, name: str
) -> None:
    with calling(bridge, outcome) as platform:
        ask(platform)
        until(lambda: bridge.events)
    ((event, fin),) = bridge.events
    assert (event, fin.seconds) == ("fin", seconds)
    assert name in [one.name for one in fin.status]


def test_a_busy_phone_is_tried_again_under_one_idcall(bridge: Bridge) -> None:
    with calling(bridge, CallOutcome("busy", delay=0.01), CallOutcome(delay=0.05)) as platform:
        ask(platform, retries=1)
        until(lambda: len(bridge.events) == 2)
    first, second = (told for _, told in bridge.events)
    assert first.idcall == second.idcall
    assert first.call_sequence != second.call_sequence
    assert (first.seconds, second.seconds) == (0, 42)


def test_what_was_refused_or_never_connected_tells_nothing(bridge: Bridge) -> None:
    with calling(bridge, CallOutcome("never", delay=0.0), CallOutcome(seconds=5, delay=0.01)) as platform:
        platform.script.next(Reaction(5))
        ask(platform)
        ask(platform)
        until(lambda: bridge.events)
    assert [told.seconds for _, told in bridge.events] == [5]


def test_a_phone_that_rang_without_an_answer_to_the_bridge_tells_its_events_too(bridge: Bridge) -> None:
    with calling(bridge, CallOutcome(delay=0.01)) as platform:
        platform.script.next(Reaction(fault=PlannedFault.RESET_AFTER))
        assert ask(platform).consequence() is Consequence.MAY_HAVE_RUNG
        until(lambda: bridge.events)
        assert bridge.events[0][1].idcall == platform.ledger.rung[0].idcall

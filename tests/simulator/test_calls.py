"""The simulated platform's calls: what it sends is what the platform would, and any answer is understood or named."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qsl, urlsplit

import pytest

from bridge.infocaller import events, signature
from bridge.infocaller.document import read, write
from bridge.infocaller.messages import Document, Format, QueryAnswer
from bridge.simulator.calls import Exchange, Platform, SimulatedCall, Target, new_sequence, wall_clock
from tests.fakes.loopback import HttpLoopback, HttpRequest

START = datetime(2026, 3, 2, 12, 58, 45)
ANSWER = QueryAnswer("0", "todo bien", {"NOMBRE": "Ñuño & <Söhne>", "VACIO": ""})


class Receiver(HttpLoopback):
    """A server that keeps what it is sent and answers what it is told to."""

    def __init__(self) -> None:
        super().__init__()
        self.requests: list[tuple[str, Document]] = []
        self.answer: tuple[int, str, bytes] | None = None

    def take(self, request: HttpRequest) -> None:
        """Keep it, and answer in its own format."""
        document = read(request.body, request.headers["Content-Type"])
        self.requests.append((request.path, document))
        content, kind = write(ANSWER, document.format)
        status, kind, content = self.answer or (200, kind, content)
        request.reply(content, status, {"Content-Type": kind})


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as receiver:
        yield receiver


def call(**keys: object) -> SimulatedCall:
    usual: dict[str, object] = {"variables": {"PEDIDO": "00077", "NOMBRE": "Ñuño"}, "diverted": "101", "start": START}
    return SimulatedCall("600111222", "7", **{**usual, **keys})  # type: ignore[arg-type]  # the test names them


@pytest.mark.parametrize("form", list(Format))
@pytest.mark.parametrize("charset", ["iso-8859-1", "utf-8"])
def test_a_query_and_its_answer(receiver: Receiver, form: Format, charset: str) -> None:
    told: list[Exchange] = []
    target = Target(receiver.address, "912345678", "3956", "a key/", form, charset)
    with Platform(target, told.append) as platform:
        exchange = platform.query(call(), "PEDIDO")
    ((path, document),) = receiver.requests
    assert path == "/infocaller/a%20key%2F/query"
    assert (document.format, document.query_name, document.caller_number) == (form, "PEDIDO", "600111222")
    assert document.variables == {"PEDIDO": "00077", "NOMBRE": "Ñuño"}
    assert signature.matches(document, "3956")
    assert (exchange.good, exchange.result, exchange.text, exchange.error) == (True, "0", "todo bien", "")
    assert exchange.variables == ANSWER.variables
    assert told == [exchange]
    assert "a key" not in exchange.sent
    assert "3956" not in repr(target)


def test_the_events_of_a_call(receiver: Receiver) -> None:
    with Platform(Target(receiver.address, "912345678", "3956")) as platform:
        told = [platform.event(call(), "inicio"), *platform.events(call(queries=("PEDIDO",)))]
    assert [exchange.what for exchange in told] == ["INICIO", "DESVIO_CORRECTO", "FIN"]
    paths, documents = zip(*receiver.requests, strict=True)
    assert [urlsplit(path).path.rpartition("/")[2] for path in paths] == ["inicio", "desvio_correcto", "fin"]
    panels = [events.panel(dict(parse_qsl(urlsplit(path).query))) for path in paths]
    assert [panel.diverted for panel in panels] == [None, "101", None]
    assert {panel.uuid for panel in panels} == {call().uuid}
    assert {document.call_sequence for document in documents} == {"7"}
    inicio, _, fin = documents
    assert (inicio.seconds, inicio.status) == (None, ())
    assert (fin.seconds, fin.start, fin.status[0].type, fin.status[-1].type) == (75, START, 14, 7)
    assert [event.name for event in fin.status if event.type == 17] == ["PEDIDO"]


def test_nobody_answers(receiver: Receiver) -> None:
    with Platform(Target(receiver.address, "912345678", "3956")) as platform:
        told = platform.events(call(answered=False))
    assert [exchange.what for exchange in told] == ["DESVIO_FALLIDO", "FIN"]
    fin = receiver.requests[-1][1]
    assert [event.info[2] for event in fin.status if event.type == 2] == ["0"]


def test_an_emitted_call_is_about_whom_it_rings(receiver: Receiver) -> None:
    with Platform(Target(receiver.address, "912345678", "3956")) as platform:
        platform.event(call(emitted=True, idcall="998"), "fin")
    document = receiver.requests[0][1]
    assert (document.emitted, document.other_party, document.called) == (True, "600111222", "912345678")
    assert document.idcall == "998"


@pytest.mark.parametrize(
    ("status", "kind", "body", "error"),
    [
        (401, "application/json", b'{"ApiCall": {"Status": {"Result": "1", "ResultText": "signature"}}}', "signature"),
        (404, "text/plain", b"no such key", "no such key"),
        (500, "text/html", b"<html>oops", "<html>oops"),
        (503, "text/xml", b"<broken", "<broken"),
        (200, "application/json", b"{}", ""),
    ],
)
def test_any_other_answer_is_named(receiver: Receiver, status: int, kind: str, body: bytes, error: str) -> None:
    receiver.answer = (status, kind, body)
    with Platform(Target(receiver.address, "912345678", "3956")) as platform:
        exchange = platform.query(call(), "Q")
    assert (exchange.status, exchange.good, exchange.error) == (status, status == 200, error)


def test_no_bridge_there_is_said(receiver: Receiver) -> None:
    receiver.close()
    with Platform(Target(receiver.address, "912345678", "3956", timeout=5)) as platform:
        exchange = platform.query(call(), "Q")
    assert (exchange.status, exchange.good) == (0, False)
    assert "is the bridge running" in exchange.error


def test_no_two_calls_have_one_sequence() -> None:
    assert len({new_sequence() for _ in range(500)}) == 500
    assert new_sequence().isdecimal()


@pytest.mark.parametrize(
    ("moment", "shown"),
    [
        (datetime(2026, 7, 1, 12, tzinfo=UTC), datetime(2026, 7, 1, 14)),
        (datetime(2026, 1, 1, 12, tzinfo=UTC), datetime(2026, 1, 1, 13)),
    ],
)
def test_what_a_clock_showed_before_it_was_changed_is_known(moment: datetime, shown: datetime) -> None:
    """One of the two is not of this season."""
    assert abs(wall_clock(ago=datetime.now(UTC) - moment) - shown) < timedelta(minutes=30)

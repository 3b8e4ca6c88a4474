"""Places calls on a bridge as the platform would: Queries and events over HTTP, signed, in its formats and charsets."""

from __future__ import annotations

import itertools
import json
import secrets
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Self
from urllib.parse import quote
from zoneinfo import ZoneInfo

import requests
from lxml import etree
from msgspec import structs

from bridge.infocaller.document import write_request
from bridge.infocaller.messages import Document, Format, StatusEvent
from bridge.infocaller.request import text
from bridge.infocaller.variables import unescape

_NAMESPACE = {"p": "http://tempuri.org/"}
_sequence = itertools.count(1)


def wall_clock(timezone: str = "Europe/Madrid", ago: timedelta = timedelta()) -> datetime:
    """Return what a clock on the wall shows there, or showed so long `ago` (by no more than that if the clocks changed
    meanwhile), whatever zone this machine is set to: the platform's times name no zone."""
    return (datetime.now(UTC) - ago).astimezone(ZoneInfo(timezone)).replace(tzinfo=None)


@dataclass(frozen=True, slots=True)
class Target:
    """Where the bridge is and how to talk to it.

    `base`: `http://127.0.0.1:8080`; `key`: its url_key, empty where it has none. `password`: the line's telephone
    password. `charset`: in which the form is percent-encoded. `timezone`: by which the line's times are written.
    """

    base: str
    line: str
    password: str = field(repr=False)
    key: str = field(default="", repr=False)
    format: Format = Format.JSON
    charset: str = "iso-8859-1"
    timeout: float = 10.0
    timezone: str = "Europe/Madrid"

    def url(self, path: str) -> str:
        """Return the address of one of the bridge's URLs."""
        key = f"/{quote(self.key, safe='')}" if self.key else ""
        return f"{self.base.rstrip('/')}/infocaller{key}/{path}"


@dataclass(frozen=True, slots=True)
class Exchange:
    """One request of the platform and what the bridge answered. `status` 0: there was no answer, `error` says why.
    `sent` and `received` are what went over the wire, readable."""

    what: str
    status: int
    ms: float
    sent: str
    received: str
    result: str = ""
    text: str = ""
    variables: Mapping[str, str] = field(default_factory=dict)
    error: str = ""

    @property
    def good(self) -> bool:
        """Whether it was answered as it should be."""
        return self.status == 200


@dataclass(frozen=True, slots=True)
class SimulatedCall:
    """A call as the platform knows it. `caller` `X`: hidden. `emitted`: the platform made it, to `caller`, because of
    the emission request `idcall`. `variables`: what was keyed in so far. `menus`: the options that were
    chosen at its end, by the menu's name. `diverted` an extension or number that the
    call was put through to, empty: nobody. `seconds` it lasted."""

    caller: str
    sequence: str
    emitted: bool = False
    idcall: str = ""
    called: str = ""
    variables: Mapping[str, str] = field(default_factory=dict)
    diverted: str = ""
    answered: bool = True
    seconds: int = 75
    start: datetime = field(default_factory=wall_clock)
    queries: Sequence[str] = ()
    menus: Mapping[str, str] = field(default_factory=dict)

    @property
    def uuid(self) -> str:
        """The platform's `_UUID`: the same for every event of a call."""
        return str(uuid.uuid5(uuid.NAMESPACE_OID, self.sequence))

    def document(self, line: str) -> Document:
        """Return what every document of this call says."""
        ours = self.called or line
        return Document(
            format=Format.JSON,
            line_number=line,
            line_number_int=line,
            call_sequence=self.sequence,
            call_type="E" if self.emitted else "R",
            caller_number=ours if self.emitted else self.caller,
            inbound_number="" if self.emitted else ours,
            inbound_number_int="" if self.emitted else ours,
            outbound_number=self.caller if self.emitted else "",
            idcall=self.idcall,
            variables=self.variables,
        )

    def final(self, line: str) -> Document:
        """Return what FIN says."""
        return structs.replace(
            self.document(line),
            seconds=self.seconds,
            start=self.start.replace(microsecond=0),
            end=self.start.replace(microsecond=0) + timedelta(seconds=self.seconds),
            cost_rx=Decimal("0.000000") if self.emitted else Decimal("0.012000"),
            cost_tx=Decimal("0.034500"),
            status=tuple(self._status()),
        )

    def _status(self) -> Iterator[StatusEvent]:
        start = self.start.replace(microsecond=0)
        yield StatusEvent(14, start, "Inicio de llamada", ("", "", "", "", ""))
        for number, (name, value) in enumerate(self.variables.items(), 1):
            yield StatusEvent(4, start + timedelta(seconds=5 * number), name, (value, "", "", "", ""))
        for name, option in self.menus.items():
            yield StatusEvent(6, start + timedelta(seconds=max(0, self.seconds - 5)), name, (option, "", "", "", ""))
        for query in self.queries:
            yield StatusEvent(17, start + timedelta(seconds=15), query, ("0", "", "", "", ""))
        if self.diverted:
            talked = str(max(0, self.seconds - 20)) if self.answered else "0"
            cost = "0,034500" if self.answered else "0"
            yield StatusEvent(2, start + timedelta(seconds=20), self.diverted, ("", "", talked, cost, ""))
        yield StatusEvent(7, start + timedelta(seconds=self.seconds), "Fin de llamada", ("", "", "", "0", ""))


def new_sequence() -> str:
    """Return a CallSequence that no call had before."""
    return f"{time.time_ns() // 1_000_000}{next(_sequence) % 1000:03d}{secrets.randbelow(100):02d}"


class Platform:
    """Talks to one bridge. `tell` gets every exchange as it happens."""

    def __init__(self, target: Target, tell: Callable[[Exchange], None] = lambda _exchange: None) -> None:
        self.target = target
        self._tell = tell
        self._session = requests.Session()
        self._session.trust_env = False
        adapter = requests.adapters.HTTPAdapter(pool_maxsize=128)
        self._session.mount("http://", adapter)
        self._session.mount("https://", adapter)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self._session.close()

    def query(self, call: SimulatedCall, name: str) -> Exchange:
        """Ask a Query during the call."""
        document = structs.replace(call.document(self.target.line), query_name=name)
        return self._post(f"Query {name}", "query", document, "apiInfocaller", {})

    def event(self, call: SimulatedCall, event: str) -> Exchange:
        """Tell one of the four events, its panel variables in the URL."""
        final = event == "fin"
        document = call.final(self.target.line) if final else call.document(self.target.line)
        panel = {
            "caller": call.caller,
            "num": self.target.line,
            "called": call.called or self.target.line,
            "id": call.sequence,
            "uuid": call.uuid,
        }
        if event.startswith("desvio"):
            panel["desvio"] = call.diverted
        return self._post(event.upper(), f"event/{event}", document, "apilinfocaller", panel)

    def events(self, call: SimulatedCall) -> list[Exchange]:
        """Send what follows a call's Queries: it is put through (or not), and ends."""
        exchanges = []
        if call.diverted:
            exchanges.append(self.event(call, "desvio_correcto" if call.answered else "desvio_fallido"))
        exchanges.append(self.event(call, "fin"))
        return exchanges

    def _post(self, what: str, path: str, document: Document, variable: str, panel: Mapping[str, str]) -> Exchange:
        target = self.target
        body, content_type = write_request(
            document, target.format, charset=target.charset, form_variable=variable, password=target.password
        )
        sent = f"POST /infocaller/{'…/' if target.key else ''}{path}\n{text(document, target.format)}"
        started = time.perf_counter()
        try:
            answer = self._session.post(
                target.url(path),
                data=body,
                params=dict(panel),
                headers={"Content-Type": content_type},
                timeout=target.timeout,
                allow_redirects=False,
            )
        except requests.RequestException as error:
            exchange = Exchange(what, 0, _since(started), sent, "", error=_reason(error))
        else:
            exchange = _read(what, answer, _since(started), sent)
        self._tell(exchange)
        return exchange


def _since(started: float) -> float:
    return round((time.perf_counter() - started) * 1000, 1)


def _reason(error: requests.RequestException) -> str:
    if isinstance(error, requests.Timeout):
        return "no answer in time"
    if isinstance(error, requests.ConnectionError):
        return "the connection was refused or lost: is the bridge running there?"
    return type(error).__name__


def _read(what: str, answer: requests.Response, ms: float, sent: str) -> Exchange:
    """What the bridge answered, as the platform would understand it."""
    received = f"{answer.status_code} {answer.headers.get('Content-Type', '')}\n{answer.text.strip()}"
    exchange = Exchange(what, answer.status_code, ms, sent, received)
    try:
        xml = "xml" in answer.headers.get("Content-Type", "")
        result, words, variables = _xml(answer.content) if xml else _json(answer.content)
    except (ValueError, TypeError, KeyError, AttributeError, etree.XMLSyntaxError):
        return replace(exchange, error="" if answer.ok else answer.text.strip()[:200])
    error = "" if answer.ok else words or answer.reason
    return replace(exchange, result=result, text=words, variables=variables, error=error)


_Answer = tuple[str, str, dict[str, str]]


def _json(body: bytes) -> _Answer:
    call = json.loads(body)["ApiCall"]
    variables = call["CustVars"]["CustVar"] if call.get("CustVars") else []
    values = {pair["VarName"]: unescape(pair["VarValue"]) for pair in variables}
    return call["Status"]["Result"], unescape(call["Status"].get("ResultText", "")), values


def _xml(body: bytes) -> _Answer:
    root = etree.fromstring(body, etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False))

    def inner(node: etree._Element, path: str) -> str:
        return node.findtext(path, "", _NAMESPACE) or ""

    values = {inner(pair, "p:VarName"): inner(pair, "p:VarValue") for pair in root.iterfind(".//p:CustVar", _NAMESPACE)}
    return inner(root, "p:Status/p:Result"), inner(root, "p:Status/p:ResultText"), values

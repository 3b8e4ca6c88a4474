"""What the platform asks for: the answer to a Query, and that an event is kept."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from bridge.config.model import Line
from bridge.errors import ProtocolError, StoreUnavailable
from bridge.infocaller import events
from bridge.infocaller.messages import Document, QueryAnswer
from bridge.intake.querylog import QueryLog
from bridge.lookups.finding import LookupOutcome
from bridge.queries.answering import Answered, Question
from bridge.runtime.tracing import ChildSpan, Traces
from bridge.service.composition import Service
from bridge.service.metrics import Metrics
from bridge.store.tables import LONGEST_KEY
from bridge.texts import Text, said
from bridge.troubles import Severity, Troubles
from bridge.web import reply
from bridge.web.receive import Route, VerifiedRequest
from bridge.web.reply import Reply
from bridge.web.request import Refused
from connectors.phone import mask, parse
from connectors.steps import Steps


@dataclass(frozen=True, slots=True)
class VerifiedEvent:
    """An event whose signature was right. `name` is one of `events.EVENTS`, `panel` what its URL said."""

    name: str
    document: Document
    panel: events.Panel
    line: Line


_LOOKED_UP = frozenset(map(str, LookupOutcome))
_FAILED = ("on_error", "on_timeout")

KeepEvent = Callable[[VerifiedEvent], Steps[object]]
"""Done when the event is on disk, also when it was there already. Raises `StoreUnavailable`, and `ProtocolError` for
what no platform sends."""


def question(document: Document, line: Line, name: str, panel: events.Panel) -> Question:
    """Return what a Query asks: about the other party of the call."""
    call = {
        "id": document.call_sequence,
        "uuid": panel.uuid or "",
        "number_id": panel.id or "",
        "direction": "emitted" if document.emitted else "received",
        "idcall": document.idcall,
    }
    caller = parse(document.other_party, line.country)
    return Question(name, line, caller, document.called, call, document.variables)


class Infocaller:
    """The platform's routes. `keep_event`: where events go; None: this bridge keeps none, and says so. `troubles` hears
    of events that are refused, and of Queries that the configuration lacks. `record`: what keeps in mind what was asked
    and answered; None: nothing does. `traces`: what spans are made by; None: nobody wants any."""

    def __init__(
        self,
        metrics: Metrics,
        keep_event: KeepEvent | None,
        troubles: Troubles,
        record: QueryLog | None = None,
        traces: Traces | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._metrics, self._keep_event, self._troubles, self._clock = metrics, keep_event, troubles, clock
        self._record, self._traces = record, traces

    def routes(self) -> Mapping[str, Route]:
        """Return the routes by the first segment after the key."""
        return {
            "query": Route(self.query, lambda _argument, _parameters: True, _query_name),
            "event": Route(self.event, _is_event, lambda _service, *asked: _event_name(*asked[:2]) or ""),
        }

    def query(self, received: VerifiedRequest) -> Steps[Reply]:
        """Answer a Query (manual, API Interactiva)."""
        document = received.document
        if len(document.call_sequence) > LONGEST_KEY:  # what it saves could not be stored under it
            raise Refused(400, f"CallSequence has {len(document.call_sequence)} characters; {LONGEST_KEY} at most")
        name = received.argument or document.query_name
        asked = question(document, received.line, name, events.panel(received.parameters))
        answered = yield from received.service.queries.steps(asked, received.arrived)
        self._metrics.answered(answered)
        if self._record is not None:
            self._record.answered(asked, document, answered, received.service.configuration)
        self._troubles.heard()
        self._told_of(name, answered)
        if self._traces is not None:
            _note_query(self._traces, document, answered, received.arrived)
        received.entry.fields |= {
            "query": answered.query[:40],
            "caller": mask(document.other_party),
            "result": answered.result,
            "outcome": answered.outcome,
        }
        answer = QueryAnswer(str(answered.result), answered.text, answered.variables)
        return reply.write(200, answer, document.format)

    def _told_of(self, name: str, answered: Answered) -> None:
        if answered.outcome != "unknown_query":
            self._troubles.clear("unknown_query", name[:40])
            return
        self._troubles.report(
            "unknown_query",
            name[:40],
            severity=Severity.ERROR,
            text=Text(
                "The panel asks for the Query {name}, which is not in the configuration: its callers get Result 1 and "
                "no variables",
                name=repr(name[:40]),
            ),
            action=Text("Give the Query in the panel's script the name that it has under `queries:`, or add it there"),
        )

    def event(self, received: VerifiedRequest) -> Steps[Reply]:
        """Keep an event (manual, API Informativa): 200 only when it is on disk."""
        document, name = received.document, _event_name(received.argument, received.parameters)
        received.entry.fields |= {"event": name, "caller": mask(document.other_party)}
        if self._keep_event is None or name is None:
            raise Refused(503, "this bridge has nowhere to keep events")
        panel = events.panel(received.parameters)
        try:
            yield from self._keep_event(VerifiedEvent(name, document, panel, received.line))
        except ProtocolError as error:
            raise Refused(400, str(error)) from error
        except StoreUnavailable as error:
            if self._traces is not None:
                _note_event(self._traces, received, name, "not_kept")
            self._troubles.report(
                "events_refused",
                severity=Severity.ERROR,
                text=Text(
                    "Events are refused, because they can't be kept, and the platform does not send them again: "
                    "{error}",
                    error=said(error),
                ),
                action=Text("Mend what the text names"),
            )
            raise Refused(503, f"the event could not be kept: {error}") from error
        self._troubles.clear("events_refused")
        self._metrics.kept(name, self._clock() - received.arrived)
        if self._record is not None:
            self._record.kept(received.line.number, name)
        received.entry.fields["outcome"] = "kept"
        if self._traces is not None:
            _note_event(self._traces, received, name)
        return reply.write(200, QueryAnswer("0", "OK"), document.format)


def _note_query(traces: Traces, document: Document, answered: Answered, arrived: float) -> None:
    configured = answered.outcome != "unknown_query"  # by another name it could bear anything
    failed = answered.outcome if not configured or answered.outcome in _FAILED else ""
    attributes: dict[str, str | int] = {
        "infocaller.call": document.call_sequence[:LONGEST_KEY],
        "infocaller.outcome": answered.outcome,
        "infocaller.result": answered.result,
    }
    steps = [
        ChildSpan(
            f"find {entry.step}" if entry.outcome in _LOOKED_UP else entry.step,
            entry.began,
            entry.began + entry.ms / 1000,
            {"infocaller.connector": entry.connector, "infocaller.outcome": entry.outcome},
            entry.outcome if entry.outcome in ("down", "late") else "",
        )
        for entry in answered.trail
    ]
    name, ended = f"Query {answered.query}" if configured else "Query", arrived + answered.ms / 1000
    traces.note(name, "server", arrived, attributes, ended=ended, failed=failed, steps=steps)


def _note_event(traces: Traces, received: VerifiedRequest, name: str, failed: str = "") -> None:
    attributes = {"infocaller.call": received.document.call_sequence[:LONGEST_KEY]}
    traces.note(f"event {name}", "server", received.arrived, attributes, failed=failed)


def _query_name(service: Service, argument: str, _parameters: Mapping[str, str], document: Document | None) -> str:
    """The configuration's name of the Query that is asked for; empty where it has none such."""
    named = service.queries.named(argument or (document.query_name if document is not None else ""))
    return named[0] if named is not None else ""


def _event_name(argument: str, parameters: Mapping[str, str]) -> str | None:
    return events.canonical(argument or _parameter(parameters, "eve"))


def _is_event(argument: str, parameters: Mapping[str, str]) -> bool:
    return _event_name(argument, parameters) is not None


def _parameter(parameters: Mapping[str, str], name: str) -> str:
    return next((value for key, value in parameters.items() if key.lower() == name), "")

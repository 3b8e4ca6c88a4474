"""What happened in one call, in the order in which it did: events, Queries, and what is left in the CRMs."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

from sqlalchemy import Connection

from bridge.config.model import Configuration
from bridge.delivery.words import state
from bridge.store import calls as stored_calls
from bridge.store import callsearch, deliveries, events, queries
from bridge.store.calls import Call
from bridge.store.callsearch import FoundPerson
from bridge.store.deliveries import Delivery
from bridge.store.events import Event
from bridge.store.queries import StoredQuery


@dataclass(frozen=True, slots=True)
class TimelineStep:
    """One thing that happened; of the three, one is there. `again`: how the Query is asked once more (the parameters of
    an address); `state`: the word for where the delivery stands."""

    at: datetime
    event: Event | None = None
    query: StoredQuery | None = None
    job: Delivery | None = None
    again: str = ""
    state: str = ""


@dataclass(frozen=True, slots=True)
class CallStory:
    """A call whole. `call` None: none of its events is taken up yet. `verdict`: what became of it."""

    line: str
    call_sequence: str
    call: Call | None
    verdict: str
    heard: Sequence[Event]
    asked: Sequence[StoredQuery]
    jobs: Sequence[Delivery]
    person: FoundPerson | None

    @property
    def e164(self) -> str:
        """The other party's number; empty where it is not known."""
        if self.call is not None:
            return self.call.e164
        numbers = (*(query.caller for query in self.asked), *(event.e164 for event in self.heard))
        return next(filter(None, numbers), "")

    @property
    def began(self) -> datetime | None:
        """When it began, as far as is known."""
        if self.call is not None:
            return self.call.started_at
        return min((*(query.at for query in self.asked), *(event.received_at for event in self.heard)), default=None)


def story(connection: Connection, configuration: Configuration, name: str) -> CallStory | None:
    """Return the call that is named by its number or its CallSequence; None where nothing is known of it."""
    lines = [line.number for line in configuration.lines]
    call = stored_calls.named(connection, name, lines)
    if call is not None:
        line, call_sequence = call.line, call.call_sequence
        asked = queries.of_call(connection, line, call_sequence)
        heard = events.of_call(connection, line, call_sequence)
    else:
        asked, heard = queries.of_sequence(connection, name, lines), events.of_sequence(connection, name, lines)
        if not asked and not heard:
            return None
        line, call_sequence = (heard[0].line if heard else asked[0].line), name
    e164 = call.e164 if call is not None else asked[0].caller if asked else heard[0].e164
    jobs = deliveries.of_call(connection, call.id if call is not None else None, line, call_sequence, e164)
    verdict = callsearch.verdict_of(connection, call.id) if call is not None and call.id is not None else "open"
    return CallStory(line, call_sequence, call, verdict, heard, asked, jobs, _person(asked, jobs))


def moments(of: CallStory, zone: ZoneInfo) -> list[TimelineStep]:
    """Return what happened, oldest first. `zone`: the line's clock."""
    happened = [
        *(TimelineStep(event.received_at, event=event) for event in of.heard),
        *(TimelineStep(query.at, query=query, again=_again(query, zone)) for query in of.asked),
        *(TimelineStep(job.created_at, job=job, state=state(job)) for job in of.jobs),
    ]
    return sorted(happened, key=lambda each: each.at)


def _person(asked: Iterable[StoredQuery], jobs: Iterable[Delivery]) -> FoundPerson | None:
    """Whom the other party was found to be: what was said last, with a name where there is one."""
    people = [callsearch.person_in(query) for query in asked if query.connector]
    people += [callsearch.person_of(job.about) for job in jobs if job.about]
    return next((person for person in reversed(people) if person.name), people[-1] if people else None)


def _again(query: StoredQuery, zone: ZoneInfo) -> str:
    """The Query as the page *Try it* takes it in its address: what it was asked, as of the moment when it was."""
    variables = "\n".join(f"{name}={' '.join(value.split())}" for name, value in query.variables.items())
    fields = {
        "query": query.query, "caller": query.caller, "line": query.line, "variables": variables,
        "at": f"{query.at.astimezone(zone):%Y-%m-%dT%H:%M:%S}",
    }  # fmt: skip
    return urlencode({name: value for name, value in fields.items() if value})

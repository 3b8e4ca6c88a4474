"""The contract between the bridge and a CRM.

A connector is a class derived from `Connector`, with a pydantic model of its configuration (`Options`). It needs this
module alone, and `connectors.expression` and `connectors.phone` where they help: no Flask, no database, no word of the
telephone platform.

What a connector raises tells the bridge what to do next:

| error | what it means | what the bridge does |
| --- | --- | --- |
| `Unavailable` | the CRM is away, busy or over its limit | tries the same again later |
| `TimedOut`, an `Unavailable` | the CRM did not answer before the deadline | the same |
| `Rejected` | the CRM refused this very record | reports it, and goes on with the next |
| `Misconfigured` | a path, a field or a password is wrong | stops, and alerts the admin |
| `Ambiguous` | nobody can know whether it was done | asks a person to decide |
| `ClaimedElsewhere` | another installation of the bridge has the task | leaves it alone |

Each is a `ConnectorError`. "Nothing found" is none of them: `find` then returns an empty list. An outage must never
look like it.
"""

from __future__ import annotations

import logging
import time
import warnings
from abc import ABC
from collections.abc import Callable, Collection, Iterable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

from connectors import dates
from connectors.deadline import Deadline
from connectors.errors import (
    Ambiguous,
    ClaimedElsewhere,
    ConnectorError,
    Misconfigured,
    Rejected,
    TimedOut,
    Unavailable,
)
from connectors.expression import ExpressionError
from connectors.options import Breaker, Capabilities, ConnectorOptions, Problem, TemplateUse
from connectors.phone import Phone
from connectors.records import (
    Activity,
    LookupQuery,
    NewRecord,
    ProbeResult,
    Record,
    ScreenPop,
    Task,
    TaskOutcome,
    Usage,
    WriteResult,
)

if TYPE_CHECKING:
    import requests

    from connectors.masking import Mask

__all__ = [
    "Activity",
    "Ambiguous",
    "Breaker",
    "Capabilities",
    "Cassette",
    "ClaimedElsewhere",
    "Connector",
    "ConnectorError",
    "ConnectorOptions",
    "Context",
    "Deadline",
    "LookupQuery",
    "Misconfigured",
    "NewRecord",
    "ProbeResult",
    "Problem",
    "RateLimiter",
    "Record",
    "Rejected",
    "ScreenPop",
    "Task",
    "TaskOutcome",
    "TemplateUse",
    "TimedOut",
    "Unavailable",
    "Usage",
    "WriteResult",
    "nothing_reported",
    "nothing_seen",
]


class RateLimiter(Protocol):
    """A limit on requests, shared by all threads and processes that talk to one CRM."""

    def wait(self, deadline: Deadline) -> None:
        """Return when the next request may go out. Raises `TimedOut` if that is after the deadline."""


def _utc() -> datetime:
    return datetime.now(UTC)


class _NoPace:
    def wait(self, deadline: Deadline) -> None:
        """Nothing to wait for."""


class Cassette(Protocol):
    """Stands between a connector's session and the network: records the answers, or plays recorded ones."""

    def deliver(
        self, request: requests.PreparedRequest, fetch: Callable[[], requests.Response], mask: Mask
    ) -> requests.Response:
        """Return the answer to a request. `fetch` gets it from the network; `mask` knows the session's secrets. Raises
        `ConnectorError`."""


def nothing_seen(_exchange: str) -> None:
    """Ignore the exchange: `Context.see` without `--trace`. Connectors then need not describe any."""


def nothing_reported(_part: str, _why: str, _serves: bool | None) -> None:
    """Ignore the state of a part: `Context.report` unless the bridge serves. Connectors then log it themselves."""


@dataclass(frozen=True, slots=True)
class Context:
    """What the bridge gives a connector when it opens it.

    Attributes:
        folder: Where relative paths start.
        country: How numbers without a country code are read (ISO 3166, two letters).
        timezone: The IANA name of the zone for times that name none.
        cache: A folder for the connector's own files. It survives a restart and may be emptied at any time. None if
            there is none.
        concurrency: How many threads may call the connector at once.
        background: Whether this process does background work, which leaves most of the CRM's limit to lookups during
            calls.
        pace: Wait for it before each request.
        waiting: Enter it around every wait for the outside, so that other lookups compute meanwhile.
        see: Call it with each request and answer, masked, for `--trace`.
        report: Call it with the name of a part of the connector (a table) that is not as it should be, the reason, and
            what serves meanwhile: its earlier contents (true), nothing (false), or what it holds now (None); with an
            empty reason once that is over.
        cassette: What HTTP requests go through while answers are recorded for tests, or played; None otherwise.
            `connectors.http.session` does so by itself.
        installation: The id under which this installation of the bridge claims tasks; empty if none is claimed.
        others: Returns the ids of the installations that work on the same database: their claims of the same moment are
            the same claim.
        clock: Returns seconds on a clock that never goes back. A test hands in its own instead of waiting.
        now: Returns the time of day, with its zone: that of `{{ now }}`. It is another moment's where an admin asks as
            if it were then.
        language: The language of the configuration (`es` or `en`), for the names of days and for `| spoken`.
        log: Where to log; without secrets and whole phone numbers.
    """

    folder: Path
    country: str = "ES"
    timezone: str = "Europe/Madrid"
    cache: Path | None = None
    concurrency: int = 64
    background: bool = False
    pace: RateLimiter = field(default_factory=_NoPace)
    waiting: Callable[[], AbstractContextManager[object]] = nullcontext
    see: Callable[[str], None] = nothing_seen
    report: Callable[[str, str, bool | None], None] = nothing_reported
    cassette: Cassette | None = None
    installation: str = ""
    others: Callable[[], Collection[str]] = tuple
    clock: Callable[[], float] = time.monotonic
    now: Callable[[], datetime] = _utc
    language: str = "es"
    log: logging.Logger = field(default_factory=lambda: logging.getLogger("connectors"))

    @property
    def tape(self) -> Cassette | None:
        """What `cassette` was called in the version before; goes with the next."""
        warnings.warn("Context.tape is called Context.cassette now", DeprecationWarning, stacklevel=2)
        return self.cassette

    @property
    def told(self) -> Callable[[str, str, bool], None]:
        """What `report` was called in the version before; goes with the next."""
        warnings.warn("Context.told is called Context.report now", DeprecationWarning, stacklevel=2)
        return self.report

    def timed(self, moment: datetime | None = None) -> dict[str, object]:
        """Return what every expression sees of time, to be put into a scope before what has names of its own: `now`, or
        another `moment` (aware), such as the beginning of the call that an activity is about."""
        return dates.timed(moment or self.now(), self.language)


class Connector(ABC):
    """A CRM. Many threads call its methods at once; each call has a `Deadline`.

    Opening must be quick and touch no network, so that the bridge starts while a CRM is away. The bridge calls no
    method for what `Options.abilities` does not claim.

    Attributes:
        Options: The model of the connector's section in the configuration.
        immediate: Whether `find` answers from memory, without waiting for anything. The bridge then calls it on the
            event loop that answers everybody, instead of in a thread that it can abandon at the deadline, and does not
            cache its answers. A connector that claims it and waits holds up all others.
        cooperative: Whether `find` enters `Context.waiting` around every wait: connections, answers, locks, pauses.
            Only one such lookup of the process then computes at a time, so that hundreds of them do not hold up the
            event loop. A connector that claims it and waits elsewhere holds up all the others that do.
        name: The connector's name in the configuration.
        context: What the bridge gave it.
    """

    Options: ClassVar[type[ConnectorOptions]]
    immediate: ClassVar[bool] = False
    cooperative: ClassVar[bool] = False

    def __init__(self, name: str, options: ConnectorOptions, context: Context) -> None:
        self.name = name
        self.context = context
        self._links = {kind: link for (_, kind), link in options.own_links().items()}
        self._usual_link = options.link
        self._link_names = options.link_names()

    @property
    def usage(self) -> Usage | None:
        """How much of the CRM's limit is used, for `/metrics`; None if the CRM has not said. Makes no request."""
        return None

    def find(self, query: LookupQuery, deadline: Deadline) -> Sequence[Record]:
        """Return the matching records, the best or newest first; none if nothing matches. Raises `ConnectorError`."""
        raise self._cannot(f"look up {query.kind}")

    def stale(self, kind: str) -> str:
        """Return why, and by how much, `find` may answer with older data than there is for this kind; empty if it does
        not. Makes no request."""
        return ""

    @property
    def links(self) -> bool:
        """Whether any of its records has a link. One that overrides `link` has."""
        return bool(self._links or self._usual_link) or type(self).link is not Connector.link

    def link(self, record: Record) -> str | None:
        """Return the address by which a person opens a record in a browser; None if there is none. Makes no request.
        Unless overridden, it is as the options say (`link`)."""
        template = self._links.get(record.kind, self._usual_link)
        if template is None:
            return None
        try:
            return template.link({**self._link_names, "record": record})
        except ExpressionError as error:
            self.context.see(f"no link: {error}")
            return None

    def save(self, record: NewRecord, deadline: Deadline) -> WriteResult:
        """Write a new record, or change one, once for each key. Raises `ConnectorError`."""
        raise self._cannot(f"save {record.kind}")

    def log_activity(self, activity: Activity, deadline: Deadline) -> WriteResult:
        """Log a call, or correct one, once for each key. Raises `ConnectorError`."""
        raise self._cannot("keep activities")

    def log_activities(
        self, activities: Sequence[Activity], deadline: Deadline
    ) -> Sequence[WriteResult | ConnectorError]:
        """Log several calls, with as few requests as the CRM's API allows. Return the result or the error of each, in
        their order. Unless overridden, they are logged one by one."""
        return [self._logged(activity, deadline) for activity in activities]

    def tasks(self, deadline: Deadline) -> Iterable[Task]:
        """Return the tasks that ask for a call now. Raises `ConnectorError`."""
        raise self._cannot("list tasks")

    def task_fields(self) -> Collection[str] | None:
        """Return the field names that every task has now, where they may change while the configuration does not, as
        the columns of a file may; None where they can't, or nobody knows them. Makes no request. Raises
        `ConnectorError`."""
        return None

    def read_task(self, task: Task, deadline: Deadline) -> Task | None:
        """Return the task as it is now; None if it is gone or asks for no call any more. Raises `ConnectorError`."""
        raise self._cannot("read tasks")

    def update_task(self, task: Task, outcome: TaskOutcome, deadline: Deadline) -> WriteResult:
        """Write the outcome to the task. Written twice, it must read the same as once. Raises `ConnectorError`."""
        raise self._cannot("update tasks")

    def pop(self, pop: ScreenPop, deadline: Deadline) -> None:
        """Open the record of a call on the screen of who answered it. The bridge calls it once for a call and an
        extension, whatever comes of it, and at most ten seconds after the call was answered: it must not try again
        what may have been done. Raises `ConnectorError`."""
        raise self._cannot("open records on screens")

    def forget(self, phone: Phone) -> int | None:
        """Erase what this connector wrote about a person on this machine. Return how many rows or files; None if it
        keeps nothing here. Raises `ConnectorError`."""
        return None

    def probe(self, deadline: Deadline) -> Iterable[ProbeResult]:
        """Sign in, try a lookup, return what was seen, for `check --connect`. An error is a result, no exception."""
        return ()

    def close(self) -> None:
        """Close connections and files, and end threads. Called once, after the last call of any other method."""

    def _logged(self, activity: Activity, deadline: Deadline) -> WriteResult | ConnectorError:
        try:
            return self.log_activity(activity, deadline)
        except ConnectorError as error:
            return error

    def _cannot(self, what: str) -> Misconfigured:
        return Misconfigured(f"connector {self.name} can't {what}")


_FORMER = {
    "Wanted": "LookupQuery",
    "Saved": "NewRecord",
    "Written": "WriteResult",
    "Abilities": "Capabilities",
    "Finding": "ProbeResult",
    "Outcome": "TaskOutcome",
    "Tape": "Cassette",
    "Pace": "RateLimiter",
    "nobody_told": "nothing_reported",
}
"""What the names of this contract were called in the version before; they go with the next."""


def __getattr__(name: str) -> Any:
    """A former name, with a warning."""
    if name not in _FORMER:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    warnings.warn(f"{__name__}.{name} is called {_FORMER[name]} now", DeprecationWarning, stacklevel=2)
    return globals()[_FORMER[name]]

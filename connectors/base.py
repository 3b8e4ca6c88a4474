"""The contract between the bridge and a CRM.

A connector is a class derived from `Connector`, with a pydantic model of its configuration (`Options`). It needs
nothing but this module (and `connectors.expression`, `connectors.phone`, should it like): no Flask, no database, no
word of the telephone platform. See CONTRIBUTING.md for how to write and register one.

What a connector raises tells the bridge what to do next:

    ConnectorError
    ├── Unavailable       the CRM is away, busy or over its limit: the same thing will work later
    │   └── TimedOut      it did not answer before the deadline
    ├── Rejected          the CRM refused this very thing; it never works: say so, go on with the next
    ├── Misconfigured     the admin has to mend something (a path, a field, a password): stop and alert
    ├── Ambiguous         it can't be known what happened: a person decides
    └── ClaimedElsewhere  another installation of the bridge has the task: it is left alone

"Nothing found" is none of these: `find` answers an empty list. An outage must never look like it.
"""

from __future__ import annotations

import logging
import math
import time
import warnings
from abc import ABC
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, Self

from pydantic import BaseModel, ConfigDict, Field

from connectors.expression import Template
from connectors.phone import Phone
from connectors.units import Duration, Rate

if TYPE_CHECKING:
    import requests

    from connectors.masking import Mask


class ConnectorError(Exception):
    """A CRM could not do what was asked.

    `exchange` is the request and the start of the answer as a person may see them (secrets and phone numbers masked),
    empty where there was none: `jobs show` prints it.
    """

    def __init__(self, message: str, *, exchange: str = "") -> None:
        super().__init__(message)
        self.exchange = exchange


class Unavailable(ConnectorError):
    """The CRM is away, busy or over its limit; the same request may work later.

    `retry_after`: seconds that the CRM asked to be left alone, None where it did not say.
    """

    def __init__(self, message: str, *, exchange: str = "", retry_after: float | None = None) -> None:
        super().__init__(message, exchange=exchange)
        self.retry_after = retry_after


class TimedOut(Unavailable):
    """The CRM did not answer before the deadline."""


class Rejected(ConnectorError):
    """The CRM refused this record; sending it again can't help."""


class Misconfigured(ConnectorError):
    """Configuration or permissions are wrong; nothing of this kind works until the admin has mended it."""


class Ambiguous(ConnectorError):
    """It can't be known whether it was done; only a person can tell."""


class ClaimedElsewhere(ConnectorError):
    """Another installation of the bridge has claimed this task, so it is the other's to call."""


class Deadline:
    """A moment, on a monotonic clock, by which something has to be done.

    `Deadline.after(1.5)` is 1.5 seconds from now; `Deadline.never()` does not pass.
    """

    __slots__ = ("_clock", "at")

    def __init__(self, at: float, clock: Callable[[], float] = time.monotonic) -> None:
        self.at = at
        self._clock = clock

    @classmethod
    def after(cls, seconds: float, clock: Callable[[], float] = time.monotonic) -> Self:
        """The moment `seconds` from now."""
        return cls(clock() + seconds, clock)

    @classmethod
    def never(cls) -> Self:
        """A deadline that does not pass."""
        return cls(math.inf)

    @property
    def remaining(self) -> float:
        """Seconds left, 0.0 when it has passed, `math.inf` when it never does."""
        return max(0.0, self.at - self._clock())

    @property
    def passed(self) -> bool:
        """Whether it is too late."""
        return self._clock() >= self.at

    def within(self, seconds: float) -> Deadline:
        """The earlier of this deadline and `seconds` from now."""
        return Deadline(min(self.at, self._clock() + seconds), self._clock)


@dataclass(frozen=True, slots=True)
class Record:
    """Something found in a CRM, as it is stored there.

    `kind` is the name that the configuration gives it (`contact`, `order`); `id` the CRM's own id, None where it has
    none; `fields` its values by the configured names, which expressions read (`{{ contact.name }}`); a field that is
    not there is empty. `phones` are the numbers of the record: whoever looked for one checks that it is among them.
    """

    connector: str
    kind: str
    id: str | None
    fields: Mapping[str, object]
    phones: tuple[Phone, ...] = ()

    def __str__(self) -> str:
        return self.id or ""


@dataclass(frozen=True, slots=True)
class LookupQuery:
    """What `Connector.find` looks for: records of a kind that have this phone, or this key. One of the two is set.

    `limit`: more than this many matches need not be fetched (2 are enough to know that it is ambiguous).
    `newest`: the bridge will take the newest; the connector puts it first.
    """

    kind: str
    phone: Phone | None = None
    key: str | None = None
    limit: int = 20
    newest: bool = False
    strict: bool = False
    """Raise `Misconfigured` where nothing that is found, or nothing that there is, has a phone number at all: who asks
    must not take a list that can't be understood for one that a number is not in."""


@dataclass(frozen=True, slots=True)
class NewRecord:
    """Values to keep as a new record of `kind` (a survey, an appointment, an unknown caller).

    `key` is unique to this record: written twice under one key, it must be there once. `attempt` counts from 1: beyond
    the first, the record may already be there although no answer said so.
    """

    kind: str
    key: str
    fields: Mapping[str, object]
    attempt: int = 1


@dataclass(frozen=True, slots=True)
class Activity:
    """A call, to be kept in the CRM. Times are aware; money is Decimal, without tax; None means unknown.

    `key` is unique to this activity: whatever is repeated, the CRM must have one. `attempt` counts from 1; beyond the
    first, it may already be there although no answer said so. `written_id` is its id in the CRM when an earlier
    version was written: then this is a correction (`revision` above 1) of that one.
    """

    key: str
    subject: str
    note: str
    direction: str
    """`received` or `emitted`."""
    caller: Phone | None
    """The other party; None when its number is hidden or no number."""
    called: str
    """The line's number that was called, or that called, as the platform writes it."""
    line: str
    start: datetime | None
    end: datetime | None
    seconds: int | None
    cost: Decimal | None
    answered: bool | None
    answered_by: str
    """The last diversion that was answered (a number or an extension), empty where none was."""
    contact: Record | None
    """The record of the same connector that the call is about; None: unknown caller."""
    found: Mapping[str, Record | None] = field(default_factory=dict)
    """All that the rule's `find` found, by name; `contact` is among them."""
    fields: Mapping[str, object] = field(default_factory=dict)
    call: Mapping[str, object] = field(default_factory=dict)
    """The whole call as expressions see it."""
    attempt: int = 1
    revision: int = 1
    written_id: str | None = None


@dataclass(frozen=True, slots=True)
class WriteResult:
    """What a write came to. `id`: the CRM's id of what was written, None where it said none. `created` is false when
    it was there already (or was updated). `exchange`: the request and answer as a person may see them."""

    id: str | None = None
    created: bool = True
    exchange: str = ""


@dataclass(frozen=True, slots=True)
class Task:
    """Someone in the CRM wants a call to be made.

    `fields` by the configured names (`{{ task.phone }}`), `id` the CRM's. `due`: not before this moment (aware, or a
    date for "on that day"), None for now.
    """

    id: str
    fields: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class TaskOutcome:
    """What became of a task. `status` is one of claimed, accepted, answered, busy, no_answer, failed, rejected,
    cancelled, expired, may_have_rung; `text` says it in the admin's language. `at` is aware. The rest is None where it
    does not apply."""

    status: str
    text: str
    at: datetime
    idcall: str | None = None
    result: int | None = None
    seconds: int | None = None


@dataclass(frozen=True, slots=True)
class ProbeResult:
    """One line of `check --connect`: what was tried, whether it went well, what came of it or how to mend it."""

    what: str
    ok: bool
    text: str


@dataclass(frozen=True, slots=True)
class Usage:
    """Requests of the last day or so that a CRM counts: `used` of `allowed`, as it said at `at` (Unix time)."""

    used: int
    allowed: int
    at: float


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What a connector can do as it is configured; `check` refuses a configuration that asks for more.

    Sets hold the kinds (table, object or mapping names) that can be found by phone, found by key, or saved. `batch`: so
    many activities `log_activities` takes at once.
    `fields`: the field names of a kind where they are known beforehand, for "did you mean"; a kind that is not in it
    may have any. `task_fields`: those of a task, None where they are not known. `texts`: every field is a text, numbers
    and yes or no as well. `wordless`: the outcomes of tasks that are told in our own word, though others in the CRM's.
    `fields_seen`: the fields are those that a file has now, which may change while the configuration does not.
    """

    by_phone: frozenset[str] = frozenset()
    by_key: frozenset[str] = frozenset()
    saves: frozenset[str] = frozenset()
    activities: bool = False
    updates_activities: bool = False
    batch: int = 1
    tasks: bool = False
    fields: Mapping[str, frozenset[str]] = field(default_factory=dict)
    task_fields: frozenset[str] | None = None
    texts: bool = False
    wordless: tuple[str, ...] = ()
    fields_seen: bool = False


@dataclass(frozen=True, slots=True)
class TemplateUse:
    """An expression inside a connector's options: where it stands (path from the connector's own section) and which
    names it may use."""

    loc: tuple[str | int, ...]
    template: Template
    names: frozenset[str]


@dataclass(frozen=True, slots=True)
class Problem:
    """Something wrong in a connector's options that only it can know (a file that is not there): where it stands (path
    from the connector's own section), what is wrong and what to write instead. A `warning` is said, and no fault.

    An `outage` is a fault of what the connector finds around it (a file that is missing or broken), not of what its
    section says: the connector can be opened all the same, raises `Unavailable` or `Misconfigured` for what is
    concerned, and works again by itself once that is mended."""

    loc: tuple[str | int, ...]
    text: str
    warning: bool = False
    outage: bool = False


class Breaker(BaseModel):
    """When to stop asking a CRM that does not answer."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    failures: int = Field(5, ge=1, description="Failures in a row after which the CRM is no longer asked")
    open: Duration = Field(Duration(10), description="How long before it is tried again, in the background")


class ConnectorOptions(BaseModel):
    """What every connector's section may hold. Derive from it, add `type: Literal["yours"]` and your own keys."""

    model_config = ConfigDict(extra="forbid", frozen=True, arbitrary_types_allowed=True)

    type: str = Field(description="Which kind of connector this is")
    breaker: Breaker = Field(
        default_factory=Breaker, description="When to stop asking this CRM while it does not answer"
    )
    rate: Rate | None = Field(
        None, description="At most so many requests, such as 10/s; lookups during a call come first"
    )

    def abilities(self) -> Capabilities:
        """What can be asked of it, as it is configured here."""
        return Capabilities()

    def templates(self) -> Iterator[TemplateUse]:
        """Each expression among the options, with the names that it may use."""
        return iter(())

    def shown(self) -> frozenset[tuple[str | int, ...]]:
        """Places of values that are of a secret's type, and no secrets here."""
        return frozenset()

    def problems(self, folder: Path) -> Iterator[Problem]:
        """What is wrong beyond types; `folder` is the one that relative paths start from."""
        return iter(())


class RateLimiter(Protocol):
    """A rate limit shared by all who talk to one CRM."""

    def wait(self, deadline: Deadline) -> None:
        """Return when the next request may go out; raise `TimedOut` when that is not before the deadline."""


class _NoPace:
    def wait(self, deadline: Deadline) -> None:
        """Nothing to wait for."""


class Cassette(Protocol):
    """Stands between a connector's session and the network: keeps the answers, or plays those that were kept."""

    def deliver(
        self, request: requests.PreparedRequest, fetch: Callable[[], requests.Response], mask: Mask
    ) -> requests.Response:
        """The answer to a request, which `fetch` gets from the network; `mask` knows the session's secrets. Raises
        `ConnectorError`."""


def nothing_seen(_exchange: str) -> None:
    """Nobody watches: `Context.see` where there is no `--trace`. Connectors need not describe anything for it."""


def nobody_told(_part: str, _why: str, _serves: bool) -> None:
    """Nobody keeps account of it: `Context.told` where the bridge does not serve. Connectors then log it themselves."""


@dataclass(frozen=True, slots=True)
class Context:
    """What the bridge gives a connector when it opens it.

    `folder`: relative paths start here. `country`: how numbers without a country code are read (ISO 3166, two
    letters). `timezone`: IANA name for times that say none. `cache`: a folder of the bridge's own, which survives a
    restart and may be emptied at any time. `background`: this process does background work, which leaves a CRM's limits
    to lookups during calls. `waiting()`: enter it around every wait for the outside, so that others
    compute meanwhile. `see`: called with each request and answer as a person may read it (masked), for `--trace`.
    `told`: called with the name of a part of the connector (a table) that can't be used, or not as it is now, why, and
    whether what it held before serves meanwhile; with an empty reason when that is over.
    `tape`: what HTTP requests go through (`connectors.http.session` sees to it) while answers are kept for tests, or
    played.
    `installation`: whose claims the bridge's are, empty where nothing is claimed; `others()`: the installations that
    work on the same database, whose claims of the same moment are the same claim.
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
    told: Callable[[str, str, bool], None] = nobody_told
    tape: Cassette | None = None
    installation: str = ""
    others: Callable[[], Collection[str]] = tuple
    log: logging.Logger = field(default_factory=lambda: logging.getLogger("connectors"))


class Connector(ABC):
    """A CRM. Methods are called from many threads at once, and each gets a `Deadline` by which to answer.

    Opening must be quick and touch no network: a CRM that is away when the bridge starts must not keep it from
    starting. What a connector can't do, `Options.abilities` does not claim, and is then never called.
    """

    Options: ClassVar[type[ConnectorOptions]]
    immediate: ClassVar[bool] = False
    """True when `find` answers from memory, without waiting for anything: then it is called directly, not through a
    thread that can be left behind at the deadline, and its answers are not cached."""
    cooperative: ClassVar[bool] = False
    """True when `find` enters `Context.waiting` around everything that waits: connections, answers, locks, pauses. Then
    it computes while nobody else in the process does, which answers hundreds at once much sooner. A connector that
    claims it and waits all the same holds up everybody else."""

    def __init__(self, name: str, options: ConnectorOptions, context: Context) -> None:
        self.name = name
        self.context = context

    @property
    def usage(self) -> Usage | None:
        """How much of what the CRM allows is used, for `/metrics`; None where it does not say, or has not yet. Asks
        nobody."""
        return None

    def find(self, wanted: LookupQuery, deadline: Deadline) -> Sequence[Record]:
        """The records that match, best or newest first; empty when there are none. Raises `ConnectorError`."""
        raise self._cannot(f"look up {wanted.kind}")

    def stale(self, kind: str) -> str:
        """Why what `find` answers for this kind may be older than what is there now, and how old; empty: it is not.
        Asks nobody."""
        return ""

    def save(self, saved: NewRecord, deadline: Deadline) -> WriteResult:
        """Keep a new record; under the same key only once. Raises `ConnectorError`."""
        raise self._cannot(f"save {saved.kind}")

    def log_activity(self, activity: Activity, deadline: Deadline) -> WriteResult:
        """Keep a call, or a correction of it; under the same key only once. Raises `ConnectorError`."""
        raise self._cannot("keep activities")

    def log_activities(
        self, activities: Sequence[Activity], deadline: Deadline
    ) -> Sequence[WriteResult | ConnectorError]:
        """Keep several calls, by as few requests as the CRM's API takes; here one after another. What each came to, in
        their order."""
        return [self._logged(activity, deadline) for activity in activities]

    def tasks(self, deadline: Deadline) -> Iterable[Task]:
        """The tasks that ask for a call now. Raises `ConnectorError`."""
        raise self._cannot("list tasks")

    def read_task(self, task: Task, deadline: Deadline) -> Task | None:
        """The task as it is now; None when it is gone or no longer asks for a call. Raises `ConnectorError`."""
        raise self._cannot("read tasks")

    def update_task(self, task: Task, outcome: TaskOutcome, deadline: Deadline) -> WriteResult:
        """Tell the CRM what became of a task. Told twice, it must read the same. Raises `ConnectorError`."""
        raise self._cannot("update tasks")

    def forget(self, phone: Phone) -> int | None:
        """Erase what this connector itself wrote about a person on this machine; how many rows or files. None: it
        keeps nothing here. Raises `ConnectorError`."""
        return None

    def probe(self, deadline: Deadline) -> Iterable[ProbeResult]:
        """For `check --connect`: sign in, try one lookup, say what was seen. Faults are findings, not exceptions."""
        return ()

    def close(self) -> None:
        """Let go of connections, files and threads. Called once, after the last call of the others."""

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
}
"""What the names of this contract were called in the version before; they go with the next."""


def __getattr__(name: str) -> Any:
    """A former name, with a warning."""
    if name not in _FORMER:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    warnings.warn(f"{__name__}.{name} is called {_FORMER[name]} now", DeprecationWarning, stacklevel=2)
    return globals()[_FORMER[name]]

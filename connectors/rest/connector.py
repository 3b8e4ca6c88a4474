"""The connector `rest`: any CRM with a REST API, described in the configuration."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from typing import ClassVar

import phonenumbers

from connectors.base import (
    Activity,
    Connector,
    ConnectorError,
    ConnectorOptions,
    Context,
    Deadline,
    LookupQuery,
    NewRecord,
    ProbeResult,
    Record,
    Task,
    TaskOutcome,
    WriteResult,
)
from connectors.phone import Phone, parse
from connectors.rest.answers import Refused
from connectors.rest.auth import NoAuth
from connectors.rest.client import Client
from connectors.rest.finding import Finder
from connectors.rest.options import RestOptions
from connectors.rest.tasks import Tasks
from connectors.rest.writing import Activities, Writer, of_saved

_TEST_KEY = "infocaller-bridge-check"
_PROBE = 15.0


class RestConnector(Connector):
    """See docs/connectors/rest.md."""

    Options: ClassVar[type[ConnectorOptions]] = RestOptions
    cooperative: ClassVar[bool] = True

    def __init__(self, name: str, options: ConnectorOptions, context: Context) -> None:
        super().__init__(name, options, context)
        assert isinstance(options, RestOptions)  # noqa: S101 - the registry pairs them
        self._options = options
        self._client = Client(options, context)
        self._finders = {
            kind: Finder(kind, record, self._client, name) for kind, record in options.records.items() if record.search
        }
        self._writers = {
            kind: Writer(record.create, record.find, self._client)
            for kind, record in options.records.items()
            if record.create is not None
        }
        self._activities = Activities(options.activity, self._client) if options.activity is not None else None
        self._tasks = Tasks(options.tasks, self._client) if options.tasks is not None else None

    def find(self, wanted: LookupQuery, deadline: Deadline) -> Sequence[Record]:
        """The records that match. Raises `ConnectorError`."""
        finder = self._finders.get(wanted.kind)
        if finder is None:
            raise self._cannot(f"look up {wanted.kind}")
        return finder.find(wanted, deadline)

    def save(self, saved: NewRecord, deadline: Deadline) -> WriteResult:
        """Keep a new record. Raises `ConnectorError`."""
        writer = self._writers.get(saved.kind)
        if writer is None:
            raise self._cannot(f"save {saved.kind}")
        return writer.write(of_saved(saved), saved.key, saved.attempt, deadline)

    def log_activity(self, activity: Activity, deadline: Deadline) -> WriteResult:
        """Keep a call, or a correction of it. Raises `ConnectorError`."""
        if self._activities is None:
            raise self._cannot("keep activities")
        return self._activities.log(activity, deadline)

    def tasks(self, deadline: Deadline) -> Iterable[Task]:
        """The tasks that ask for a call now, page by page. Raises `ConnectorError`."""
        return self._asked_for().list(deadline)

    def read_task(self, task: Task, deadline: Deadline) -> Task | None:
        """The task as it is now. Raises `ConnectorError`."""
        return self._asked_for().read(task, deadline)

    def update_task(self, task: Task, outcome: TaskOutcome, deadline: Deadline) -> WriteResult:
        """Tell the CRM what became of a task. Raises `ConnectorError`."""
        return self._asked_for().update(task, outcome, deadline)

    def probe(self, deadline: Deadline) -> Iterable[ProbeResult]:
        """Sign in, look up a number and a key that nobody has, list the tasks. Nothing is written."""
        said = isinstance(self._options.auth, NoAuth)
        if self._client.signs_in:
            signed_in = _tried("sign in", lambda: self._signed_in(deadline.within(_PROBE)))
            yield signed_in
            if not signed_in.ok:
                return
            said = True
        for what, attempt in self._attempts(deadline):
            try:
                finding = _tried(what, attempt)
            except Refused as error:
                yield ProbeResult("sign in", ok=False, text=str(error))
                return
            if finding.ok and not said:
                said = True
                yield ProbeResult("sign in", ok=True, text=f"what auth says ({self._options.auth.type}) was accepted")
            yield finding

    def close(self) -> None:
        """Let go of the connections."""
        self._client.close()

    def _signed_in(self, deadline: Deadline) -> str:
        self._client.sign_in(deadline)
        return "went well"

    def _attempts(self, deadline: Deadline) -> Iterator[tuple[str, Callable[[], str]]]:
        """What `probe` tries, with what does it and says what came."""
        can = self._options.abilities()
        for kind in self._finders:
            if kind in can.by_phone:
                wanted = LookupQuery(kind, phone=self._test_number())
                yield f"{kind} by phone", partial(self._found, wanted, deadline)
            if kind in can.by_key:
                yield f"{kind} by key", partial(self._found, LookupQuery(kind, key=_TEST_KEY), deadline)
        tasks = self._tasks
        if tasks is not None:
            yield "tasks", lambda: tasks.tried(deadline.within(_PROBE))

    def _found(self, wanted: LookupQuery, deadline: Deadline) -> str:
        return f"answered, {len(self.find(wanted, deadline.within(_PROBE)))} found"

    def _test_number(self) -> Phone:
        example = phonenumbers.example_number(self.context.country)
        text = f"+{example.country_code}{example.national_number}" if example is not None else "+34600000000"
        return parse(text, self.context.country)

    def _asked_for(self) -> Tasks:
        if self._tasks is None:
            raise self._cannot("list tasks")
        return self._tasks


def _tried(what: str, attempt: Callable[[], str]) -> ProbeResult:
    """What came of an attempt. Raises `Refused` where the CRM does not take the sign-in."""
    began = time.monotonic()
    try:
        text = attempt()
    except Refused:
        raise
    except ConnectorError as error:
        return ProbeResult(what, ok=False, text=str(error))
    return ProbeResult(what, ok=True, text=f"{text} ({(time.monotonic() - began) * 1000:.0f} ms)")

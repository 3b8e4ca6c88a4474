"""The connector `rest`: any CRM with a REST API, described in the configuration."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import ClassVar

import phonenumbers

from connectors.base import (
    ConnectorError,
    ConnectorOptions,
    Context,
    Deadline,
    LookupQuery,
    ProbeResult,
    ScreenPop,
)
from connectors.composed import ComposedConnector
from connectors.phone import Phone, parse
from connectors.rest.answers import SignInRefused
from connectors.rest.auth import NoAuth
from connectors.rest.client import ReadyRequest, RestClient
from connectors.rest.finding import Finder
from connectors.rest.options import RestOptions
from connectors.rest.tasks import RestTasks
from connectors.rest.writing import ActivityWriter, RecordWriter
from connectors.scopes import of_pop

_TEST_KEY = "infocaller-bridge-check"
_PROBE = 15.0


class RestConnector(ComposedConnector):
    """See docs/connectors/rest.md."""

    Options: ClassVar[type[ConnectorOptions]] = RestOptions
    cooperative: ClassVar[bool] = True

    def __init__(self, name: str, options: ConnectorOptions, context: Context) -> None:
        super().__init__(name, options, context)
        assert isinstance(options, RestOptions)  # noqa: S101 - the registry pairs them
        self._options = options
        self._client = RestClient(options, context)
        self.finders = {
            kind: Finder(kind, record, self._client, name) for kind, record in options.records.items() if record.search
        }
        self.keepers = {
            kind: RecordWriter(record.create, record.find, record.update, self._client)
            for kind, record in options.records.items()
            if record.create is not None
        }
        self.activity_log = ActivityWriter(options.activity, self._client) if options.activity is not None else None
        self.task_source = self._tasks = RestTasks(options.tasks, self._client) if options.tasks is not None else None
        once = options.pop.model_copy(update={"idempotent": False}) if options.pop is not None else None
        self._popping = ReadyRequest(once, self._client, writes=True) if once is not None else None

    def pop(self, pop: ScreenPop, deadline: Deadline) -> None:
        """Open the record of a call on the screen of who answered it. Raises `ConnectorError`."""
        agents = self._options.pop.agents if self._options.pop is not None else {}
        if self._popping is None or pop.extension not in agents:
            raise self._cannot(f"open records on the screen of {pop.extension}")
        names = of_pop(pop, agents[pop.extension], self.context.country)
        self._client.ask(self._popping, {**self.context.timed(), **names}, deadline)

    def probe(self, deadline: Deadline) -> Iterable[ProbeResult]:
        """Sign in, look up a number and a key that nobody has, list the tasks. Nothing is written."""
        sign_in_shown = isinstance(self._options.auth, NoAuth)
        if self._client.signs_in:
            signed_in = _tried("sign in", lambda: self._signed_in(deadline.within(_PROBE)))
            yield signed_in
            if not signed_in.ok:
                return
            sign_in_shown = True
        for name, attempt in self._attempts(deadline):
            try:
                result = _tried(name, attempt)
            except SignInRefused as error:
                yield ProbeResult("sign in", ok=False, text=str(error))
                return
            if result.ok and not sign_in_shown:
                sign_in_shown = True
                yield ProbeResult("sign in", ok=True, text=f"what auth says ({self._options.auth.type}) was accepted")
            yield result

    def close(self) -> None:
        """Let go of the connections."""
        self._client.close()

    def _signed_in(self, deadline: Deadline) -> str:
        self._client.sign_in(deadline)
        return "went well"

    def _attempts(self, deadline: Deadline) -> Iterator[tuple[str, Callable[[], str]]]:
        """What `probe` tries, with what does it and says what came."""
        can = self._options.abilities()
        for kind in self.finders:
            if kind in can.by_phone:
                query = LookupQuery(kind, phone=self._test_number())
                yield f"{kind} by phone", partial(self._look_up, query, deadline)
            if kind in can.by_key:
                yield f"{kind} by key", partial(self._look_up, LookupQuery(kind, key=_TEST_KEY), deadline)
        tasks = self._tasks
        if tasks is not None:
            yield "tasks", lambda: tasks.tried(deadline.within(_PROBE))

    def _look_up(self, query: LookupQuery, deadline: Deadline) -> str:
        return f"answered, {len(self.find(query, deadline.within(_PROBE)))} found"

    def _test_number(self) -> Phone:
        example = phonenumbers.example_number(self.context.country)
        text = f"+{example.country_code}{example.national_number}" if example is not None else "+34600000000"
        return parse(text, self.context.country)


def _tried(what: str, attempt: Callable[[], str]) -> ProbeResult:
    """What came of an attempt. Raises `SignInRefused` where the CRM does not take the sign-in."""
    began = time.monotonic()
    try:
        text = attempt()
    except SignInRefused:
        raise
    except ConnectorError as error:
        return ProbeResult(what, ok=False, text=str(error))
    return ProbeResult(what, ok=True, text=f"{text} ({(time.monotonic() - began) * 1000:.0f} ms)")

"""The composition root: opens what the configuration names, and takes up a changed configuration while serving."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from zoneinfo import ZoneInfo

from bridge.config.builtin import CALLS
from bridge.config.load import Loaded
from bridge.config.model import Configuration
from bridge.config.whole import find_steps
from bridge.errors import StoreUnavailable
from bridge.lookups.finding import Lookups
from bridge.lookups.gateway import ConnectorGateway
from bridge.lookups.history import HistoryGateway
from bridge.lookups.outage import Out
from bridge.queries.answering import Began, Queries, Saver
from bridge.runtime.limits import SharedLimits
from bridge.runtime.pace import SharedPace
from bridge.runtime.permit import ComputePermit
from bridge.runtime.state import state_folder
from bridge.store.database import unprepared
from bridge.store.installation import installation_id
from bridge.texts import Text, said
from bridge.troubles import Severity, Troubles
from connectors.base import Cassette, ConnectorOptions, Context
from connectors.registry import installed
from connectors.threads import DaemonThreadPool

_log = logging.getLogger("bridge.service.composition")

_MEND = Text("Mend the file, or name the one that is meant; the bridge takes it up by itself")
_COMPLETE = Text(
    "Put the whole list there again, and the bridge takes it up by itself; if it is meant to be so short, restart the "
    "bridge"
)

See = Callable[[str, str], None]
"""Gets a connector's name and what it asked or was answered, masked."""

Cassettes = Callable[[str], Cassette]
"""Gives each connector, by its name, the cassette that its requests go through."""


class Service:
    """Everything that one configuration brings up. Made by `Service.open`; `close` lets go of it."""

    def __init__(  # noqa: PLR0913 - as for `open`
        self,
        loaded: Loaded,
        sources: Mapping[str, ConnectorGateway],
        state: Path,
        save: Saver | None,
        account: _Account | None = None,
        now: Callable[[], datetime] | None = None,
        began: Began | None = None,
        permit: ComputePermit | None = None,
        *,
        trial: bool = False,
    ) -> None:
        self.loaded = loaded
        self.since = _utc()
        """When it was brought up."""
        self.configuration: Configuration = loaded.configuration
        self.folder = loaded.folder
        self.state = state
        self.account = account
        self._permit = permit
        self.sources = dict(sources)
        self.lookups = Lookups(self.sources, self.configuration.lines[0].country)
        limited = any(query.misses_per_caller is not None for query in self.configuration.queries.values())
        self._misses = SharedLimits(state / "misses.db") if limited else None
        self._threads = DaemonThreadPool(4, "queries")
        self.queries = Queries(
            self.configuration,
            self.lookups,
            save=save,
            misses=_Uncounted(self._misses) if trial and self._misses is not None else self._misses,
            apart=self._threads.submit,
            now=now or _utc,
            began=began,
        )

    @classmethod
    def open(  # noqa: PLR0913 - what processes bring up differs
        cls,
        loaded: Loaded,
        *,
        previous: Service | None = None,
        save: Saver | None = None,
        background: bool = False,
        permit: ComputePermit | None = None,
        see: See | None = None,
        cassettes: Cassettes | None = None,
        troubles: Troubles | None = None,
        others: Callable[[], Collection[str]] = tuple,
        now: Callable[[], datetime] | None = None,
        began: Began | None = None,
        trial: bool = False,
    ) -> Service:
        """Bring it up. Connectors whose section did not change are taken over from `previous`, with their sign-ins and
        what they keep, so that a change elsewhere in the file costs no caller anything. Those that are out of order
        are there as `Out`.

        `save`: where `save:` steps go, None to show them only. `background`: this process does the background work, so
        it leaves rate limits to lookups during calls. `permit`: what its lookups compute under. `see` gets the
        connector and each of its requests with its answer, masked. `cassettes`: what their requests go through, if
        anything; then nothing that an earlier start learnt is used. `troubles`: where it is reported that a table can't
        be read or a CRM does not answer. `others`: the installations on the same database. `now`: the time of day,
        aware; None: the machine's. `began`: who knows when a call began. `trial`: nothing that goes wrong with what is
        opened is reported, and no caller's misses are counted.
        """
        state = state_folder(loaded)
        common = replace(_context(loaded, state, background, permit, cassettes, now or _utc), others=others)
        sources: dict[str, ConnectorGateway] = {}
        account = previous.account if previous is not None else _Account(troubles) if troubles is not None else None
        if trial:
            account = None
        try:
            for name, options in loaded.configuration.connectors.items():
                kept = previous.sources.get(name) if previous is not None else None
                if kept is not None and previous is not None and _same(previous, loaded, name):
                    sources[name] = kept
                else:
                    context = replace(common, log=logging.getLogger(f"connectors.{name}"))
                    if account is not None:
                        context = replace(context, report=account.of(name))
                    if see is not None:
                        context = replace(context, see=partial(see, name))
                    if cassettes is not None:
                        context = replace(context, cassette=cassettes(name))
                    # what a delivery meets is kept with it; here it would only hide that
                    asking = None if background else troubles
                    sources[name] = _source(name, options, context, state, permit, asking)
            for name, faults in loaded.out.items():
                sources[name] = ConnectorGateway(Out(name, faults, common))
            if asks_calls(loaded.configuration) and CALLS not in sources:
                same = previous is not None and _same_calls(previous, loaded)
                kept = previous.sources.get(CALLS) if previous is not None and same else None
                sources[CALLS] = kept or _calls(loaded, common, permit)
            return cls(loaded, sources, state, save, account, now, began, permit, trial=trial)
        except BaseException:
            taken = set(previous.sources.values()) if previous is not None else set()
            for source in sources.values():
                if source not in taken:
                    source.close()
            raise

    def beside(
        self, loaded: Loaded, *, cassettes: Cassettes | None = None, now: Callable[[], datetime] | None = None
    ) -> Service:
        """Return a service to try something with, to be closed by `close(self)`: nothing is saved, no trouble is
        reported. Connectors that are the same are this service's, unless it has another time or asks no CRM."""
        same = cassettes is None and now is None
        return Service.open(loaded, previous=self if same else None, permit=self._permit, cassettes=cassettes, now=now,
                            trial=True)  # fmt: skip

    def close(self, successor: Service | None = None) -> None:
        """Let go of everything but what `successor` took over."""
        kept = set(successor.sources.values()) if successor is not None else set()
        for source in self.sources.values():
            if source not in kept:
                source.close()
        self._threads.close()
        if self._misses is not None:
            self._misses.close()


@dataclass(frozen=True, slots=True)
class _Uncounted:
    """Misses that are looked up, and not made more by whoever tries something."""

    _misses: SharedLimits

    def used_up(self, query: str, caller: str, limit: tuple[int, float]) -> bool:
        return self._misses.used_up(query, caller, limit)

    def count(self, query: str, caller: str) -> None:
        pass


class Newest:
    """The newest good configuration, for whoever needs nothing of what it brings up."""

    def __init__(self, loaded: Loaded) -> None:
        self._loaded = loaded

    @property
    def loaded(self) -> Loaded:
        """The file that it was read from."""
        return self._loaded

    @property
    def configuration(self) -> Configuration:
        """The configuration in force."""
        return self._loaded.configuration

    def take_up(self, loaded: Loaded) -> None:
        """Serve by this configuration from now on."""
        self._loaded = loaded


class Current:
    """The service of the newest good configuration, which is told to `newest`. `with current.use() as service:` keeps
    it open meanwhile, even if another one takes its place."""

    def __init__(self, service: Service, newest: Newest | None = None) -> None:
        self._service = service
        self._newest = newest or Newest(service.loaded)
        self._uses: dict[Service, int] = {}
        self._retired: dict[Service, Service] = {}
        self._lock = threading.Lock()

    @property
    def configuration(self) -> Configuration:
        """The newest good configuration."""
        return self._service.configuration

    @property
    def loaded(self) -> Loaded:
        """The file that it was read from."""
        return self._service.loaded

    def use(self) -> _Use:
        """Return the newest service, open until the block ends. Closing it then keeps nobody waiting."""
        return _Use(self)

    def _take(self) -> Service:
        with self._lock:
            service = self._service
            self._uses[service] = self._uses.get(service, 0) + 1
        return service

    def _give_back(self, service: Service) -> None:
        with self._lock:
            left = self._uses[service] = self._uses[service] - 1
            if left:
                return
            del self._uses[service]
            over = self._over()
        if over:
            threading.Thread(target=_close, args=(over,), name="closing", daemon=True).start()

    def replace(self, successor: Service) -> None:
        """Serve with `successor` from now on; the one before it is closed when its last user is done, and the last user
        of those before, which may have the same connectors."""
        with self._lock:
            before, self._service = self._service, successor
            self._newest.take_up(successor.loaded)
            self._retired[before] = successor
            over = self._over()
        _close(over)

    def _over(self) -> list[tuple[Service, Service]]:
        """Those, each with its successor, that are to be closed now: the oldest, as far as nobody uses them."""
        over = []
        for service, successor in list(self._retired.items()):
            if service in self._uses:
                break
            del self._retired[service]
            over.append((service, successor))
        return over

    def close(self) -> None:
        """Close the newest service."""
        with self._lock:
            service = self._service
        service.close()


def _close(over: Sequence[tuple[Service, Service]]) -> None:
    for service, successor in over:
        service.close(successor)


class _Use:
    """A block in which a service stays open. A class: a generator would cost each Query twice as much."""

    __slots__ = ("_current", "_service")

    def __init__(self, current: Current) -> None:
        self._current = current

    def __enter__(self) -> Service:
        self._service = self._current._take()
        return self._service

    def __exit__(self, *_error: object) -> None:
        self._current._give_back(self._service)


def _same(previous: Service, loaded: Loaded, name: str) -> bool:
    """Whether a connector can serve on: its section, its folder and the country that it reads numbers by are as
    before."""
    before, now = previous.configuration, loaded.configuration
    return (
        before.connectors.get(name) == now.connectors[name]
        and previous.folder == loaded.folder
        and before.lines[0].country == now.lines[0].country
        and before.lines[0].timezone == now.lines[0].timezone
        and before.language == now.language
        and before.server.threads == now.server.threads
    )


def asks_calls(configuration: Configuration) -> bool:
    """Return whether something is looked up in the bridge's own calls."""
    return any(CALLS in step.in_ for step in find_steps(configuration))


def _same_calls(previous: Service, loaded: Loaded) -> bool:
    """Whether the bridge's own calls are where they were."""
    before, now = previous.configuration, loaded.configuration
    return (
        isinstance(previous.sources.get(CALLS), HistoryGateway)
        and before.database == now.database
        and before.server.threads == now.server.threads
        and previous.folder == loaded.folder
    )


def _calls(loaded: Loaded, context: Context, permit: ComputePermit | None) -> HistoryGateway:
    """The bridge's own calls, in a database of their own: whoever waits for it holds up nobody who writes."""
    database = unprepared(loaded.configuration.database.get_secret_value(), loaded.folder, pool=2)
    return HistoryGateway(database, context, permit=permit)


class _Account:
    """Keeps account of the parts of connectors that can't be used, and of who said so last: when a connector that was
    replaced meanwhile is closed, that is not the end of it."""

    def __init__(self, troubles: Troubles) -> None:
        self._troubles = troubles
        self._now: dict[str, object] = {}

    def of(self, connector: str) -> Callable[[str, str, bool | None], None]:
        """What a connector that is opened is given as `Context.report`."""
        whose = object()

        def report(part: str, why: str, serves: bool | None) -> None:
            subject = f"{connector}.{part}"
            if why:
                self._now[subject] = whose
                self._report(subject, said(why), serves)
            elif self._now.get(subject) is whose:
                del self._now[subject]
                self._troubles.clear("table", subject)

        return report

    def _report(self, subject: str, why: Text, serves: bool | None) -> None:
        connector, _, part = subject.partition(".")
        severity, action = Severity.WARNING, _MEND
        if serves is None:
            text = Text("Table {table} of connector {connector} is in use, but looks cut off: {why}",
                        table=part, connector=connector, why=why)  # fmt: skip
            action = _COMPLETE
        elif serves:
            text = Text("Table {table} of connector {connector} can't be read, what it held before serves: {why}",
                        table=part, connector=connector, why=why)  # fmt: skip
        else:
            severity = Severity.ERROR
            text = Text("Table {table} of connector {connector} can't be read, Queries get on_error: {why}",
                        table=part, connector=connector, why=why)  # fmt: skip
        self._troubles.report("table", subject, severity=severity, text=text, action=action)


def _utc() -> datetime:
    return datetime.now(UTC)


def _context(
    loaded: Loaded,
    state: Path,
    background: bool,
    permit: ComputePermit | None,
    cassettes: Cassettes | None,
    now: Callable[[], datetime],
) -> Context:
    """What all connectors are given."""
    line = loaded.configuration.lines[0]
    zone = ZoneInfo(line.timezone)
    return Context(
        folder=loaded.folder,
        country=line.country,
        timezone=line.timezone,
        cache=state if cassettes is None else None,
        concurrency=loaded.configuration.server.threads,
        waiting=permit.waiting if permit is not None else nullcontext,
        background=background,
        installation=installation(state) if background else "",
        now=lambda: now().astimezone(zone),
        language=loaded.configuration.language,
    )


def installation(state: Path) -> str:
    """Return the id of this installation. Where it can't be had, claims say nobody's, and all others are left alone."""
    try:
        return installation_id(state)
    except StoreUnavailable as error:
        _log.error("there is no id for claims: %s", error)
        return ""


def _source(
    name: str,
    options: ConnectorOptions,
    context: Context,
    state: Path,
    permit: ComputePermit | None,
    troubles: Troubles | None,
) -> ConnectorGateway:
    """Open a connector."""
    pace = None
    if options.rate is not None:
        pace = SharedPace(name, options.rate, state / f"pace-{name}", background=context.background)
        context = replace(context, pace=pace)
    try:
        connector = installed().connector(options.type)(name, options, context)
    except BaseException:
        if pace is not None:
            pace.close()
        raise
    return ConnectorGateway(
        connector, options.breaker, pace=pace, threads=context.concurrency, permit=permit, troubles=troubles
    )

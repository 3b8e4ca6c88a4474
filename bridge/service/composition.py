"""The composition root: opens what the configuration names, and takes up a changed configuration while serving."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from functools import partial
from pathlib import Path

from bridge.config.load import Loaded
from bridge.config.model import Configuration
from bridge.errors import StoreUnavailable
from bridge.lookups.gateway import ConnectorGateway, Lookups
from bridge.lookups.outage import Out
from bridge.queries.answering import Queries, Saver
from bridge.runtime.limits import SharedLimits
from bridge.runtime.pace import SharedPace
from bridge.runtime.permit import ComputePermit
from bridge.runtime.state import state_folder
from bridge.store.installation import installation_id
from bridge.troubles import Severity, Troubles
from connectors.base import Cassette, ConnectorOptions, Context
from connectors.registry import installed

_log = logging.getLogger("bridge.service.composition")

_MEND = "Mend the file, or name the one that is meant; it is taken up by itself"

See = Callable[[str, str], None]
"""Gets a connector's name and what it asked or was answered, masked."""

Tapes = Callable[[str], Cassette]
"""Gives each connector, by its name, the tape that its requests go through."""


class Service:
    """Everything that one configuration brings up. Made by `Service.open`; `close` lets go of it."""

    def __init__(
        self,
        loaded: Loaded,
        sources: Mapping[str, ConnectorGateway],
        state: Path,
        save: Saver | None,
        account: _Account | None = None,
    ) -> None:
        self.loaded = loaded
        self.configuration: Configuration = loaded.configuration
        self.folder = loaded.folder
        self.state = state
        self.account = account
        self.sources = dict(sources)
        self.lookups = Lookups(self.sources, self.configuration.lines[0].country)
        limited = any(query.misses_per_caller is not None for query in self.configuration.queries.values())
        self._misses = SharedLimits(state / "misses.db") if limited else None
        self.queries = Queries(self.configuration, self.lookups, save=save, misses=self._misses)

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
        tapes: Tapes | None = None,
        troubles: Troubles | None = None,
        others: Callable[[], Collection[str]] = tuple,
    ) -> Service:
        """Bring it up. Connectors whose section did not change are taken over from `previous`, with their sign-ins and
        what they keep, so that a change elsewhere in the file costs no caller anything. Those that are out of order
        are there as `Out`.

        `save`: where `save:` steps go, None to show them only. `background`: this process does the background work, so
        it leaves rate limits to lookups during calls. `permit`: the one under which this process answers. `see` gets
        the connector and each of its requests with its answer, masked. `tapes`: what their requests go through, if
        anything; then nothing that an earlier start learnt is used. `troubles`: where it is reported that a table can't
        be read or a CRM does not answer. `others`: the installations on the same database.
        """
        state = state_folder(loaded)
        common = replace(_context(loaded, state, background, permit, tapes), others=others)
        sources: dict[str, ConnectorGateway] = {}
        account = previous.account if previous is not None else _Account(troubles) if troubles is not None else None
        try:
            for name, options in loaded.configuration.connectors.items():
                kept = previous.sources.get(name) if previous is not None else None
                if kept is not None and previous is not None and _same(previous, loaded, name):
                    sources[name] = kept
                else:
                    context = replace(common, log=logging.getLogger(f"connectors.{name}"))
                    if account is not None:
                        context = replace(context, told=account.of(name))
                    if see is not None:
                        context = replace(context, see=partial(see, name))
                    if tapes is not None:
                        context = replace(context, tape=tapes(name))
                    # what a delivery meets is kept with it; here it would only hide that
                    asking = None if background else troubles
                    sources[name] = _source(name, options, context, state, permit, asking)
            for name, faults in loaded.out.items():
                sources[name] = ConnectorGateway(Out(name, faults, common))
            return cls(loaded, sources, state, save, account)
        except BaseException:
            taken = set(previous.sources.values()) if previous is not None else set()
            for source in sources.values():
                if source not in taken:
                    source.close()
            raise

    def close(self, successor: Service | None = None) -> None:
        """Let go of everything but what `successor` took over."""
        kept = set(successor.sources.values()) if successor is not None else set()
        for source in self.sources.values():
            if source not in kept:
                source.close()
        if self._misses is not None:
            self._misses.close()


class Current:
    """The service of the newest good configuration. `with current.use() as service:` keeps it open meanwhile, even if
    another one takes its place."""

    def __init__(self, service: Service) -> None:
        self._service = service
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

    @contextmanager
    def use(self) -> Iterator[Service]:
        """The newest service, open until the block ends."""
        with self._lock:
            service = self._service
            self._uses[service] = self._uses.get(service, 0) + 1
        try:
            yield service
        finally:
            with self._lock:
                self._uses[service] -= 1
                last = not self._uses[service]
                if last:
                    del self._uses[service]
                successor = self._retired.pop(service, None) if last else None
            if successor is not None:
                service.close(successor)

    def replace(self, successor: Service) -> None:
        """Serve with `successor` from now on; the one before it is closed when its last user is done."""
        with self._lock:
            before, self._service = self._service, successor
            if before in self._uses:
                self._retired[before] = successor
                return
        before.close(successor)

    def close(self) -> None:
        """Close the newest service."""
        with self._lock:
            service = self._service
        service.close()


def _same(previous: Service, loaded: Loaded, name: str) -> bool:
    """Whether a connector can serve on: its section, its folder and the country that it reads numbers by are as
    before."""
    before, now = previous.configuration, loaded.configuration
    return (
        before.connectors.get(name) == now.connectors[name]
        and previous.folder == loaded.folder
        and before.lines[0].country == now.lines[0].country
        and before.lines[0].timezone == now.lines[0].timezone
        and before.server.threads == now.server.threads
    )


class _Account:
    """Keeps account of the parts of connectors that can't be used, and of who said so last: when a connector that was
    replaced meanwhile is closed, that is not the end of it."""

    def __init__(self, troubles: Troubles) -> None:
        self._troubles = troubles
        self._now: dict[str, object] = {}

    def of(self, connector: str) -> Callable[[str, str, bool], None]:
        """What a connector that is opened is given as `Context.told`."""
        whose = object()

        def told(part: str, why: str, serves: bool) -> None:
            subject = f"{connector}.{part}"
            if why:
                self._now[subject] = whose
                self._report(subject, why, serves=serves)
            elif self._now.get(subject) is whose:
                del self._now[subject]
                self._troubles.clear("table", subject)

        return told

    def _report(self, subject: str, why: str, *, serves: bool) -> None:
        connector, _, part = subject.partition(".")
        text = f"Table {part} of connector {connector} can't be read, Queries get on_error: {why}"
        if serves:
            text = f"Table {part} of connector {connector} can't be read, what it held before serves: {why}"
        severity = Severity.WARNING if serves else Severity.ERROR
        self._troubles.report("table", subject, severity=severity, text=text, action=_MEND)


def _context(
    loaded: Loaded, state: Path, background: bool, permit: ComputePermit | None, tapes: Tapes | None
) -> Context:  # fmt: skip
    """What all connectors are given."""
    line = loaded.configuration.lines[0]
    return Context(
        folder=loaded.folder,
        country=line.country,
        timezone=line.timezone,
        cache=state if tapes is None else None,
        concurrency=loaded.configuration.server.threads,
        waiting=permit.waiting if permit is not None else nullcontext,
        background=background,
        installation=installation(state) if background else "",
    )


def installation(state: Path) -> str:
    """The id of this installation. Where it can't be had, claims say nobody's, and all others are left alone."""
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

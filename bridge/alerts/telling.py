"""Tells people of troubles: a follower of the watch over a host, with a thread for each channel, so that none holds up
another, the watch or anything else."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from bridge.alerts import deciding
from bridge.alerts.channels import Channel, NotTold, channels
from bridge.alerts.deciding import Memory, Notice, Why
from bridge.alerts.memory import HostMemory, SharedMemory
from bridge.config.load import Loaded
from bridge.errors import StoreUnavailable
from bridge.store.database import unprepared
from bridge.texts import Text, said
from bridge.troubles import IN_DATABASE, Look, Severity, Trouble, Troubles, trouble_id

_log = logging.getLogger("bridge.alerts")
KIND = "alerts"
_GATHER = 5.0
"""Seconds that the first thing to tell waits for others."""
_FIRST_PAUSE, _LONGEST_PAUSE = 30.0, 900.0
"""Seconds after a channel failed, doubled each time."""


class Alerts:
    """Who is told of a host's troubles, by the newest configuration that `loaded` gives. Give `follow` to the `Watch`
    over the host; nothing begins before it has its first look. `state`: the state folder. `close` ends it.
    """

    def __init__(
        self, state: Path, loaded: Callable[[], Loaded], troubles: Troubles, clock: Callable[[], float] = time.time
    ) -> None:
        self._loaded, self._troubles, self._clock = loaded, troubles, clock
        self._host = HostMemory(state)
        self._shared: SharedMemory | None = None
        self._of: Loaded | None = None
        self._tellers: dict[str, _Teller] = {}

    def follow(self, look: Look) -> None:
        """Hand a look to every channel; never waits for one."""
        loaded = self._loaded()
        if loaded is not self._of:
            self._take_up(loaded)
            self._of = loaded
        for teller in self._tellers.values():
            teller.look(look.now)

    @property
    def settled(self) -> bool:
        """Whether every channel has seen to the newest look, as far as it could."""
        return all(teller.settled for teller in self._tellers.values())

    def close(self) -> None:
        """End. What is being sent is left behind."""
        self._end(list(self._tellers.values()))
        self._tellers = {}
        if self._shared is not None:
            self._shared.close()
            self._shared = None

    def _take_up(self, loaded: Loaded) -> None:
        if self._shared is None and loaded.configuration.alerts:
            url = loaded.configuration.database.get_secret_value()  # another one counts from the next start on
            database = unprepared(url, loaded.folder, pool=1, patience=5.0)
            if database.postgresql:
                self._shared = SharedMemory(database)
            else:
                database.close()
        by_key = {channel.key: channel for channel in channels(loaded)}
        self._end([self._tellers.pop(key) for key in self._tellers.keys() - by_key.keys()])
        for key, channel in by_key.items():
            teller = self._tellers.get(key)
            if teller is not None:
                teller.channel = channel
            else:
                self._tellers[key] = _Teller(channel, self._host, self._shared, self._troubles, self._clock)
                self._tellers[key].start()

    @staticmethod
    def _end(tellers: Sequence[_Teller]) -> None:
        for teller in tellers:
            teller.stop()
        end = time.monotonic() + 3
        for teller in tellers:
            teller.join(max(0.0, end - time.monotonic()))


class _Teller(threading.Thread):
    """One channel. `channel` may be changed for one of the same key."""

    def __init__(
        self,
        channel: Channel,
        host: HostMemory,
        shared: SharedMemory | None,
        troubles: Troubles,
        clock: Callable[[], float],
    ) -> None:
        super().__init__(name=f"alerts-{channel.name}", daemon=True)
        self.channel = channel
        self._host, self._shared, self._troubles, self._clock = host, shared, troubles, clock
        self._changed = threading.Condition()
        self._newest: Sequence[Trouble] | None = None
        self._stopping = self._busy = False
        self._since: float | None = None
        """Since when there is something to tell."""
        self._failures, self._not_before = 0, 0.0

    @property
    def settled(self) -> bool:
        """Whether the newest look was seen to."""
        with self._changed:
            return self._newest is None and not self._busy

    def look(self, troubles: Sequence[Trouble]) -> None:
        """See to this, unless something newer comes before."""
        with self._changed:
            self._newest = troubles
            self._changed.notify()

    def stop(self) -> None:
        """Begin nothing new."""
        with self._changed:
            self._stopping = True
            self._changed.notify()

    def run(self) -> None:
        """Tell of each look, until it is stopped."""
        while (troubles := self._next()) is not None:
            try:
                self._see(troubles)
            except StoreUnavailable as error:
                _log.warning("alerts: what was told can't be noted for all hosts: %s", error)
            except Exception:  # noqa: BLE001 - whatever one look does, the next one must still be told
                _log.exception("alerts: %s failed", self.channel.name)
        self._troubles.clear(KIND, self.channel.name)

    def _next(self) -> Sequence[Trouble] | None:
        with self._changed:
            self._busy = False
            while self._newest is None and not self._stopping:
                self._changed.wait()
            self._busy = True
            troubles, self._newest = self._newest, None
            return None if self._stopping else troubles

    def _see(self, troubles: Sequence[Trouble]) -> None:
        channel, now = self.channel, self._clock()
        own = trouble_id(KIND, channel.name)  # it can't tell of itself
        others = [trouble for trouble in troubles if trouble.id != own]
        areas = [area for area in self._areas(channel, others, now) if area is not None]
        notices = [notice for area in areas for notice in deciding.due(channel.rule, area.memory, area.troubles, now)]
        if not notices and self._failures:  # what it failed to tell is over: so that this is, once it works again
            notices = self._over(channel, [trouble for trouble in troubles if trouble.id == own])
        done = self._tell(channel, notices, now)
        for area in areas:
            area.keep(deciding.settle(channel.rule, area.memory, area.only(done), now))

    def _areas(self, channel: Channel, troubles: Sequence[Trouble], now: float) -> Iterator[_Area | None]:
        """What belongs to this host, then what several hosts on one PostgreSQL may see; that where it is its turn."""
        blind = any(trouble.kind == "database" for trouble in troubles)
        shared = [trouble for trouble in troubles if self._shared is not None and trouble.kind in IN_DATABASE]
        by_id = {trouble.id: trouble for trouble in troubles if trouble not in shared}
        memory = deciding.look(
            self._host.read(channel.key), by_id, now, lambda id_: not (blind and id_.partition(":")[0] in IN_DATABASE)
        )
        yield _Area(by_id, memory, lambda memory: self._host.write(channel.key, memory))
        if self._shared is not None and not blind:
            yield self._common(self._shared, channel, shared, now)

    @staticmethod
    def _common(shared: SharedMemory, channel: Channel, troubles: Sequence[Trouble], now: float) -> _Area | None:
        try:
            before = shared.claim(channel.key, now)
        except StoreUnavailable as error:
            _log.warning("alerts: what is told once for all hosts waits for the database: %s", error)
            return None
        if before is None:
            return None
        by_id = {trouble.id: trouble for trouble in troubles}
        memory = deciding.look(before, by_id, now, lambda _: True)
        return _Area(by_id, memory, lambda memory: shared.write(channel.key, memory))

    def _over(self, channel: Channel, failing: Sequence[Trouble]) -> list[Notice]:
        """Return what to try the channel with when there is nothing else to tell; that it failed is forgotten where no
        end is to be told."""
        if channel.rule.resolved:
            return [Notice(Why.RESOLVED, trouble) for trouble in failing]
        self._failures, self._not_before = 0, 0.0
        self._troubles.clear(KIND, channel.name)
        return []

    def _tell(self, channel: Channel, notices: Sequence[Notice], now: float) -> Sequence[Notice]:
        """Send the notices, and return those that were sent."""
        if not notices:
            self._since = None
            return []
        self._since = now if self._since is None else self._since
        if now - self._since < _GATHER or now < self._not_before:
            return []
        try:
            missed = channel.send(notices)
        except NotTold as error:
            self._failed(channel, str(error), now)
            return error.done
        except Exception as error:  # noqa: BLE001 - it must wait before it is tried again, whatever it is
            _log.exception("alerts: %s failed", channel.target)
            self._failed(channel, type(error).__name__, now)
            return []
        self._since, self._failures, self._not_before = None, 0, 0.0
        _log.info("alerts: told %d by %s", len(notices), channel.target)
        if missed:
            self._report(
                channel,
                Severity.WARNING,
                Text("Some did not get the alerts of {target}: {missed}", target=channel.target, missed=missed),
            )
        else:
            self._troubles.clear(KIND, channel.name)
        return notices

    def _failed(self, channel: Channel, why: str, now: float) -> None:
        self._not_before = now + min(_FIRST_PAUSE * 2**self._failures, _LONGEST_PAUSE)
        self._failures += 1
        text = Text("Alerts can't be sent by {target}: {why}", target=channel.target, why=said(why))
        self._report(channel, Severity.ERROR, text)

    def _report(self, channel: Channel, severity: Severity, text: Text) -> None:
        action = Text("Mend what the text names; `infocaller-bridge alerts test` tries it")
        self._troubles.report(KIND, channel.name, severity=severity, text=text, action=action)


@dataclass(frozen=True, slots=True)
class _Area:
    """Troubles that are remembered together: those there are, what was told of them, and how that is kept."""

    troubles: Mapping[str, Trouble]
    memory: Memory
    keep: Callable[[Memory], None]

    def only(self, notices: Sequence[Notice]) -> list[Notice]:
        """Return the notices of this area."""
        return [
            notice
            for notice in notices
            if notice.trouble.id in (self.memory if notice.why is Why.RESOLVED else self.troubles)
        ]

"""Campaigns: a CSV file whose rows become callbacks of a source, told apart from others of that source by their name.

What a campaign is doing is in the database alone, so it goes on, and can be looked at, paused and cancelled, whatever
was restarted.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from itertools import islice
from typing import Any

from sqlalchemy import Connection

from bridge.callbacks import states
from bridge.callbacks.desk import CallbackService, NoSuchSource
from bridge.callbacks.pace import LinePace
from bridge.callbacks.rowfile import Row, RowFile
from bridge.callbacks.tasks import Rules, Wish
from bridge.errors import BridgeError
from bridge.queue.base import LINE, Queue, line_key
from bridge.store import campaigns
from bridge.store.callbacks import CallbackState, Change
from bridge.store.campaigns import HELD, Campaign
from bridge.store.database import Database
from connectors.base import Task
from connectors.phone import parse

_NAME = re.compile(r"[A-Za-z0-9][\w.-]{0,47}", re.ASCII)
FAR = timedelta(days=730)
"""How far ahead is reckoned."""
_OPEN = (CallbackState.WAITING, CallbackState.QUEUED, CallbackState.SENDING, CallbackState.ACCEPTED)


class NoCampaign(BridgeError):
    """This can't be a campaign, or there is none with this name; the message says what to do."""


@dataclass(slots=True)
class Progress:
    """How a campaign stands: how many of its callbacks are in each state, and how many of those that wait each gate
    keeps back (the key is empty for those that wait for their turn). `per_minute`: how many were rung in a minute
    lately. `stands`: why nothing of it is called, where its line or source does not run. `ends`: when it is over at the
    line's pace, by the line's calling hours; None: it is over, or stands still."""

    campaign: Campaign
    states: dict[CallbackState, int] = field(default_factory=dict)
    gates: dict[str, int] = field(default_factory=dict)
    per_minute: float = 0.0
    ends: datetime | None = None
    stands: str = ""

    @property
    def total(self) -> int:
        """All of its callbacks."""
        return sum(self.states.values())

    @property
    def left(self) -> int:
        """Those that are still to be rung."""
        return self.states.get(CallbackState.WAITING, 0) + self.states.get(CallbackState.QUEUED, 0)

    @property
    def over(self) -> bool:
        """Whether nothing more happens by itself."""
        return not any(self.states.get(state) for state in _OPEN)


class Campaigns:
    """The campaigns of a database. Everything raises `StoreUnavailable`."""

    def __init__(self, database: Database, queue: Queue, desk: CallbackService, clock: Callable[[], datetime]) -> None:
        self._database, self._queue, self._desk, self._clock = database, queue, desk, clock

    def rules(self, source: str) -> Rules:
        """The rules of a source that may have campaigns. Raises `NoSuchSource`, `NoCampaign`."""
        rules = self._desk.book().rules.get(source)
        if rules is None:
            raise NoSuchSource(f"the configuration has no callbacks from {source}")
        if rules.source.from_ is not None:
            raise NoCampaign(
                f"the tasks of {source} come from {rules.source.from_}, which knows nothing of a campaign's rows: "
                "add a source with name: and without from:, with the same line and rules"
            )
        return rules

    def begin(self, name: str, source: str, file: str) -> Campaign:
        """Note a campaign, or one that goes on with more rows. Raises `NoCampaign`."""
        if not _NAME.fullmatch(name):
            raise NoCampaign(f"{name!r} can't name a campaign: write up to 48 of A-Z a-z 0-9 . _ -")
        rules = self.rules(source)
        with self._database.write() as connection:
            known = campaigns.get(connection, name, lock=True)
            if known is not None and known.source != source and self._desk.book().configuration.source(known.source):
                raise NoCampaign(f"there is a campaign {name} of {known.source} already: give this one another --name")
            if known is not None and known.cancelled_at:
                raise NoCampaign(f"campaign {name} was cancelled: give this one another --name")
            begun = known or Campaign(name, source, file, self._clock().isoformat(timespec="seconds"))
            if begun.source != source:  # which has another name now, or is another one in its place
                campaigns.move(connection, begun, source, rules.source.origin, rules.line.number)
                begun = replace(begun, source=source)
            campaigns.note(self._database, connection, replace(begun, file=file))
        return begun

    def take(
        self, campaign: Campaign, rows: RowFile, bad: Callable[[Row], None], told: Callable[[int], None]
    ) -> Campaign:
        """Take the rows, each lot on disk before the next is read; `bad` gets those that can't be called, `told` how
        many were taken so far. The same rows again are the same callbacks. A campaign that is paused meanwhile takes
        its rows as paused ones; one that is cancelled meanwhile takes no more. Raises `FileUnreadable`, `NoCampaign`.
        """
        faults = 0

        def good() -> Iterator[tuple[Task, Wish]]:
            nonlocal faults
            for row in rows:
                if row.wish is not None:
                    yield row.task, row.wish
                else:
                    faults += 1
                    bad(row)

        def held(connection: Connection) -> Mapping[str, Any]:
            """The note is locked, so that a person's pause or cancel comes wholly before this lot or after it."""
            known = campaigns.get(connection, campaign.name, lock=True)
            if known is not None and known.cancelled_at:
                raise NoCampaign(
                    f"campaign {campaign.name} was cancelled while its rows were taken; no more of them are"
                )
            return {**_hold().values} if known is not None and known.paused else {}

        taken = self._desk.accept_wishes(campaign.source, good(), lambda so_far: told(so_far.new + so_far.known), held)
        with self._database.write() as connection:
            known = campaigns.get(connection, campaign.name, lock=True) or campaign
            noted = replace(known, rows=known.rows + taken.new, bad=faults)
            campaigns.note(self._database, connection, noted)
            if noted.paused:
                campaigns.hold(connection, noted, _hold(), self._clock())
        return noted

    def every(self) -> list[Campaign]:
        """All of them."""
        with self._database.read() as connection:
            return campaigns.every(connection)

    def get(self, name: str) -> Campaign:
        """The one with this name. Raises `NoCampaign`."""
        with self._database.read() as connection:
            return _known(connection, campaigns.get(connection, name), name)

    def _held(self, connection: Connection, name: str) -> Campaign:
        """The same, and nobody else changes its note before the transaction ends."""
        return _known(connection, campaigns.get(connection, name, lock=True), name)

    def progress(self, name: str) -> Progress:
        """How it stands. Raises `NoCampaign`."""
        campaign, now = self.get(name), self._clock()
        progress = Progress(campaign)
        with self._database.read() as connection:
            for state, gate, number in campaigns.counts(connection, campaign):
                progress.states[state] = progress.states.get(state, 0) + number
                if state is CallbackState.WAITING:
                    progress.gates[gate] = progress.gates.get(gate, 0) + number
            progress.per_minute = campaigns.rung(connection, campaign, now - timedelta(minutes=5)) / 5
            someone = campaigns.someone(connection, campaign)
        rules = self._desk.book().rules.get(campaign.source)
        if rules is not None and progress.left:
            progress.stands, today = self.stands(campaign.source)
            if not campaign.paused and not progress.stands:
                zones = rules.zones(parse(someone, rules.line.country))
                progress.ends = ends(rules, zones, progress.left, today, now)
        return progress

    def stands(self, source: str) -> tuple[str, int]:
        """Why nothing of a source is called now, where its line or the source itself does not run, else empty; and how
        many calls its line made today."""
        found = self._desk.book().configuration.source(source)
        line = next((one for one in self._desk.lines() if found is not None and one.name == found.line), None)
        own = next((one for one in self._desk.sources() if one.name == source), None)
        return next((said for one in (line, own) if one and (said := one.stands)), ""), line.today if line else 0

    def pause(self, name: str) -> int:
        """Nothing of it is called from now on, but for what is being sent at this moment; how many are kept back."""
        now = self._clock()
        with self._database.write() as connection:
            campaign = self._held(connection, name)
            campaigns.note(self._database, connection, replace(campaign, paused=True))
            return campaigns.hold(connection, campaign, _hold(), now)

    def resume(self, name: str) -> int:
        """It goes on; how many are called again."""
        now = self._clock()
        with self._database.write() as connection:
            campaign = self._held(connection, name)
            rules = self._desk.book().rules.get(campaign.source)
            campaigns.note(self._database, connection, replace(campaign, paused=False))
            number = campaigns.release(connection, campaign, now)
            if rules is not None:
                self._queue.poke(connection, LINE, line_key(rules.line.number, now))
        return number

    def cancel(self, name: str, reason: str = "") -> int:
        """Nothing of it is called any more, but for what is being sent at this moment; how many that were to be."""
        now = self._clock()
        with self._database.write() as connection:
            campaign = self._held(connection, name)
            noted = replace(campaign, cancelled_at=campaign.cancelled_at or now.isoformat(timespec="seconds"))
            campaigns.note(self._database, connection, noted)
            return campaigns.change(connection, campaign, states.cancel(now, reason), now)

    def results(self, name: str, piece: int = 500) -> Iterator[list[object]]:
        """What came of its rows so far, in their order: id, number, state, reason, rung_at, seconds, idcall. Raises
        `NoCampaign`."""
        campaign, after = self.get(name), 0
        while True:
            with self._database.read() as connection:
                found = campaigns.each(connection, campaign, after, piece)
            for row in found:
                id_ = row.task_id.removeprefix(campaign.prefix)
                rung = row.rung_at.isoformat(timespec="seconds") if row.rung_at else ""
                yield [id_, row.number, row.state, row.reason, rung, row.seconds, row.idcall]
            if len(found) < piece:
                return
            after = found[-1].id


def _known(connection: Connection, found: Campaign | None, name: str) -> Campaign:
    if found is None:
        there = ", ".join(one.name for one in campaigns.every(connection))
        raise NoCampaign(f"there is no campaign {name}; there is {there or 'none'}")
    return found


def hold_again(database: Database, now: datetime) -> int:
    """Keep back what came back to a paused campaign since (the platform refused it for now); how many."""
    with database.read() as connection:
        paused = [one for one in campaigns.every(connection) if one.paused and not one.cancelled_at]
    if not paused:
        return 0
    with database.write() as connection:
        return sum(campaigns.hold(connection, one, _hold(), now) for one in paused)


class Places:
    """The moments at which a line can ring, one after another: at its pace, within calling hours by the clocks of
    `zones`, and its `per_day`. `today`: emissions of the line today."""

    def __init__(self, rules: Rules, zones: Sequence[str], today: int, now: datetime) -> None:
        emission = rules.line.emission
        self._interval = LinePace(emission.per_minute, emission.at_once).interval
        self._per_day = rules.line.dial.per_day
        self._windows = islice(_windows(rules, zones, now), FAR.days)
        self._window = next(self._windows, None)
        self._left = max(0, self._per_day - today)
        self._next = now

    def free(self, begins: datetime) -> datetime | None:
        """The next one, not before `begins`; None: not within two years. Ask for those that begin earlier first."""
        while self._window is not None:
            at = max(self._next, self._window[0], begins)
            if self._left > 0 and at + self._interval <= self._window[1]:
                return at
            self._window, self._left = next(self._windows, None), self._per_day
        return None

    def take(self, begins: datetime) -> datetime | None:
        """The same, and it is somebody's."""
        at = self.free(begins)
        if at is not None:
            self._next, self._left = at + self._interval, self._left - 1
        return at


def ends(rules: Rules, zones: Sequence[str], left: int, today: int, now: datetime) -> datetime | None:
    """When so many are rung at the line's pace, within calling hours by the clocks of `zones` and its `per_day`;
    `today`: emissions of the line today. None: not within two years."""
    emission = rules.line.emission
    interval = LinePace(emission.per_minute, emission.at_once).interval
    moment, most = now, max(0, rules.line.dial.per_day - today)
    for window in islice(_windows(rules, zones, now), FAR.days):
        start = max(window[0], moment)
        room = min(most, int((window[1] - start) / interval))
        if left <= room:
            return start + left * interval
        left -= room
        moment, most = window[1], rules.line.dial.per_day
    return None


def _windows(rules: Rules, zones: Sequence[str], now: datetime) -> Iterator[tuple[datetime, datetime]]:
    """Calling hours, a day at a time."""
    while (window := rules.calendar.window(now, zones)) is not None:
        end = min(window.end, max(window.start, now) + timedelta(days=1))
        yield window.start, end
        now = end


def _hold() -> Change:
    return states.hold(HELD, "the campaign is paused")


__all__ = ["Campaign", "Campaigns", "NoCampaign", "Places", "Progress", "ends", "hold_again"]

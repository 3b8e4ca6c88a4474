"""Campaigns: a CSV file whose rows are tasks of a source. By the campaign's name, which their callbacks have, they are
looked at, paused and cancelled together, whatever was restarted meanwhile."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from sqlalchemy import Connection

from bridge.callbacks import states
from bridge.callbacks.forecast import Places
from bridge.callbacks.rowfile import CampaignRow, RowFile
from bridge.callbacks.service import CallbackService
from bridge.callbacks.task_intake import IntakeCounts, NoCampaign, NoSuchSource
from bridge.callbacks.tasks import Rules, Wish
from bridge.queue.base import LINE, Queue, line_key
from bridge.store import campaigns, emissions
from bridge.store.callbacks import OPEN, CallbackState
from bridge.store.campaigns import Campaign
from bridge.store.database import Database
from bridge.store.tables import LONGEST_CAMPAIGN
from bridge.texts import Text
from connectors.base import Task
from connectors.phone import parse

_NAME = re.compile(rf"[A-Za-z0-9][\w.-]{{0,{LONGEST_CAMPAIGN - 1}}}", re.ASCII)
_LATELY = timedelta(minutes=5)


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
    stands: Text | None = None

    @property
    def total(self) -> int:
        return sum(self.states.values())

    @property
    def left(self) -> int:
        """Those that are still to be rung."""
        return self.states.get(CallbackState.WAITING, 0) + self.states.get(CallbackState.QUEUED, 0)

    @property
    def over(self) -> bool:
        """Whether nothing more happens by itself."""
        return not any(self.states.get(state) for state in OPEN)


class Campaigns:
    """The campaigns of a database. Everything raises `StoreUnavailable`; what takes a name, `NoCampaign`."""

    def __init__(self, database: Database, queue: Queue, desk: CallbackService, clock: Callable[[], datetime]) -> None:
        self._database, self._queue, self._desk, self._clock = database, queue, desk, clock

    def rules(self, source: str) -> Rules:
        """Return the rules of a source that may have campaigns. Raises `NoSuchSource`, `NoCampaign`."""
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
        """Note a campaign, or one that goes on with more rows."""
        if not _NAME.fullmatch(name):
            raise NoCampaign(f"{name!r} can't name a campaign: write up to {LONGEST_CAMPAIGN} of A-Z a-z 0-9 . _ -")
        rules = self.rules(source)
        with self._database.write() as connection:
            campaign = campaigns.get(connection, name, lock=True) or Campaign(name, source, file, self._clock())
            if campaign.cancelled_at is not None:
                raise NoCampaign(f"campaign {name} was cancelled: give this one another --name")
            if campaign.source != source:
                if self._desk.book().configuration.source(campaign.source):
                    raise NoCampaign(
                        f"there is a campaign {name} of {campaign.source} already: give this one another --name"
                    )
                # its source has another name now, or this one is in its place
                campaigns.move(connection, name, source, rules.source.origin, rules.line.number)
            campaign = replace(campaign, source=source, file=file)
            campaigns.save(self._database, connection, campaign)
        return campaign

    def take(
        self, campaign: Campaign, rows: RowFile, bad: Callable[[CampaignRow], None], progress: Callable[[int], None]
    ) -> IntakeCounts:
        """Take the rows, each lot on disk before the next is read; `bad` gets those that can't be called, `progress`
        how many were taken so far. The same rows again are the same callbacks. A campaign that is paused meanwhile
        takes its rows as paused ones; one that is cancelled meanwhile takes no more. What waits of a row that can't be
        called any more as it is now is not called. Raises `FileUnreadable`, `NoCampaign`."""

        def told() -> Iterator[tuple[Task, Wish | str]]:
            for row in rows:
                if row.wish is None:
                    bad(row)
                if not row.double:
                    yield row.task, row.wish or row.fault or ""

        def lot(so_far: IntakeCounts) -> None:
            progress(so_far.new + so_far.known)

        return self._desk.intake.accept_wishes(campaign.source, told(), lot, campaign.name)

    def every(self) -> list[Campaign]:
        with self._database.read() as connection:
            return campaigns.every(connection)

    def get(self, name: str) -> Campaign:
        """Return the campaign with this name."""
        with self._database.read() as connection:
            return _known(connection, name)

    def progress(self, name: str) -> Progress:
        """Return how the campaign stands."""
        campaign, now = self.get(name), self._clock()
        progress = Progress(campaign)
        with self._database.read() as connection:
            for state, gate, number in campaigns.counts(connection, name):
                progress.states[state] = progress.states.get(state, 0) + number
                if state is CallbackState.WAITING:
                    progress.gates[gate] = progress.gates.get(gate, 0) + number
            progress.per_minute = campaigns.rung(connection, name, now - _LATELY) / (_LATELY / timedelta(minutes=1))
            someone = campaigns.someone(connection, name)
        rules = self._desk.book().rules.get(campaign.source)
        if rules is not None and progress.left:
            progress.stands, today = self.stands(campaign.source)
            if not campaign.paused and not progress.stands:
                zones = rules.zones(parse(someone, rules.line.country))
                progress.ends = Places(rules, zones, today, now).take_many(progress.left)
        return progress

    def stands(self, source: str) -> tuple[Text | None, int]:
        """Return why nothing of a source is called now, where its line or the source itself does not run, else None;
        and how many calls its line made today."""
        configured = self._desk.book().configuration.source(source)
        line = next(
            (status for status in self._desk.queries.lines() if configured and status.name == configured.line), None
        )
        own = next((status for status in self._desk.queries.sources() if status.name == source), None)
        reasons = (status.blocked_reason for status in (line, own) if status)
        return next(filter(None, reasons), None), line.today if line else 0

    def pause(self, name: str) -> int:
        """Call nothing of it from now on, but for what is being sent at this moment; how many are kept back."""
        return self._stop(name, lambda campaign: replace(campaign, paused=True), "")

    def resume(self, name: str) -> int:
        """Let it go on; return how many are called again."""
        now = self._clock()
        with self._database.write() as connection:
            campaign = replace(self._held(connection, name), paused=False)
            if campaign.cancelled_at is not None:
                raise NoCampaign(f"campaign {name} was cancelled: start it under another --name")
            campaigns.save(self._database, connection, campaign)
        rules = self._desk.book().rules.get(campaign.source)

        def lot(connection: Connection) -> int:
            if rules is not None:
                self._queue.wake(connection, LINE, line_key(rules.line.number, now))
            return campaigns.release(connection, name, states.HELD, now)

        return self._in_lots(campaign, lot)

    def cancel(self, name: str, reason: str = "") -> int:
        """Call nothing of it any more, but for what is being sent at this moment; how many that were to be."""
        now = self._clock()
        return self._stop(name, lambda campaign: replace(campaign, cancelled_at=campaign.cancelled_at or now), reason)

    def _stop(self, name: str, stopped: Callable[[Campaign], Campaign], reason: str) -> int:
        """Note that it stands, with those that had their turn: nothing of it gets a turn from then on. So all others
        can follow in lots, and what is left of them, should this process die, when their time comes."""
        now = self._clock()
        with self._database.write() as connection:
            campaign = stopped(self._held(connection, name))
            campaigns.save(self._database, connection, campaign)
            change = states.halted(campaign, now, reason)
            count = campaigns.change(connection, name, change, now, after_turn=True)
        return count + self._in_lots(campaign, lambda connection: campaigns.change(connection, name, change, now))

    def _in_lots(self, campaign: Campaign, lot: Callable[[Connection], int]) -> int:
        """Change all of its callbacks, each lot on disk before the next, as long as nobody decides otherwise."""
        changed = 0
        while True:
            with self._database.write() as connection:
                if campaigns.get(connection, campaign.name, lock=True) != campaign:
                    return changed
                count = lot(connection)
            if count == 0:
                return changed
            changed += count

    def _held(self, connection: Connection, name: str) -> Campaign:
        """The one with this name. Until the transaction ends nobody else changes it, and its line gives no turns."""
        rules = self._desk.book().rules.get(_known(connection, name).source)
        if rules is not None:
            emissions.held(self._database, connection, "line", rules.line.number)
        return _known(connection, name, lock=True)

    def results(self, name: str, piece: int = 500) -> Iterator[list[object]]:
        """Yield what came of its rows so far, in their order: id, number, state, reason, rung_at, seconds, idcall."""
        self.get(name)
        after = 0
        while True:
            with self._database.read() as connection:
                rows = campaigns.each(connection, name, after, piece)
            for row in rows:
                rung = row.rung_at.isoformat(timespec="seconds") if row.rung_at else ""
                id_ = row.task_id.removeprefix(f"{name}/")
                yield [id_, row.number, row.state, row.reason, rung, row.seconds, row.idcall]
            if len(rows) < piece:
                return
            after = rows[-1].id


def _known(connection: Connection, name: str, *, lock: bool = False) -> Campaign:
    campaign = campaigns.get(connection, name, lock=lock)
    if campaign is None:
        names = ", ".join(campaign.name for campaign in campaigns.every(connection))
        raise NoCampaign(f"there is no campaign {name}; there is {names or 'none'}")
    return campaign

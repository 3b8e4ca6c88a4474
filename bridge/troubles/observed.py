"""What is wrong by what the database and the disk show, whoever looks and whenever. Nothing is changed by looking."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, time, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

from sqlalchemy import Connection

from bridge.config.load import Loaded
from bridge.config.model import Configuration
from bridge.errors import Fault, StoreUnavailable
from bridge.hours.calendar import holiday_somewhere
from bridge.runtime.log import Formatter
from bridge.store import emissions, overview, schema, spool
from bridge.store.database import Database
from bridge.store.emissions import EmissionState, Kind, Mode
from bridge.store.tables import REVISION
from bridge.troubles.ledger import HOUR, Ledger, Unusable
from bridge.troubles.trouble import Severity

_log = logging.getLogger("bridge.troubles")
_MASK = Formatter()
_LONGEST = 240
_BLIP = timedelta(seconds=30)
"""A CRM that did not answer once, and does the next time, needs nobody."""
_LATE = timedelta(minutes=5)
_VERY_LATE = timedelta(hours=1)
_WORK_GONE = timedelta(minutes=2)
_UNREACHED = 3
"""Times in a row that the platform could not be reached."""
_GB, _MB = 1024**3, 1024**2
_WEEKS = 4
_EXPECTED = 10
"""So many calls came in each of the weeks before in the time that has been silent now."""
_LEAST_SILENCE = timedelta(hours=1)
_RECENTLY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Observation:
    """Something that is wrong now. `since` None: it can't be told from what is there. See `Trouble`."""

    kind: str
    subject: str
    severity: Severity
    text: str
    action: str
    since: datetime | None = None
    count: int = 1


@dataclass(frozen=True, slots=True)
class Place:
    """Where to look. `loaded` None: no configuration can be used, for its `faults`. `database` None: it is not known
    which. `state`: the state folder."""

    loaded: Loaded | None
    database: Database | None
    state: Path
    faults: tuple[Fault, ...] = ()

    @property
    def configuration(self) -> Configuration | None:
        """The configuration."""
        return self.loaded.configuration if self.loaded is not None else None


def observe(place: Place, now: datetime) -> list[Observation]:
    """All that can be seen to be wrong."""
    seen = [*_configuration(place), *_disk(place), *_spool(place), *_database(place, now)]
    return [*seen, *_quiet_queries(place, now)]


def said(error: str) -> str:
    """What somebody else said, for a text: one line, without whole numbers, not too long, without its full stop."""
    line = _MASK.masked(" ".join(error.split()))
    return (line if len(line) <= _LONGEST else f"{line[: _LONGEST - 1]}…").rstrip(".")


def things(count: int, one: str, many: str = "") -> str:
    """So many of something, in words."""
    return f"{count:,} {one if count == 1 else many or f'{one}s'}"


# the configuration


def _configuration(place: Place) -> Iterator[Observation]:
    loaded = place.loaded
    if loaded is None:
        if place.faults:
            yield _refused(place.faults, "it can't be used: `serve` would not start")
        return
    for name, faults in loaded.out.items():
        yield Observation(
            "crm", name, Severity.ERROR,
            f"The section of connector {name} is at fault, so it is not asked: Queries get on_error, and what has to "
            f"reach it waits: {said(str(faults[0]))}",
            "Mend it: `infocaller-bridge check` says every fault", count=len(faults),
        )  # fmt: skip
    if loaded.ignored:
        yield replace(_refused(loaded.ignored, "parts of it are not used"), severity=Severity.WARNING)


def _refused(faults: tuple[Fault, ...], what: str) -> Observation:
    more = f" (and {len(faults) - 1} more)" if len(faults) > 1 else ""
    return Observation(
        "configuration", "", Severity.ERROR, f"The configuration has faults, {what}: {said(str(faults[0]))}{more}",
        "Mend the file: `infocaller-bridge check` says every fault", count=len(faults),
    )  # fmt: skip


# the disk


def _disk(place: Place) -> Iterator[Observation]:
    folders = {place.state: "the state folder"}
    if place.database is not None and place.database.path is not None:
        folders[place.database.path.parent] = "the database"
    seen: dict[int, None] = {}
    for folder, what in folders.items():
        try:
            device, found = folder.stat().st_dev, os.statvfs(folder)
        except OSError:
            continue  # not made yet
        if device in seen:
            continue
        seen[device] = None
        yield from _room(folder, what, found)


def _room(folder: Path, what: str, found: os.statvfs_result) -> Iterator[Observation]:
    free, size = found.f_bavail * found.f_frsize, max(1, found.f_blocks * found.f_frsize)
    no_files = found.f_files > 0 and found.f_favail < found.f_files // 100
    if not no_files and (free >= _GB or free > size // 20):
        return
    full = no_files or (free < 64 * _MB and free < size // 50)
    left = "no more files can be made" if no_files else f"{free / _MB:,.0f} MB of {size / _MB:,.0f} MB are free"
    lost = "Events are refused when it is full, and the platform does not send them again"
    yield Observation(
        "disk", str(folder), Severity.ERROR if full else Severity.WARNING,
        f"The disk of {what} ({folder}) is {'full' if full else 'nearly full'}: {left}. {lost}",
        f"Make room on the disk of {folder}",
    )  # fmt: skip


def _spool(place: Place) -> Iterator[Observation]:
    waiting, refused = _in_spool(place.state)
    if waiting:
        yield Observation(
            "spool", "", Severity.WARNING,
            f"{things(waiting, 'event or saved record', 'events and saved records')} wait on this host's disk, because "
            "the database does not take them: nothing is lost, but the CRMs do not get them yet",
            "Bring the database back; the bridge moves them by itself", count=waiting,
        )  # fmt: skip
    if refused:
        yield Observation(
            "spool", "refused", Severity.ERROR,
            f"{things(refused, 'event or saved record', 'events and saved records')} in the spool can't be stored: the "
            "database refuses them each time, and they reach no CRM",
            f"Look for `can't be stored` in the log; they stay in {place.state / 'spool.db'}", count=refused,
        )  # fmt: skip


def spool_rows(state: Path) -> int:
    """How many rows are in this host's spool."""
    return sum(_in_spool(state))


def _in_spool(state: Path) -> tuple[int, int]:
    try:
        return spool.rows(state / "spool.db")
    except StoreUnavailable as error:
        _log.debug("the spool can't be looked into: %s", error)  # being made, or no room: the disk says so
        return 0, 0


# the database


def _database(place: Place, now: datetime) -> Iterator[Observation]:
    database = place.database
    if database is None or (database.path is not None and not database.path.exists()):
        return
    try:
        with database.read() as connection:
            revision = schema.revision(connection)
            if revision == REVISION:
                found = [one for look in _LOOKS for one in look(place, connection, now)]
            else:
                found = list(_other_version(database, revision))
    except StoreUnavailable as error:
        found = [_away(database, error)]
    yield from found


def _away(database: Database, error: StoreUnavailable) -> Observation:
    kept = "events are kept on this host meanwhile" if database.postgresql else "events are refused"
    return Observation(
        "database", "", Severity.ERROR,
        f"The database can't be used: {said(str(error))}. Queries are answered, {kept}, nothing reaches the CRMs and "
        "nobody is called back",
        "Start the database server, or mend `database:`" if database.postgresql else "Mend what the text names",
    )  # fmt: skip


def _other_version(database: Database, revision: str | None) -> Iterator[Observation]:
    if revision is None:
        return  # nothing has started on it yet
    newer = revision > REVISION
    other = "a newer" if newer else "an older"
    yield Observation(
        "database", "", Severity.ERROR,
        f"{database.name} is of {other} version of the bridge ({revision}; this program's is {REVISION})",
        "Install the newer version here, too" if newer else "Restart the bridge: that brings the database up to date",
    )  # fmt: skip


_Look = Callable[[Place, Connection, datetime], Iterator[Observation]]


def _work(_place: Place, connection: Connection, now: datetime) -> Iterator[Observation]:
    """Whether anybody does the background work."""
    text = overview.noted(connection, overview.WORKED)
    if text is None:
        return
    worked = datetime.fromisoformat(text)
    if now - worked > _WORK_GONE:
        yield Observation(
            "jobs_late", "work", Severity.ERROR,
            "Nobody does the background work: no activity reaches a CRM and nobody is called back",
            "Start it: `infocaller-bridge serve`, or `serve --work` where another host answers", worked,
        )  # fmt: skip


def _jobs(_place: Place, connection: Connection, now: datetime) -> Iterator[Observation]:
    for one in overview.dead(connection):
        lost = things(one.count, "record", "records")
        yield Observation(
            "jobs_dead", one.name, Severity.ERROR,
            f"{lost} can't be brought to {one.name} and {'is' if one.count == 1 else 'are'} not tried again: "
            f"{said(one.error)}",
            f"Mend the cause, then `infocaller-bridge jobs retry --all --connector {one.name}`; "
            "`infocaller-bridge jobs list --state dead` shows each",
            one.since, one.count,
        )  # fmt: skip
    for failing in overview.failing(connection):
        yield from _crm(failing, now)
    for one in overview.late(connection, now - _LATE):
        very = one.since is not None and now - one.since > _VERY_LATE
        what = f"for {one.name}" if one.name else "of the platform"
        many = things(one.count, "job") if one.name else things(one.count, "event")
        yield Observation(
            "jobs_late", one.name or "events", Severity.ERROR if very else Severity.WARNING,
            f"{many} {what} should have been begun minutes ago, and nobody has: the CRMs get everything late",
            "See in the log of the working process (`serve`, or `serve --work`) what holds it up",
            one.since, one.count,
        )  # fmt: skip


def _crm(failing: overview.Failing, now: datetime) -> Iterator[Observation]:
    if not failing.misconfigured and failing.attempts < 2 and failing.since and now - failing.since < _BLIP:
        return
    name, waits = failing.connector, f"{things(failing.count, 'record')} {'waits' if failing.count == 1 else 'wait'}"
    if failing.misconfigured:
        yield Observation(
            "crm", name, Severity.ERROR,
            f"{waits} for the CRM {name}, which refuses what the bridge asks: {said(failing.error)}",
            f"Mend what it names in connector {name}, see that `infocaller-bridge check --connect` is good, then "
            f"`infocaller-bridge jobs retry --all --connector {name}`",
            failing.since, failing.count,
        )  # fmt: skip
        return
    long = failing.since is not None and now - failing.since > _VERY_LATE
    yield Observation(
        "crm", name, Severity.ERROR if long else Severity.WARNING,
        f"{waits} for the CRM {name}, which can't be reached: {said(failing.error)}. Each is tried again for 72 hours",
        f"See whether {name} is up: `infocaller-bridge check --connect`", failing.since, failing.count,
    )  # fmt: skip


def _emissions(place: Place, connection: Connection, _now: datetime) -> Iterator[Observation]:
    known: dict[Kind, list[str] | None] = {"line": None, "source": None}
    if place.configuration is not None:
        known["line"] = [line.number for line in place.configuration.lines]
        known["source"] = [source.title for source in place.configuration.callbacks]
    for kind, names in known.items():
        for name, state in emissions.all_of(connection, kind).items():
            if names is None or name in names:
                yield from _standing(kind, name, state)


def _standing(kind: Kind, name: str, state: EmissionState) -> Iterator[Observation]:
    whose, calls = (f"Line {name}", "emits nothing") if kind == "line" else (f"Source {name}", "calls nobody")
    resume = f"`infocaller-bridge {'lines' if kind == 'line' else 'callbacks'} resume {name}`"
    why = f": {said(state.reason)}" if state.reason else ""
    if state.restored:
        yield Observation(
            "restored", name, Severity.ERROR,
            f"{whose} {calls}, because the database was restored from a backup or is another one: {said(state.reason)}",
            f"When each host that emits has started once: {resume}; then settle what "
            "`infocaller-bridge callbacks list --unsettled` lists", state.since,
        )  # fmt: skip
    elif state.mode is Mode.HELD:
        yield Observation(
            kind, name, Severity.WARNING, f"{whose} {calls}, because a person paused it{why}",
            f"When it may go on: {resume}", state.since,
        )  # fmt: skip
    elif state.mode is Mode.STOPPED:
        yield Observation(
            kind, name, Severity.ERROR, f"{whose} is stopped and {calls}, for what the platform said{why}",
            f"Mend what the platform names, in the panel or in the configuration, then {resume}", state.since,
        )  # fmt: skip
    elif state.mode is Mode.PAUSED:
        yield Observation(
            kind, name, Severity.WARNING,
            f"{whose} is paused for what the platform said, and tried again by itself, one call at a time{why}",
            f"Mend what the platform names; {resume} tries at once", state.since,
        )  # fmt: skip
    elif kind == "line" and state.failures >= _UNREACHED:
        yield Observation(
            kind, name, Severity.WARNING,
            f"{whose} emits nothing, because the platform's emission API can't be reached: tried "
            f"{state.failures} times in a row",
            "See whether this host reaches `emission.url` of the line; the log says what came back",
            None, state.failures,
        )  # fmt: skip
    elif kind == "source" and state.failures:
        yield Observation(
            kind, name, Severity.WARNING,
            f"The tasks of source {name} can't be read, so no new one is called: {said(state.error)}",
            "Mend what the text names; `infocaller-bridge check --connect` tries it", None, state.failures,
        )  # fmt: skip


def _may_have_rung(_place: Place, connection: Connection, _now: datetime) -> Iterator[Observation]:
    found = overview.may_have_rung(connection)
    if found.count:
        yield Observation(
            "may_have_rung", "", Severity.ERROR,
            f"Of {things(found.count, 'callback')} nobody can tell whether the phone rang, so the bridge does not call "
            "again",
            "Look each number of `infocaller-bridge callbacks list --state may_have_rung` up in the platform's "
            "activity page, then `infocaller-bridge callbacks confirm ID --rang yes` or `no`",
            found.since, found.count,
        )  # fmt: skip


def _claims(_place: Place, connection: Connection, now: datetime) -> Iterator[Observation]:
    for one in overview.left_to_others(connection, now - _RECENTLY):
        yield Observation(
            "claims", one.name, Severity.WARNING,
            f"Left alone, because another installation of the bridge had claimed them: {things(one.count, 'task')} of "
            f"source {one.name}: {said(one.error)}",
            "See whether a second bridge works on the same list, such as one for tests, and stop one of the two",
            one.since, one.count,
        )  # fmt: skip


def _quiet(place: Place, connection: Connection, now: datetime) -> Iterator[Observation]:
    """No call for long, where calls came at these hours in each of the last weeks."""
    last = overview.newest_received(connection, now)
    if last is None or now - last < _LEAST_SILENCE:
        return
    usual = min(overview.received_between(connection, spans) for spans in _weeks_before(place, last, now))
    if usual >= _EXPECTED:
        yield _silent(
            "", "call was heard of", last.astimezone(_clock(place)), usual,
            "Call one of your lines. If that changes nothing, compare the four event URLs in the platform's panel with "
            "`infocaller-bridge urls`, and see whether the platform reaches this host",
        )  # fmt: skip


def _quiet_queries(place: Place, now: datetime) -> Iterator[Observation]:
    """The same of this host's Queries, which are counted by the hour."""
    try:
        heard = Ledger(place.state).heard()
    except Unusable:
        return
    last, this = max(heard, default=0), int(now.timestamp()) // HOUR
    if not last or this - last < 2:
        return
    began, ends = (datetime.fromtimestamp(hour * HOUR, UTC) for hour in (last + 1, this))
    usual = min(
        sum(count for hour, count in heard.items() for start, end in spans if _within(hour, start, end))
        for spans in _weeks_before(place, began, ends)
    )
    if usual >= _EXPECTED:
        yield _silent(
            "queries", "Query came", began.astimezone(_clock(place)), usual,
            "Call one of your lines. If no Query comes then, compare the Query's URL in the panel's script with "
            "`infocaller-bridge urls`",
        )  # fmt: skip


def _within(hour: int, start: datetime, end: datetime) -> bool:
    return start.timestamp() <= hour * HOUR < end.timestamp()


def _silent(subject: str, what: str, since: datetime, usual: int, action: str) -> Observation:
    return Observation(
        "quiet", subject, Severity.WARNING,
        f"No {what} since {since:%A %H:%M}, whereas in each of the last {_WEEKS} weeks at least {usual} "
        "came in that time",
        action, since,
    )  # fmt: skip


def _clock(place: Place) -> ZoneInfo:
    """The first line's."""
    return ZoneInfo(place.configuration.lines[0].timezone if place.configuration is not None else "UTC")


def _weeks_before(place: Place, since: datetime, until: datetime) -> list[list[tuple[datetime, datetime]]]:
    """The same hours, on the clock of the first line, in each of the weeks before, of the last week of silence at most.
    Days that are holidays somewhere in the country are left out: who knows which of them the callers keep."""
    zone, country = _clock(place), place.configuration.lines[0].country if place.configuration is not None else ""
    start, end = max(since, until - timedelta(weeks=1)).astimezone(zone), until.astimezone(zone)
    days = []
    while start < end:
        midnight = datetime.combine(start.date() + timedelta(days=1), time(), zone)
        if not holiday_somewhere(start.date(), country):
            days.append((start, min(midnight, end)))
        start = midnight
    weeks = (timedelta(weeks=week) for week in range(1, _WEEKS + 1))
    return [[(start - week, end - week) for start, end in days] for week in weeks]


_LOOKS: tuple[_Look, ...] = (_work, _jobs, _emissions, _may_have_rung, _claims, _quiet)

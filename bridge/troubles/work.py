"""What is wrong with the work: nobody does it, it can't be done, or it is late."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

from sqlalchemy import Connection

from bridge.store import overview
from bridge.texts import Plural, Text, said
from bridge.troubles.observation import Observation, Place, quoted
from bridge.troubles.trouble import Severity

_BLIP = timedelta(seconds=30)
"""A CRM that did not answer once, and does the next time, needs nobody."""
_LATE = timedelta(minutes=5)
_VERY_LATE = timedelta(hours=1)


def of_workers(_place: Place, connection: Connection, now: datetime) -> Iterator[Observation]:
    """Yield that nobody does the background work."""
    text = overview.noted(connection, overview.WORKED)
    if text is None:
        return
    worked = datetime.fromisoformat(text)
    if now - worked > overview.WORK_GONE:
        yield Observation(
            "jobs_late", "work", Severity.ERROR,
            Text("Nobody does the background work: no activity reaches a CRM and nobody is called back"),
            Text("Start it: `infocaller-bridge serve`, or `serve --work` where another host answers"), worked,
        )  # fmt: skip


def of_jobs(_place: Place, connection: Connection, now: datetime) -> Iterator[Observation]:
    """Yield what can't be brought to a CRM, what waits for one, and what should have been begun."""
    for dead in overview.dead(connection):
        yield Observation(
            "jobs_dead", dead.name, Severity.ERROR,
            Plural(
                "{count:,} record can't be brought to {name} and is not tried again: {error}",
                "{count:,} records can't be brought to {name} and are not tried again: {error}",
                dead.count, name=dead.name, error=said(quoted(dead.error)),
            ),
            Text(
                "Mend the cause, then `infocaller-bridge jobs retry --all --connector {name}`; "
                "`infocaller-bridge jobs list --state dead` shows each",
                name=dead.name,
            ),
            dead.since, dead.count,
        )  # fmt: skip
    for failing in overview.failing(connection):
        yield from _crm(failing, now)
    resumed = overview.noted(connection, overview.RESUMED)
    working_for = now - datetime.fromisoformat(resumed) if resumed is not None else _VERY_LATE * 2
    for late in overview.late(connection, now - _LATE) if working_for > _LATE else ():  # else it is being made up for
        very = late.since is not None and min(now - late.since, working_for) > _VERY_LATE
        text: Text = Plural(
            "{count:,} event of the platform should have been begun minutes ago, and nobody has: the CRMs get "
            "everything late",
            "{count:,} events of the platform should have been begun minutes ago, and nobody has: the CRMs get "
            "everything late",
            late.count,
        )
        if late.name:
            text = Plural(
                "{count:,} job for {name} should have been begun minutes ago, and nobody has: the CRMs get everything "
                "late",
                "{count:,} jobs for {name} should have been begun minutes ago, and nobody has: the CRMs get everything "
                "late",
                late.count, name=late.name,
            )  # fmt: skip
        yield Observation(
            "jobs_late", late.name or "events", Severity.ERROR if very else Severity.WARNING, text,
            Text("See in the log of the working process (`serve`, or `serve --work`) what holds it up"),
            late.since, late.count,
        )  # fmt: skip


def _crm(failing: overview.Failing, now: datetime) -> Iterator[Observation]:
    if not failing.misconfigured and failing.attempts < 2 and failing.since and now - failing.since < _BLIP:
        return
    name, error = failing.connector, said(quoted(failing.error))
    if failing.misconfigured:
        yield Observation(
            "crm", name, Severity.ERROR,
            Plural(
                "{count:,} record waits for the CRM {name}, which refuses what the bridge asks: {error}",
                "{count:,} records wait for the CRM {name}, which refuses what the bridge asks: {error}",
                failing.count, name=name, error=error,
            ),
            Text(
                "Mend what it names in connector {name}, see that `infocaller-bridge check --connect` is good, then "
                "`infocaller-bridge jobs retry --all --connector {name}`",
                name=name,
            ),
            failing.since, failing.count,
        )  # fmt: skip
        return
    long = failing.since is not None and now - failing.since > _VERY_LATE
    yield Observation(
        "crm", name, Severity.ERROR if long else Severity.WARNING,
        Plural(
            "{count:,} record waits for the CRM {name}, which can't be reached: {error}. It is tried again for 72 "
            "hours",
            "{count:,} records wait for the CRM {name}, which can't be reached: {error}. Each is tried again for 72 "
            "hours",
            failing.count, name=name, error=error,
        ),
        Text("See whether {name} is up: `infocaller-bridge check --connect`", name=name), failing.since, failing.count,
    )  # fmt: skip

"""What is wrong with calling people: a line or a source that calls nobody, a callback that nobody can judge."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

from sqlalchemy import Connection

from bridge.store import emissions, overview
from bridge.store.emissions import EmissionState, Kind, Mode
from bridge.texts import Plural, Text, literal, said
from bridge.troubles.observation import Observation, Place, quoted
from bridge.troubles.trouble import Severity

_UNREACHED = 3
"""Times in a row that the platform could not be reached."""
_RECENTLY = timedelta(days=1)
_SEVERAL = 3
"""Tasks that were all rejected: of one or two, somebody just mistyped a number."""


def of_emissions(place: Place, connection: Connection, _now: datetime) -> Iterator[Observation]:
    """Yield why a line or a source calls nobody, or that its tasks can't be read."""
    names_of: dict[Kind, list[str] | None] = {"line": None, "source": None}
    if place.configuration is not None:
        names_of["line"] = [line.number for line in place.configuration.lines]
        names_of["source"] = [source.title for source in place.configuration.callbacks]
    for kind, names in names_of.items():
        for name, state in emissions.all_of(connection, kind).items():
            if names is None or name in names:
                yield from _standing(kind, name, state)


def _standing(kind: Kind, name: str, state: EmissionState) -> Iterator[Observation]:
    whose = Text("Line {name} emits nothing", name=name)
    resume = f"infocaller-bridge lines resume {name}"
    if kind == "source":
        whose = Text("Source {name} calls nobody", name=name)
        resume = f"infocaller-bridge callbacks resume {name}"
    why = Text(": {reason}", reason=said(quoted(state.reason))) if state.reason else literal("")
    if state.restored:
        yield Observation(
            "restored", name, Severity.ERROR,
            Text(
                "{whose}, because the database was restored from a backup or is another one{why}", whose=whose, why=why
            ),
            Text(
                "When each host that emits has started once: `{resume}`; then settle what "
                "`infocaller-bridge callbacks list --unsettled` lists",
                resume=resume,
            ),
            state.since,
        )  # fmt: skip
    elif state.mode is Mode.HELD:
        yield Observation(
            kind, name, Severity.WARNING, Text("{whose}, because a person paused it{why}", whose=whose, why=why),
            Text("When it may go on: `{resume}`", resume=resume), state.since,
        )  # fmt: skip
    elif state.mode is Mode.STOPPED:
        yield Observation(
            kind, name, Severity.ERROR, Text("{whose}: what the platform said stopped it{why}", whose=whose, why=why),
            Text("Mend what the platform names, in the panel or in the configuration, then `{resume}`", resume=resume),
            state.since,
        )  # fmt: skip
    elif state.mode is Mode.PAUSED:
        yield Observation(
            kind, name, Severity.WARNING,
            Text(
                "{whose}: what the platform said paused it; the bridge tries again by itself, one call at a time{why}",
                whose=whose, why=why,
            ),
            Text("Mend what the platform names; `{resume}` tries at once", resume=resume), state.since,
        )  # fmt: skip
    elif kind == "line" and state.failures >= _UNREACHED:
        yield Observation(
            kind, name, Severity.WARNING,
            Text(
                "{whose}, because the platform's emission API can't be reached: tried {failures} times in a row",
                whose=whose, failures=state.failures,
            ),
            Text("See whether this host reaches `emission.url` of the line; the log says what came back"),
            None, state.failures,
        )  # fmt: skip
    elif kind == "source" and state.failures:
        yield Observation(
            kind, name, Severity.WARNING,
            Text(
                "The tasks of source {name} can't be read, so no new one is called: {error}",
                name=name, error=said(quoted(state.error)),
            ),
            Text("Mend what the text names; `infocaller-bridge check --connect` tries it"), None, state.failures,
        )  # fmt: skip


def of_rejected(place: Place, connection: Connection, now: datetime) -> Iterator[Observation]:
    """Yield the sources of which nothing but tasks that nobody can call came lately: a column or a mapping is wrong."""
    sources = place.configuration.callbacks if place.configuration is not None else ()
    titles = {source.title for source in sources if not source.built_in}
    for rejected in overview.only_rejected(connection, now - _RECENTLY):
        if rejected.count >= _SEVERAL and rejected.name in titles:
            yield Observation(
                "source", rejected.name, Severity.WARNING,
                Text(
                    "All {count:,} tasks of source {name} that came within a day were rejected, the last because "
                    "{reason}",
                    count=rejected.count, name=rejected.name, reason=said(quoted(rejected.error)),
                ),
                Text(
                    "Look at the first of `infocaller-bridge callbacks list --state rejected`; mend the column or the "
                    "mapping of the source"
                ),
                rejected.since, rejected.count,
            )  # fmt: skip


def of_unsettled(_place: Place, connection: Connection, _now: datetime) -> Iterator[Observation]:
    """Yield that of some callbacks nobody can tell whether the phone rang."""
    unsettled = overview.may_have_rung(connection)
    if unsettled.count:
        yield Observation(
            "may_have_rung", "", Severity.ERROR,
            Plural(
                "Of {count:,} callback nobody can tell whether the phone rang, so the bridge does not call again",
                "Of {count:,} callbacks nobody can tell whether the phone rang, so the bridge does not call again",
                unsettled.count,
            ),
            Text(
                "Look each number of `infocaller-bridge callbacks list --state may_have_rung` up in the platform's "
                "activity page, then `infocaller-bridge callbacks confirm ID --rang yes` or `no`"
            ),
            unsettled.since, unsettled.count,
        )  # fmt: skip


def of_claims(_place: Place, connection: Connection, now: datetime) -> Iterator[Observation]:
    """Yield whose tasks were left alone lately, because another installation had claimed them."""
    for left in overview.left_to_others(connection, now - _RECENTLY):
        yield Observation(
            "claims", left.name, Severity.WARNING,
            Plural(
                "Left alone, because another installation of the bridge had claimed it: {count:,} task of source "
                "{name}: {error}",
                "Left alone, because another installation of the bridge had claimed them: {count:,} tasks of source "
                "{name}: {error}",
                left.count, name=left.name, error=said(quoted(left.error)),
            ),
            Text("See whether a second bridge works on the same list, such as one for tests, and stop one of the two"),
            left.since, left.count,
        )  # fmt: skip

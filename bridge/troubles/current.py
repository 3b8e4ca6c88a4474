"""All troubles there are, reported and seen, worst first. Whoever shows troubles asks here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime

from bridge.texts import Text
from bridge.troubles.ledger import LastSeen, Ledger, LedgerUnusable
from bridge.troubles.observation import Observation, Place
from bridge.troubles.observed import observe
from bridge.troubles.trouble import Severity, Trouble, trouble_id


def current(
    place: Place,
    reported: Sequence[Trouble],
    now: datetime | None = None,
    seen: Mapping[str, LastSeen] | None = None,
) -> list[Trouble]:
    """Return the troubles of this moment, worst first, then the oldest. `reported`: `Troubles.all()` of this host.
    `seen`: what the watcher saw last; None: what it left in its file."""
    now = now or datetime.now(UTC)
    if seen is None:
        try:
            seen = Ledger(place.state).seen()
        except LedgerUnusable:
            seen = {}
    by_id: dict[str, Trouble] = {}
    for trouble in (*(_trouble(observation, seen, now) for observation in observe(place, now)), *reported):
        earlier = by_id.get(trouble.id)
        by_id[trouble.id] = trouble if earlier is None else _both(earlier, trouble)
    return sorted(
        by_id.values(), key=lambda trouble: (trouble.severity is not Severity.ERROR, trouble.since, trouble.id)
    )


def _trouble(observation: Observation, seen: Mapping[str, LastSeen], now: datetime) -> Trouble:
    id_ = trouble_id(observation.kind, observation.subject)
    since = observation.since
    if since is None:
        earlier = seen.get(id_)
        since = datetime.fromtimestamp(earlier.since, UTC) if earlier is not None else now
    return Trouble(id_, observation.severity, since, max(1, observation.count), observation.text, observation.action)


def _both(trouble: Trouble, other: Trouble) -> Trouble:
    """One trouble that was noticed in two ways; the worse of them says what to do."""
    first, second = (trouble, other) if trouble.severity is Severity.ERROR or other.severity is Severity.WARNING else (
        other, trouble)  # fmt: skip
    text = first.text
    if str(second.text) not in str(first.text):
        text = Text("{first}. {second}", first=first.text, second=second.text)
    return replace(first, since=min(trouble.since, other.since), count=max(trouble.count, other.count), text=text)

"""All troubles there are, reported and seen, worst first. Whoever shows troubles asks here."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime

from bridge.troubles.ledger import Ledger, Seen, Unusable
from bridge.troubles.observed import Observation, Place, observe
from bridge.troubles.trouble import Severity, Trouble, trouble_id


def current(place: Place, reported: Sequence[Trouble], now: datetime | None = None) -> list[Trouble]:
    """The troubles of this moment, worst first, then the oldest. `reported`: `Troubles.all()` of this host."""
    now = now or datetime.now(UTC)
    try:
        seen = Ledger(place.state).seen()
    except Unusable:
        seen = {}
    by_id: dict[str, Trouble] = {}
    for trouble in (*(_trouble(one, seen, now) for one in observe(place, now)), *reported):
        known = by_id.get(trouble.id)
        by_id[trouble.id] = trouble if known is None else _both(known, trouble)
    return sorted(by_id.values(), key=lambda one: (one.severity is not Severity.ERROR, one.since, one.id))


def _trouble(found: Observation, seen: dict[str, Seen], now: datetime) -> Trouble:
    id_ = trouble_id(found.kind, found.subject)
    since = found.since
    if since is None:
        earlier = seen.get(id_)
        since = datetime.fromtimestamp(earlier.since, UTC) if earlier is not None else now
    return Trouble(id_, found.severity, since, max(1, found.count), found.text, found.action)


def _both(known: Trouble, other: Trouble) -> Trouble:
    """One trouble that was noticed in two ways; the worse of them says what to do."""
    first, second = (known, other) if known.severity is Severity.ERROR or other.severity is Severity.WARNING else (
        other, known)  # fmt: skip
    text = first.text if second.text in first.text else f"{first.text}. {second.text}"
    return replace(first, since=min(known.since, other.since), count=max(known.count, other.count), text=text)

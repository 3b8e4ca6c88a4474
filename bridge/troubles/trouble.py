"""What a trouble is, and which kinds there are."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from bridge.texts import Text


class Severity(StrEnum):
    """How much a trouble matters."""

    ERROR = "error"
    """Something is lost, or does not happen until a person acts."""
    WARNING = "warning"
    """Something may get lost, or is late."""


SEVERITIES = {Severity.ERROR: Text("ERROR"), Severity.WARNING: Text("WARNING")}
"""What people read."""


@dataclass(frozen=True, slots=True)
class Trouble:
    """Something that needs a person.

    `id`: its kind, with a subject where there is one (`crm:shop`); stable, so that it can be followed. `since`: when it
    began, aware. `count`: how often it happened, or how many things it is about; at least 1. `text` says what is wrong
    and for whom, `action` the one thing to do; neither holds a secret or a caller's whole number.
    """

    id: str
    severity: Severity
    since: datetime
    count: int
    text: Text
    action: Text

    @property
    def kind(self) -> str:
        return self.id.partition(":")[0]


def trouble_id(kind: str, subject: str = "") -> str:
    """Return the id of the trouble of this kind about this subject."""
    return f"{kind}:{subject}" if subject else kind


@dataclass(frozen=True, slots=True)
class Happens:
    """A kind of trouble that consists of single happenings: it begins with the `times`-th of them within `seconds`, and
    ends when one of the processes clears it, or when the last happening is long ago (`rows.LASTS`)."""

    times: int = 1
    seconds: float = 600.0


HAPPENS = {
    "signature": Happens(times=3),
    "unknown_line": Happens(times=3),
    "url_key": Happens(times=3),
    "address": Happens(times=3),
    "unknown_query": Happens(),
    "events_refused": Happens(),
    "guessing": Happens(),
    "crm": Happens(),
    "pop": Happens(),
}
"""The kinds that happen. Every other kind that is reported is a state: it lasts from its report until the process that
reported it clears it, or is gone."""

IN_DATABASE = frozenset(
    {"jobs_dead", "jobs_late", "crm", "line", "source", "may_have_rung", "restored", "claims", "quiet", "clock"}
)
"""The kinds that are looked up in the database: all hosts on one see them, and none does while it is away. (`crm` may
also be reported, by a host whose Queries meet the fault.)"""

"""The only retry policy: given what went wrong, when to try again, or why never. Pure: it waits for nothing.

| error | what follows |
| --- | --- |
| `Unavailable`, `TimedOut` | again: seconds at first, 15 minutes at most, with jitter; a CRM that said when is heeded |
| `Misconfigured` | again every 15 minutes: heals by itself when the admin has mended it, seen as failed meanwhile |
| `OutOfOrder` | again every minute, and never given up: nothing was asked of a connector that is out of order |
| any other (a fault of the bridge, its own database) | like `Unavailable`; the log has the traceback |
| `Rejected`, `Ambiguous` | never: a person decides |

What has failed for 72 hours is given up.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from tenacity import RetryCallState, Retrying, wait_exponential

from bridge.lookups.outage import OutOfOrder
from connectors.base import Ambiguous, Misconfigured, Rejected, Unavailable

GIVE_UP_AFTER = 72 * 3600.0
"""Seconds from the first attempt."""

LONGEST = 15 * 60.0
"""Seconds between two attempts at most."""

OUT_OF_ORDER = 60.0
"""Seconds between two looks at whether a connector is in order again."""

LONGEST_ASKED = 3600.0
"""Seconds that a CRM may ask to be left alone; a longer wish is cut to this."""

_wait = wait_exponential(multiplier=2, max=LONGEST)


@dataclass(frozen=True, slots=True)
class Later:
    """Again after so many seconds."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Never:
    """Not again; `reason` says why, for a person."""

    reason: str


class NotNow(Exception):
    """The CRM is left alone for now, and was not asked: again in `seconds`, not counted as an attempt. The text says
    why."""

    def __init__(self, text: str, seconds: float) -> None:
        super().__init__(text)
        self.seconds = seconds


def decide(age: float, attempt: int, error: BaseException, random: Callable[[], float]) -> Later | Never:
    """Return what follows an attempt that failed.

    `age`: seconds since the first attempt began. `attempt`: this one's number, from 1. `random`: a number from 0 to 1,
    new with each call.
    """
    if isinstance(error, Rejected):
        return Never("the CRM refused it; mend what it names, then retry")
    if isinstance(error, Ambiguous):
        return Never("it can't be known whether the CRM has it; look there, then retry or discard")
    if isinstance(error, OutOfOrder):
        return Later(_jittered(OUT_OF_ORDER, random))
    if age >= GIVE_UP_AFTER:
        return Never(f"given up after {age / 3600:.0f} hours; retry when the cause is mended")
    if isinstance(error, Misconfigured):
        return Later(_jittered(LONGEST, random))
    seconds = _jittered(_delay(attempt), random)
    if isinstance(error, Unavailable) and error.retry_after is not None:
        # Jitter on top: everything that was told the same moment must not come at once.
        seconds = max(seconds, min(max(error.retry_after, 0.0), LONGEST_ASKED) * (1 + 0.1 * random()))
    return Later(seconds)


def _delay(attempt: int) -> float:
    """2, 4, 8, … 900 seconds."""
    state = RetryCallState(Retrying(), None, (), {})
    state.attempt_number = max(1, attempt)
    return float(_wait(state))


def _jittered(seconds: float, random: Callable[[], float]) -> float:
    """Between half of it and all of it."""
    return seconds * (0.5 + 0.5 * random())

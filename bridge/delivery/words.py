"""What has to reach a CRM, in words: where it stands, and what to do about it."""

from __future__ import annotations

from bridge.delivery.retry import GIVE_UP_AFTER
from bridge.store.deliveries import Delivery, State
from bridge.texts import Text

_HOURS = round(GIVE_UP_AFTER / 3600)
_AGAIN = Text(
    "It is tried again by itself, at most a quarter of an hour apart, until it has failed for {hours} hours.",
    hours=_HOURS,
)
_CURES = {
    "Unavailable": Text(
        "The CRM was away, busy or over its limit, or something else was not there yet. {again}", again=_AGAIN
    ),
    "TimedOut": Text("The CRM did not answer in time. {again}", again=_AGAIN),
    "Misconfigured": Text(
        "Something in the configuration, or in what the CRM allows the bridge, has to be mended: see the error. "
        "{again}",
        again=_AGAIN,
    ),
    "Rejected": Text(
        "The CRM refused this very record, so it is not sent again by itself. Mend what the error names, in the "
        "configuration or in the CRM, then retry."
    ),
    "Ambiguous": Text("It can't be known whether the CRM has it. Look there: discard this if it is there, else retry."),
}
_FAULT = Text(
    "This is a fault of the bridge or of its database, not of the CRM; the log has more at that time. {again}",
    again=_AGAIN,
)


def state(job: Delivery) -> str:
    """Return `pending`, `running`, `failed` (it is tried again), `dead` (it is not), `done` or `discarded`."""
    return "failed" if job.state is State.PENDING and job.error else job.state.value


def cure(job: Delivery) -> Text | None:
    """Return what to do about it; None where nothing can be done any more."""
    if job.state not in (State.PENDING, State.DEAD):
        return None
    if job.state is State.DEAD and job.error_class not in ("Rejected", "Ambiguous"):
        return Text(
            "It failed for {hours} hours and is not tried again by itself. Mend the cause, then retry.", hours=_HOURS
        )
    if job.error:
        return _CURES.get(job.error_class, _FAULT)
    return Text("Nothing: it waits for its turn. If it still does after minutes, see whether `serve` (or --work) runs.")

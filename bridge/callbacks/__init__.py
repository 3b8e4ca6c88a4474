"""FLOW 3: tasks become calls. A customer's phone never rings twice for one task, nothing is forgotten, and what can't
be known is shown to a person.

`CallbackService` is what others ask: take tasks, show, confirm, cancel, pause. `Calling` does the work, in the
background.
"""

from __future__ import annotations

from bridge.callbacks.brakes import EmissionStatus
from bridge.callbacks.desk import (
    Accepted,
    CallbackService,
    Counts,
    KeptBack,
    NobodysTask,
    NoSuchSource,
    NoSuchTask,
    Shown,
    Taken,
)
from bridge.store.callbacks import Callback, CallbackFilter, CallbackState

__all__ = [
    "Accepted",
    "Callback",
    "CallbackFilter",
    "CallbackService",
    "CallbackState",
    "Counts",
    "EmissionStatus",
    "KeptBack",
    "NoSuchSource",
    "NoSuchTask",
    "NobodysTask",
    "Shown",
    "Taken",
]  # fmt: skip

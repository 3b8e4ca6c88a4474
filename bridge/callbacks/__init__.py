"""FLOW 3: tasks become calls. A customer's phone never rings twice for one task, nothing is forgotten, and what can't
be known is shown to a person.

`CallbackService` is what others ask: its `intake` takes tasks, its `queries` show, its `operator` confirms, cancels and
pauses. `Calling` does the work, in the background.
"""

from __future__ import annotations

from bridge.callbacks.brakes import EmissionStatus
from bridge.callbacks.callback_queries import Counts, KeptBack, Shown
from bridge.callbacks.service import CallbackService
from bridge.callbacks.task_intake import Accepted, IntakeCounts, NobodysTask, NoSuchSource, NoSuchTask, TaskIntake
from bridge.store.callbacks import Callback, CallbackFilter, CallbackState

__all__ = [
    "Accepted",
    "Callback",
    "CallbackFilter",
    "CallbackService",
    "CallbackState",
    "Counts",
    "EmissionStatus",
    "IntakeCounts",
    "KeptBack",
    "NoSuchSource",
    "NoSuchTask",
    "NobodysTask",
    "Shown",
    "TaskIntake",
]  # fmt: skip

"""What the rest of the bridge asks of callbacks."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from bridge.callbacks.callback_queries import CallbackQueries
from bridge.callbacks.missed import MissedCalls
from bridge.callbacks.operator_actions import OperatorActions
from bridge.callbacks.parts import Rulebook
from bridge.callbacks.reports import Reports
from bridge.callbacks.task_intake import TaskIntake
from bridge.config.model import Configuration
from bridge.queue.base import Queue
from bridge.store.database import Database


class CallbackService:
    """Callbacks on one database, for any process. `current` gives the newest configuration, `clock` the time, aware."""

    def __init__(
        self, database: Database, queue: Queue, current: Callable[[], Configuration], clock: Callable[[], datetime]
    ) -> None:
        self.book = Rulebook(current, clock)
        reports = Reports(database, queue, clock)
        self.missed = MissedCalls(database, queue, self.book, reports, clock)
        self.intake = TaskIntake(database, queue, self.book, reports, clock)
        self.queries = CallbackQueries(database, self.book, clock)
        self.operator = OperatorActions(database, queue, self.book, reports, self.missed, clock)

"""Answers of a CRM, kept for a while: fresh ones spare a question, stale ones serve in an outage."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from cachetools import LRUCache

from bridge.config.model import Cache
from connectors.base import LookupQuery, Record

_MOST = 50_000


@dataclass(frozen=True, slots=True)
class CachedAnswer:
    """What a CRM answered, and when, on the monotonic clock."""

    records: Sequence[Record]
    at: float


class AnswerCache:
    """The answers of one connector; beyond `most` the least recently used goes first. Safe with many threads."""

    def __init__(self, clock: Callable[[], float] = time.monotonic, most: int = _MOST) -> None:
        self._clock = clock
        self._answers: LRUCache[LookupQuery, CachedAnswer] = LRUCache(most)
        self._lock = threading.Lock()

    def keep(self, query: LookupQuery, records: Sequence[Record]) -> None:
        """Keep what was answered just now."""
        with self._lock:
            self._answers[query] = CachedAnswer(records, self._clock())

    def fresh(self, query: LookupQuery, rules: Cache | None) -> CachedAnswer | None:
        """Return an answer so new that the CRM need not be asked; that nothing was found has a time of its own."""
        answer = self._get(query, rules)
        if answer is None or rules is None:
            return None
        return answer if self.age(answer) < (rules.fresh if answer.records else rules.negative) else None

    def stale(self, query: LookupQuery, rules: Cache | None) -> CachedAnswer | None:
        """Return an answer that may serve while the CRM is away; that nothing was found never does."""
        answer = self._get(query, rules)
        if answer is None or rules is None:
            return None
        return answer if answer.records and self.age(answer) < rules.stale else None

    def age(self, answer: CachedAnswer) -> float:
        """Return how many seconds ago it came."""
        return self._clock() - answer.at

    def _get(self, query: LookupQuery, rules: Cache | None) -> CachedAnswer | None:
        if rules is None:
            return None
        with self._lock:
            return self._answers.get(query)

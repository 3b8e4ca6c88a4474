"""Answers are kept as long as the configuration says, and no longer."""

from __future__ import annotations

import pytest

from bridge.config.model import Cache
from bridge.lookups.cache import AnswerCache
from connectors.base import LookupQuery, Record

RULES = Cache.model_validate({"fresh": "30s", "negative": "5s", "stale": "24h"})
ANA = [Record("crm", "contact", "1", {"name": "Ana"})]


def query(key: str = "1") -> LookupQuery:
    return LookupQuery("contact", key=key)


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.mark.parametrize(("records", "lasts"), [(ANA, 30), ([], 5)])
def test_an_answer_is_fresh_for_its_time(records: list[Record], lasts: float) -> None:
    clock = Clock()
    cache = AnswerCache(clock)
    cache.keep(query(), records)
    clock.now += lasts - 0.1
    answer = cache.fresh(query(), RULES)
    assert answer is not None
    assert answer.records == records
    clock.now += 0.1
    assert cache.fresh(query(), RULES) is None


def test_only_what_was_found_serves_when_it_is_stale() -> None:
    clock = Clock()
    cache = AnswerCache(clock)
    cache.keep(query(), ANA)
    cache.keep(query("2"), [])
    clock.now += 3600
    answer = cache.stale(query(), RULES)
    assert answer is not None
    assert (answer.records, cache.age(answer)) == (ANA, 3600)
    assert cache.stale(query("2"), RULES) is None
    clock.now += 24 * 3600
    assert cache.stale(query(), RULES) is None


def test_without_rules_nothing_kept_is_used() -> None:
    cache = AnswerCache()
    cache.keep(query(), ANA)
    assert cache.fresh(query(), None) is None
    assert cache.stale(query(), None) is None


def test_the_least_recently_used_goes_first() -> None:
    cache = AnswerCache(most=2)
    for key in ("1", "2"):
        cache.keep(query(key), ANA)
    assert cache.fresh(query("1"), RULES)
    cache.keep(query("3"), ANA)
    assert [key for key in ("1", "2", "3") if cache.fresh(query(key), RULES)] == ["1", "3"]

"""Tasks, probing, threads and closing."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import pytest

from connectors.base import Connector, Deadline, Task, TaskOutcome
from connectors.phone import parse
from connectors.testing.fixtures import ContractFixtures, Seen, eventually, open_connector
from connectors.testing.harness import GENEROUS, Contact, Harness, Order


class UpkeepContract(ContractFixtures):
    """Tasks are read and told their outcome; the connector can be probed, shared by threads, and closed."""

    def test_tasks_are_listed_read_again_and_told_their_outcome_once(
        self, harness: Harness, opened: Callable[[], Connector]
    ) -> None:
        if not harness.can_task:
            pytest.skip("has no tasks")
        harness.load()
        first, second = harness.add_task("600112233"), harness.add_task("911222333")
        connector = opened()

        def listed() -> list[Task]:
            return list(connector.tasks(Deadline.after(GENEROUS)))

        eventually(lambda: {task.id for task in listed()} >= {first, second}, "both tasks")
        task = next(task for task in listed() if task.id == first)
        assert parse(str(task.fields["phone"]), "ES").e164 == "+34600112233"
        again = connector.read_task(task, Deadline.after(GENEROUS))
        assert again is not None
        assert again.id == first
        outcome = TaskOutcome("answered", "Contestada", datetime(2024, 5, 2, 10, tzinfo=UTC), idcall="9", seconds=35)
        connector.update_task(task, outcome, Deadline.after(GENEROUS))
        connector.update_task(task, outcome, Deadline.after(GENEROUS))
        assert len(harness.outcomes(first)) == 1
        assert list(harness.outcomes(second)) == []

    def test_probing_finds_nothing_wrong(self, harness: Harness, opened: Callable[[], Connector], seen: Seen) -> None:
        harness.load([Contact("Ana", "600112233")], [Order("1", "new")])
        findings = list(opened().probe(Deadline.after(GENEROUS)))
        seen.texts += [f"{finding.what} {finding.text}" for finding in findings]
        assert [finding for finding in findings if not finding.ok] == []

    def test_probing_an_absent_crm_is_a_finding(
        self, harness: Harness, opened: Callable[[], Connector], seen: Seen
    ) -> None:
        harness.load([Contact("Ana", "600112233")])
        harness.go_away()
        findings = list(opened().probe(Deadline.after(GENEROUS)))
        seen.texts += [f"{finding.what} {finding.text}" for finding in findings]
        assert any(not finding.ok and finding.text for finding in findings)

    def test_many_threads_find_at_once(self, harness: Harness, opened: Callable[[], Connector]) -> None:
        harness.load([Contact(f"Person {number}", f"6001122{number:02}") for number in range(20)])
        connector = opened()

        def name(number: int) -> object:
            [record] = self.by_phone(harness, connector, parse(f"6001122{number % 20:02}", "ES"))
            return record.fields["name"]

        with ThreadPoolExecutor(16) as pool:
            assert list(pool.map(name, range(100))) == [f"Person {number % 20}" for number in range(100)]

    def test_closing_leaves_no_thread_behind(self, harness: Harness, seen: Seen, tmp_path: Path) -> None:
        harness.load([Contact("Ana", "600112233")])
        before = set(threading.enumerate())
        connector = open_connector(harness, tmp_path, seen)
        self.by_phone(harness, connector, parse("600112233", "ES"))
        connector.close()
        eventually(lambda: not set(threading.enumerate()) - before, "the end of all threads")

"""What is written into real databases: once, however it ends."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from connectors.base import Context, Deadline, NewRecord, Rejected, Task, TaskOutcome, Unavailable
from connectors.testing import GENEROUS, activity, eventually
from tests.connectors.sql.case import section
from tests.connectors.sql.conftest import Shared
from tests.connectors.sql.opened import connector, folder_of
from tests.connectors.sql.servers import SqlServer

UNIQUE = {"insert": "INSERT INTO survey (bridge_key, phone, score) VALUES (:key, :phone, :score)"}


def test_without_find_a_unique_key_says_that_it_is_there(erp: SqlServer) -> None:
    with connector(erp, records={"survey": UNIQUE}) as opened:
        record = NewRecord("survey", "call-1", {"phone": "1", "score": "9"})
        first = opened.save(record, Deadline.after(GENEROUS))
        again = opened.save(record, Deadline.after(GENEROUS))
    assert (first.created, again.created, again.id) == (True, False, first.id)
    assert erp.run("SELECT bridge_key, score FROM survey") == [("call-1", "9")]


def test_a_unique_key_of_its_own_is_no_earlier_attempt(erp: SqlServer) -> None:
    """Somebody else's row that keeps ours out must not pass for ours."""
    erp.run("INSERT INTO orders (number, status) VALUES ('7', 'sent')")
    kinds = {"order": {"insert": "INSERT INTO orders (number, status) VALUES (:number, :key)",
                       "find": "SELECT number AS id FROM orders WHERE status = :key"}}  # fmt: skip
    with connector(erp, records=kinds) as opened, pytest.raises(Rejected):
        opened.save(NewRecord("order", "call-1", {"number": "7"}), Deadline.after(GENEROUS))
    assert erp.run("SELECT status FROM orders") == [("sent",)]


def test_what_does_not_fit_is_rejected_and_nothing_is_left_of_it(erp: SqlServer) -> None:
    kinds = {"call": {"insert": "INSERT INTO survey (bridge_key, score) VALUES (NULL, :score)"}}
    with connector(erp, records=kinds) as opened:
        with pytest.raises(Rejected):
            opened.save(NewRecord("call", "call-1", {"score": "9"}), Deadline.after(GENEROUS))
        assert erp.run("SELECT count(*) FROM survey") == [(0,)]


def test_hostile_values_are_kept_as_they_are(erp: SqlServer) -> None:
    values = ["'); DROP TABLE survey; --", "\\", "\\'", "%s %(x)s :key {{ 7*7 }}", "a\0b", "😀 ñ"]
    with connector(erp) as opened:
        for number, text in enumerate(values):
            opened.save(NewRecord("survey", f"call-{number}", {"phone": "", "score": text}), Deadline.after(GENEROUS))
    kept = [score for (score,) in erp.run("SELECT score FROM survey ORDER BY bridge_key")]
    assert kept == [text.replace("\0", "") for text in values]


def test_times_are_kept_by_the_line_s_clock(erp: SqlServer) -> None:
    with connector(erp, Context(folder=Path("/nowhere"), timezone="Europe/Madrid")) as opened:
        opened.log_activity(activity(start=datetime(2024, 5, 2, 10, 0, tzinfo=UTC)), Deadline.after(GENEROUS))
    assert str(erp.run("SELECT began FROM calls")[0][0]) == "2024-05-02 12:00:00"


def test_the_rule_s_fields_and_expressions_are_parameters(erp: SqlServer) -> None:
    calls = {
        "insert": "INSERT INTO calls (bridge_key, subject, note, seconds) VALUES (:key, :subject, :priority, :minutes)",
        "parameters": {"minutes": "{{ activity.seconds // 60 }}", "subject": "{{ caller.national }}"},
    }
    with connector(erp, activity=calls) as opened:
        opened.log_activity(activity(seconds=125, fields={"priority": "high"}), Deadline.after(GENEROUS))
    assert erp.run("SELECT subject, note, seconds FROM calls") == [("600112233", "high", 2)]


def test_an_insert_that_returns_its_id_needs_no_find_for_it(shared: Shared) -> None:
    erp = shared("postgresql")
    kinds = {"survey": {"insert": UNIQUE["insert"] + " RETURNING id"}}
    with connector(erp, records=kinds) as opened:
        written = opened.save(NewRecord("survey", "call-1", {"phone": "", "score": "1"}), Deadline.after(GENEROUS))
    assert erp.run("SELECT id FROM survey") == [(int(written.id or 0),)]


def test_a_correction_of_a_call_that_was_deleted_is_kept_as_new(erp: SqlServer) -> None:
    with connector(erp) as opened:
        first = opened.log_activity(activity(), Deadline.after(GENEROUS))
        erp.run("DELETE FROM calls")
        corrected = activity(subject="Corregida", revision=2, written_id=first.id)
        assert opened.log_activity(corrected, Deadline.after(GENEROUS)).created
    assert erp.run("SELECT subject FROM calls") == [("Corregida",)]


def test_tasks_have_moments_words_and_only_the_outcomes_that_are_wanted(erp: SqlServer) -> None:
    erp.run("INSERT INTO callbacks (phone, due) VALUES ('600112233', '2026-03-04 10:30:00')")
    tasks = {**section(erp)["tasks"], "statuses": {"answered": "hecha"}, "on": ["answered"]}
    with connector(erp, tasks=tasks) as opened:
        [task] = opened.tasks(Deadline.after(GENEROUS))
        due = task.fields["due"]
        assert isinstance(due, datetime)
        assert due.astimezone(UTC) == datetime(2026, 3, 4, 9, 30, tzinfo=UTC)
        claim = TaskOutcome("claimed", "Reclamada", datetime.now(UTC))
        opened.update_task(task, claim, Deadline.after(GENEROUS))
        assert erp.run("SELECT status FROM callbacks") == [("open",)]
        done = TaskOutcome("answered", "Contestada", datetime.now(UTC), "9", 0, 35)
        opened.update_task(task, done, Deadline.after(GENEROUS))
        assert erp.run("SELECT status, note FROM callbacks") == [("hecha", "Contestada")]
        assert opened.read_task(task, Deadline.after(GENEROUS)) is None
        assert opened.read_task(Task("no number", {}), Deadline.after(GENEROUS)) is None


def test_without_read_a_task_is_looked_for_in_the_list(erp: SqlServer) -> None:
    erp.run("INSERT INTO callbacks (phone) VALUES ('600112233')")
    tasks = {"select": "SELECT id, phone, '2026-03-04' AS due FROM callbacks WHERE status = 'open'"}
    with connector(erp, tasks=tasks) as opened:
        [task] = opened.tasks(Deadline.after(GENEROUS))
        assert task.fields["due"] == date(2026, 3, 4)
        assert opened.read_task(task, Deadline.after(GENEROUS)) == task
        erp.run("UPDATE callbacks SET status = 'closed'")
        assert opened.read_task(task, Deadline.after(GENEROUS)) is None


def test_a_time_that_can_not_be_read_is_said_once(erp: SqlServer, caplog: pytest.LogCaptureFixture) -> None:
    erp.run("INSERT INTO callbacks (phone, status) VALUES ('600112233', 'open')")
    tasks = {"select": "SELECT id, phone, 'soon' AS due FROM callbacks WHERE status = 'open'"}
    with connector(erp, tasks=tasks) as opened:
        for _ in range(3):
            [task] = opened.tasks(Deadline.after(GENEROUS))
            assert opened.read_task(task, Deadline.after(GENEROUS)) == task
    assert task.fields["due"] == "soon"
    assert caplog.text.count("is no time as tasks.dates says") == 1


def test_a_locked_table_is_an_outage_and_the_write_comes_later(shared: Shared) -> None:
    erp = shared("sqlite")
    blocker = erp.connect()
    blocker.execute("BEGIN IMMEDIATE")
    with connector(erp, timeout="2s") as opened:
        with pytest.raises(Unavailable):
            opened.log_activity(activity(), Deadline.after(GENEROUS))
        blocker.close()
        opened.log_activity(activity(attempt=2), Deadline.after(GENEROUS))
    assert len(erp.run("SELECT id FROM calls")) == 1


WRITER = """
import json, os, sys
from pathlib import Path
from connectors.base import Context, Deadline
from connectors.sql.connector import SqlConnector
from connectors.sql.options import SqlOptions
from connectors.testing import activity

section, folder = json.loads(sys.argv[1]), sys.argv[2]
for attempt in map(int, iter(sys.stdin.readline, "")):
    if os.fork():
        os.wait()
        continue
    opened = SqlConnector("erp", SqlOptions.model_validate(section), Context(folder=Path(folder)))
    print("ready", os.getpid(), flush=True)
    opened.log_activity(activity(attempt=attempt), Deadline.after(30))
    print("written", flush=True)
    opened.close()
    os._exit(0)
"""
"""Makes each attempt that it is told of in a process of its own, forked, since to load a connector takes longest."""


class _Writers:
    """Processes that write the same call into this database."""

    def __init__(self, erp: SqlServer) -> None:
        command = [sys.executable, "-c", WRITER, json.dumps(section(erp)), str(folder_of(erp))]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self._attempts = 0

    def begin(self) -> int:
        """Another attempt; the process that is about to write."""
        self._attempts += 1
        assert self._process.stdin is not None
        self._process.stdin.write(f"{self._attempts}\n")
        self._process.stdin.flush()
        while True:  # one that was killed may have written before
            said = self.said().split()
            if said[0] == "ready":
                return int(said[1])
            assert said == ["written"]

    def said(self) -> str:
        """The next line."""
        assert self._process.stdout is not None
        return self._process.stdout.readline()

    def __enter__(self) -> _Writers:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.communicate(timeout=GENEROUS * 2)


def test_a_process_killed_in_the_middle_of_an_insert_leaves_one_row_for_the_call(erp: SqlServer) -> None:
    """Killed at once, later, and after it was written, until an attempt lives to its end."""
    with _Writers(erp) as writers:
        for pause in (0.0, 0.002, 0.01, 0.03):
            writer = writers.begin()
            time.sleep(pause)
            with suppress(ProcessLookupError):  # it was faster
                os.kill(writer, signal.SIGKILL)
            assert len(erp.run("SELECT id FROM calls")) <= 1
        writers.begin()
        assert writers.said() == "written\n"
    assert erp.run("SELECT bridge_key FROM calls") == [("912345678:77:log",)]


def test_one_killed_while_its_insert_waits_for_a_lock_leaves_one_row(shared: Shared) -> None:
    """In the middle for certain: the insert is on the server, which is held up."""
    erp = shared("postgresql")
    waiting = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE 'INSERT%'"
    with _Writers(erp) as writers:
        with erp.connect() as blocker:
            blocker.execute("BEGIN; LOCK TABLE calls IN EXCLUSIVE MODE")
            writer = writers.begin()
            eventually(lambda: erp.run(waiting)[0][0], "that the insert waits")
            os.kill(writer, signal.SIGKILL)
            blocker.execute("ROLLBACK")
        writers.begin()
        assert writers.said() == "written\n"
    assert len(erp.run("SELECT id FROM calls")) == 1


@pytest.mark.parametrize("number", [10**30, float("inf"), float("nan")])
def test_a_number_that_the_column_cannot_hold_is_the_records_fault(erp: SqlServer, number: float) -> None:
    kinds = {"survey": {"insert": "INSERT INTO calls (bridge_key, seconds) VALUES (:key, :seconds)"}}
    with connector(erp, records=kinds) as opened:
        record = NewRecord("survey", "call-1", {"seconds": number})
        if erp.backend == "sqlite" and isinstance(number, float):  # its columns take anything
            assert opened.save(record, Deadline.after(GENEROUS)).created
        else:
            with pytest.raises(Rejected):
                opened.save(record, Deadline.after(GENEROUS))

"""A database that was restored from a backup rings nobody: lines are held, and what went out since may have rung."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import delete, insert, select

from bridge.callbacks import Callback, CallbackService, CallbackState
from bridge.callbacks.campaigns import Campaigns
from bridge.callbacks.fence import Behind, Fence
from bridge.callbacks.rowfile import RowFile
from bridge.config.load import load
from bridge.queue import queue_for
from bridge.simulator.emission import EmissionPlatform
from bridge.simulator.script import Reaction
from bridge.store import lineage
from bridge.store.database import Database
from bridge.store.emissions import Mode
from bridge.store.journal import Journal, JournalEntry
from bridge.store.privacy import forget
from bridge.store.schema import connect
from bridge.store.tables import callbacks, emission_states, meta
from connectors.base import Task
from tests.callbacks.world import LINE, MONDAY, World

FILES = ("bridge.db", "bridge.db-wal", "bridge.db-shm")


@contextmanager
def opened(folder: Path, platform: EmissionPlatform) -> Iterator[World]:
    """The bridge of this folder, until it is stopped."""
    here = World(folder, platform)
    try:
        yield here
    finally:
        here.close()


@pytest.fixture
def platform() -> Iterator[EmissionPlatform]:
    with EmissionPlatform({LINE: "3956"}) as running:
        yield running


def back_up(folder: Path, name: str = "backup.db") -> None:
    with closing(sqlite3.connect(folder / "bridge.db")) as database, closing(sqlite3.connect(folder / name)) as copy:
        database.backup(copy)


def restore(folder: Path, name: str = "backup.db") -> None:
    for file in FILES:
        (folder / file).unlink(missing_ok=True)
    (folder / name).rename(folder / "bridge.db")


def by_task(here: World) -> dict[str, Callback]:
    return {one.task_id: one for one in here.desk.queries.find(limit=100)}


def call(here: World, *tasks: str) -> None:
    for task in tasks:
        here.accept(task, f"6001112{task[1:]:>02}")
    here.work()


def held(here: World) -> bool:
    return [one.mode for one in here.desk.queries.lines()] == [Mode.HELD]


def test_after_a_restore_the_lines_are_held_and_nobody_is_rung_twice(
    tmp_path: Path, platform: EmissionPlatform
) -> None:
    with opened(tmp_path, platform) as here:
        call(here, "T1")
        here.desk.operator.pause_source("web")
        call(here, "T2", "T3")
        here.desk.operator.cancel(by_task(here)["T3"].id)
        call(here, "T5")
        back_up(tmp_path)
        here.desk.operator.resume_source("web")
        here.accept("T3", "600111303")  # it reopens what was cancelled
        call(here, "T4")
        assert len(platform.ledger.rung) == 5
    restore(tmp_path)
    with opened(tmp_path, platform) as here:
        line = here.desk.queries.lines()[0]
        assert (line.mode, line.restored) == (Mode.HELD, True)
        reason = "restored database: it lacks emissions made since its backup; 4 may have rung"
        assert reason in str(line.blocked_reason)
        found = by_task(here)
        states = {task: one.state.value for task, one in found.items()}
        assert states == {
            "T1": "accepted", "T2": "may_have_rung", "T3": "may_have_rung", "T5": "may_have_rung", "": "may_have_rung"
        }  # fmt: skip
        assert found["T2"].settled_at is None
        assert found["T2"].rung_at is not None
        assert found[""].settled_at is not None, "there is nothing to be done about one whose task nobody knows"
        here.desk.operator.resume_source("web")
        call(here, "T6")
        here.later(minutes=5)
        assert len(platform.ledger.rung) == 5
        again = here.accept("T4", "600111204")
        assert (again.state, again.number, again.settled_at) == (CallbackState.MAY_HAVE_RUNG, "+34600111204", None)
        here.desk.operator.resume_line(LINE)
        here.later(minutes=5)
        assert [one.number for one in platform.ledger.rung[5:]] == ["+34600111206"], "it never rang"
        here.calling.fence.look()
        assert not held(here)
        here.desk.operator.confirm(again.id, rang=False)
        here.later(minutes=5)
        assert [one.number for one in platform.ledger.rung[6:]] == ["+34600111204"], "a person said that it had not"
    with opened(tmp_path, platform) as here:
        assert not held(here)
        here.later(hours=1)
        assert len(platform.ledger.rung) == 7


def test_a_row_that_was_called_after_the_backup_is_of_its_campaign_again(
    tmp_path: Path, platform: EmissionPlatform
) -> None:
    file = tmp_path / "spring.csv"
    file.write_text("id,phone\n1,600111201\n", encoding="utf-8")

    def take(here: World) -> Campaigns:
        campaigns = Campaigns(here.database, here.queue, here.desk, here.clock)
        rows = RowFile(file, campaigns.rules("web"), "spring/", "en", MONDAY)
        campaigns.take(campaigns.begin("spring", "web", str(file)), rows, lambda _row: None, lambda _count: None)
        return campaigns

    with opened(tmp_path, platform) as here:
        back_up(tmp_path)
        take(here)
        here.work()
        assert len(platform.ledger.rung) == 1
    restore(tmp_path)
    with opened(tmp_path, platform) as here:
        campaigns = take(here)
        assert campaigns.progress("spring").states == {CallbackState.MAY_HAVE_RUNG: 1}
        here.desk.operator.resume_line(LINE)
        campaigns.cancel("spring")
        here.desk.operator.confirm(by_task(here)["spring/1"].id, rang=False)
        here.later(minutes=5)
        assert len(platform.ledger.rung) == 1
        assert by_task(here)["spring/1"].state is CallbackState.CANCELLED


def test_a_database_that_is_made_anew_is_behind_as_well(tmp_path: Path, platform: EmissionPlatform) -> None:
    with opened(tmp_path, platform) as here:
        call(here, "T1")
    for file in FILES:
        (tmp_path / file).unlink(missing_ok=True)
    with opened(tmp_path, platform) as here:
        assert held(here)
        here.desk.operator.resume_line(LINE)
        call(here, "T1", "T2")
        assert [one.number for one in platform.ledger.rung] == ["+34600111201", "+34600111202"]
        assert by_task(here)["T1"].state is CallbackState.MAY_HAVE_RUNG
    with opened(tmp_path, platform) as here:
        assert not held(here)


def test_what_certainly_rang_nobody_is_called_after_a_restore(tmp_path: Path, platform: EmissionPlatform) -> None:
    with opened(tmp_path, platform) as here:
        call(here, "T9")
        here.desk.operator.pause_source("web")
        call(here, "T1")
        back_up(tmp_path)
        platform.script.always(Reaction(result=-100))
        here.desk.operator.resume_source("web")
        here.work()
        assert by_task(here)["T1"].emissions > 0
        assert len(platform.ledger.rung) == 1
    restore(tmp_path)
    platform.script.always(Reaction())
    with opened(tmp_path, platform) as here:
        assert held(here)
        assert by_task(here)["T1"].state is CallbackState.WAITING


def test_a_bridge_of_the_version_before_starts_as_ever(tmp_path: Path, platform: EmissionPlatform) -> None:
    with opened(tmp_path, platform) as here:
        call(here, "T1")
        state = here.state
        with here.database.write() as connection:  # as a version without a journal left it
            connection.execute(delete(meta))
    for file in state.glob("emissions.db*"):
        file.unlink()
    with opened(tmp_path, platform) as here:
        assert not held(here)
        call(here, "T2")
        assert len(platform.ledger.rung) == 2


def test_a_state_folder_that_was_lost_counts_on_from_the_database(tmp_path: Path, platform: EmissionPlatform) -> None:
    with opened(tmp_path, platform) as here:
        call(here, "T1", "T2")
        state = here.state
    for file in state.glob("emissions.db*"):
        file.unlink()
    with opened(tmp_path, platform) as here:
        assert not held(here)
        back_up(tmp_path)
        call(here, "T3")
        assert len(platform.ledger.rung) == 3
    restore(tmp_path)
    with opened(tmp_path, platform) as here:
        assert held(here)


def test_a_process_killed_before_its_note_raises_no_alarm(tmp_path: Path, platform: EmissionPlatform) -> None:
    with opened(tmp_path, platform) as here:
        call(here, "T1")
        with here.database.write() as connection:
            lineage.count(connection, Journal(here.state).installation)
    with opened(tmp_path, platform) as here:
        assert not held(here)
        call(here, "T2")
        assert len(platform.ledger.rung) == 2
        assert not held(here)


@pytest.mark.acceptance
def test_without_its_note_nothing_is_sent_and_it_goes_on_by_itself(tmp_path: Path, platform: EmissionPlatform) -> None:
    with opened(tmp_path, platform) as here:
        call(here, "T1")
        with closing(sqlite3.connect(here.state / "emissions.db", isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            call(here, "T2")
            kept_back = by_task(here)["T2"]
            assert (kept_back.state, kept_back.rung_at) == (CallbackState.WAITING, None)
            assert "not sent: it can't be recorded" in kept_back.reason
            assert len(platform.ledger.rung) == 1
        here.later(minutes=5)
        assert [one.number for one in platform.ledger.rung] == ["+34600111201", "+34600111202"]
        assert not held(here)


def test_with_a_journal_that_cannot_be_read_nothing_is_sent(tmp_path: Path, platform: EmissionPlatform) -> None:
    with opened(tmp_path, platform) as here:
        state = here.state
        call(here, "T1")
    for file in state.glob("emissions.db*"):
        file.unlink()
    (state / "emissions.db").write_bytes(b"no database at all" * 100)
    with opened(tmp_path, platform) as here:
        call(here, "T2")
        kept_back = by_task(here)["T2"]
        assert (kept_back.state, kept_back.gate) == (CallbackState.WAITING, "state")
        assert "the journal of emissions can't be read: " in kept_back.reason
        (state / "emissions.db").unlink()
        here.later(minutes=5)
        assert len(platform.ledger.rung) == 2


def test_whose_data_is_erased_stays_erased_when_the_task_comes_again(
    tmp_path: Path, platform: EmissionPlatform
) -> None:
    with opened(tmp_path, platform) as here:
        back_up(tmp_path)
        call(here, "T1")
    restore(tmp_path)
    with opened(tmp_path, platform) as here:
        here.accept("T1", "600111201")
        assert forget(here.database, "+34600111201").callbacks == 1
        here.accept("T1", "600111201")
        assert by_task(here).keys() == {""}
        journal = (here.state / "emissions.db").read_bytes() + (here.state / "emissions.db-wal").read_bytes()
        assert b"600111201" not in journal


def test_the_journal_keeps_no_longer_than_the_database(tmp_path: Path, platform: EmissionPlatform) -> None:
    with opened(tmp_path, platform) as here:
        back_up(tmp_path)
        call(here, "T1")
        here.now += timedelta(days=91)
        call(here, "T2")
        here.calling.fence.prune()
    restore(tmp_path)
    with opened(tmp_path, platform) as here:
        assert held(here)
        assert len(here.desk.queries.find()) == 1


# several hosts


class Host:
    """A host of a bridge, with a state folder of its own, on a database that others share."""

    def __init__(self, database: Database, config: Path, folder: Path) -> None:
        folder.mkdir(exist_ok=True)
        configuration = load(config).configuration
        self.database, self.now = database, MONDAY
        self.desk = CallbackService(database, queue_for(database), lambda: configuration, lambda: self.now)
        self.journal = Journal(folder)
        self.fence = Fence(database, self.journal, self.desk.book, lambda: self.now)

    def emit(self, task: str) -> None:
        """As the sending of a callback does it."""
        accepted = self.desk.intake.accept("web", Task(task, {"id": task, "phone": "600111222"}))
        shown = self.desk.queries.show(accepted.id)
        assert shown is not None
        with self.database.write() as connection:
            emission = self.fence.count(connection, shown.callback, self.now)
        self.fence.note(emission)

    @property
    def held(self) -> bool:
        return [one.mode for one in self.desk.queries.lines()] == [Mode.HELD]


TABLES = (meta, callbacks, emission_states)


def kept(database: Database) -> list[list[dict[str, object]]]:
    with database.read() as connection:
        return [[dict(row._mapping) for row in connection.execute(select(table))] for table in TABLES]


def put_back(database: Database, rows: list[list[dict[str, object]]]) -> None:
    with database.write() as connection:
        for table, each in zip(TABLES, rows, strict=True):
            connection.execute(delete(table))
            if each:
                connection.execute(insert(table), each)


CONFIG = """
database: {database}
language: en
lines: [{{number: "912345678", password: "3956"}}]
callbacks: [{{name: web, token: 0123456789abcdefghijklmnop, line: "912345678", rule_group: callbacks, hours: always}}]
"""


@pytest.fixture
def hosts(tmp_path: Path, database_url: str) -> Iterator[tuple[Host, Host]]:
    config = tmp_path / "config.yaml"
    config.write_text(CONFIG.format(database=database_url), encoding="utf-8")
    databases = [connect(database_url), connect(database_url)]
    one, other = (Host(each, config, tmp_path / f"state{n}") for n, each in enumerate(databases))
    one.fence.look()
    other.fence.look()
    yield one, other
    for host in (one, other):
        host.journal.close()
        host.database.close()


def test_hosts_on_one_database_do_not_alarm_each_other(hosts: tuple[Host, Host]) -> None:
    one, other = hosts
    for n in range(5):
        one.emit(f"A{n}")
        other.fence.look()
        other.emit(f"B{n}")
        one.fence.look()
        other.fence.look()
    assert not one.held


def test_a_host_notices_what_another_emitted_since_the_backup(hosts: tuple[Host, Host]) -> None:
    one, other = hosts
    one.emit("A1")
    backup = kept(one.database)
    one.emit("A2")
    other.fence.look()
    put_back(one.database, backup)
    other.fence.look()  # the one that emitted is down
    assert other.held
    assert "0 may have rung" in other.desk.queries.lines()[0].reason, "what rang only the other can tell"
    other.desk.operator.resume_line(LINE)
    other.fence.look()
    assert not other.held
    one.fence.look()
    assert one.held
    other.desk.intake.accept("web", Task("A2", {"id": "A2", "phone": "600111222"}))
    found = {each.task_id: each.state.value for each in one.desk.queries.find()}
    assert found == {"A1": "waiting", "A2": "may_have_rung"}
    one.desk.operator.resume_line(LINE)
    for host in hosts:
        host.fence.look()
        host.emit("A3")
        host.fence.look()
    assert not one.held


def test_a_host_that_was_down_notices_though_others_have_emitted_more(hosts: tuple[Host, Host]) -> None:
    one, other = hosts
    backup = kept(one.database)
    one.emit("A1")
    put_back(one.database, backup)
    for n in range(9):
        other.emit(f"B{n}")
    other.fence.look()
    assert not other.held, "it never saw what is missing"
    one.fence.look()
    assert one.held


def test_a_restore_under_a_running_bridge_is_noticed_at_the_next_emission(hosts: tuple[Host, Host]) -> None:
    one, _ = hosts
    one.emit("A1")
    backup = kept(one.database)
    one.emit("A2")
    put_back(one.database, backup)
    with pytest.raises(Behind):
        one.emit("A3")
    one.fence.look()
    assert one.held


def test_two_databases_of_one_state_folder_are_not_compared(tmp_path: Path) -> None:
    config = tmp_path / "config.yaml"
    config.write_text(CONFIG.format(database="sqlite:///bridge.db"), encoding="utf-8")
    databases = [connect(f"sqlite:///{name}.db", tmp_path) for name in ("bridge", "test")]
    real, test = (Host(each, config, tmp_path / "state") for each in databases)
    real.fence.look()
    real.emit("A1")
    test.fence.look()
    assert test.held, "once: it is another database, which knows nothing of A1"
    test.desk.operator.resume_line(LINE)
    for host in (test, real, test, real):
        host.fence.look()
        host.emit("A2")
        host.fence.look()
        assert not host.held
        host.journal.close()
    for each in databases:
        each.close()


def test_two_bridges_that_share_a_state_folder_are_told(
    tmp_path: Path, platform: EmissionPlatform, caplog: pytest.LogCaptureFixture
) -> None:
    with opened(tmp_path, platform) as here:
        call(here, "T1")
        here.calling.fence.look()
        here.calling.fence.look()
        assert "another bridge" not in caplog.text
        with closing(Journal(here.state)) as other:
            other.add(JournalEntry("another", 1, "web", "web", "k", LINE, MONDAY))
            here.calling.fence.look()
            assert caplog.text.count("another bridge, with another database") == 1
            here.calling.fence.look()
            assert caplog.text.count("another bridge, with another database") == 1
            assert not held(here)


def test_a_state_folder_that_is_deleted_while_the_bridge_runs_keeps_no_emission_from_the_journal(
    tmp_path: Path, platform: EmissionPlatform
) -> None:
    with opened(tmp_path, platform) as here:
        call(here, "T1")
        here.desk.operator.pause_source("web")
        call(here, "T2")
        back_up(tmp_path)
        shutil.rmtree(here.state)
        here.desk.operator.resume_source("web")
        here.work()
        assert len(platform.ledger.rung) == 1, "an emission that can't be noted is none"
        here.state.mkdir(mode=0o700)
        here.calling.look()
        here.later(minutes=5)
        assert len(platform.ledger.rung) == 2
    restore(tmp_path)
    with opened(tmp_path, platform) as here:
        assert held(here)
        here.desk.operator.resume_source("web")
        here.later(minutes=5)
        assert len(platform.ledger.rung) == 2

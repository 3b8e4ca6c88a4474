from __future__ import annotations

import logging
import sqlite3
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import func, select, text

from bridge.errors import ProtocolError, StoreUnavailable
from bridge.intake.inbox import Inbox
from bridge.queue import queue_for
from bridge.queue.base import Queue
from bridge.store import deliveries, events, tables
from bridge.store.database import Database
from bridge.store.deliveries import DeliveryFilter
from bridge.store.schema import connect
from bridge.store.tables import pokes
from tests.disk import fill, small_disk
from tests.nobody import give, own_folder, without_rights
from tests.store.children import child, first_line
from tests.store.made import LINE, arrival, delivery
from tests.waiting import until


@pytest.fixture
def inbox(database: Database, queue: Queue) -> Iterator[Inbox]:
    inbox = Inbox(database, queue, patience=120)  # a busy machine takes its time
    yield inbox
    inbox.close()


def _woken(database: Database) -> list[tuple[str, str]]:
    with database.read() as connection:
        if not database.postgresql:
            return sorted((kind, key) for kind, key in connection.execute(select(pokes.c.kind, pokes.c.key)))
        jobs = connection.execute(text("SELECT args->>'kind', args->>'key' FROM procrastinate_jobs"))
        return sorted((kind, key) for kind, key in jobs)


def _count(database: Database) -> int:
    with database.read() as connection:
        return connection.execute(select(func.count()).select_from(tables.events)).scalar_one()


def test_an_event_is_stored_as_it_came_and_its_call_is_woken(database: Database, inbox: Inbox) -> None:
    came = arrival("98565656", "inicio", '{"ñ": 1}', panel={"uuid": "u-1"}, diverted_to="+34911000001")
    kept = inbox.keep(came)
    with database.read() as connection:
        [stored] = events.of_call(connection, LINE, "98565656")
    assert kept.new
    assert kept.id == stored.id
    for name in came.__dataclass_fields__:
        assert getattr(stored, name) == getattr(came, name)
    assert not stored.folded
    assert _woken(database) == [("advance", f"{LINE}:98565656")]


def test_a_repeated_event_is_acknowledged_and_changes_nothing(database: Database, inbox: Inbox) -> None:
    first = inbox.keep(arrival("1"))
    again = inbox.keep(arrival("1", document={"other": "things"}))
    assert (again.new, again.id) == (False, first.id)
    assert _count(database) == 1
    assert _woken(database) == [("advance", f"{LINE}:1")]


@pytest.mark.parametrize(
    "other",
    [
        arrival("2"),
        arrival("1", "inicio"),
        arrival("1", text="a corrected document"),
        arrival("1", diverted_to="101"),
    ],
)  # fmt: skip
def test_what_differs_in_anything_that_identifies_an_event_is_another_event(
    database: Database, inbox: Inbox, other: events.Arrival
) -> None:
    inbox.keep(arrival("1"))
    assert inbox.keep(other).new
    assert _count(database) == 2


def test_of_the_same_event_many_times_at_once_one_is_new(database: Database, inbox: Inbox) -> None:
    with ThreadPoolExecutor(32) as pool:
        kept = list(pool.map(inbox.keep, [arrival("1")] * 64 + [arrival("2")] * 64))
    assert sum(each.new for each in kept) == 2
    assert len({each.id for each in kept}) == 2
    assert _count(database) == 2


def test_two_inboxes_that_are_told_the_same_do_not_get_in_each_others_way(database: Database, queue: Queue) -> None:
    inboxes = [Inbox(database, queue, patience=120), Inbox(database, queue, patience=120)]
    told = [arrival(str(number)) for number in range(200)]
    with ThreadPoolExecutor(64) as pool:
        first = pool.map(inboxes[0].keep, told)
        second = pool.map(inboxes[1].keep, told[::-1])
        new = sum(each.new for each in [*first, *second])
    for each in inboxes:
        each.close()
    assert new == 200
    assert _count(database) == 200


def test_a_saved_record_is_kept_once_and_its_delivery_woken(database: Database, inbox: Inbox) -> None:
    first = inbox.save(delivery("912345678:1:ENCUESTA", kind="save"))
    again = inbox.save(delivery("912345678:1:ENCUESTA", kind="save"))
    assert first.new
    assert (again.new, again.id) == (False, first.id)
    assert _woken(database) == [("deliver", str(first.id))]
    with database.read() as connection:
        assert [each.key for each in deliveries.find(connection, DeliveryFilter())] == ["912345678:1:ENCUESTA"]


def test_one_that_the_database_refuses_does_not_fail_its_neighbours(
    database: Database, inbox: Inbox, caplog: pytest.LogCaptureFixture
) -> None:
    bad = arrival("bad", document={"not": object()})
    told = [arrival(str(number)) for number in range(20)]
    with ThreadPoolExecutor(21) as pool, caplog.at_level(logging.CRITICAL, "bridge"):
        results = [pool.submit(inbox.keep, each) for each in [*told[:10], bad, *told[10:]]]
        with pytest.raises(StoreUnavailable, match=f"event fin of call {LINE}:bad"):
            results.pop(10).result()
        assert all(each.result().new for each in results)
    assert _count(database) == 20


def test_an_identifier_of_a_size_that_no_platform_sends_is_refused() -> None:
    with pytest.raises(ProtocolError, match="CallSequence has 300 characters"):
        arrival("9" * 300)


def test_what_fails_leaves_neither_event_nor_wakeup(database: Database, queue: Queue) -> None:
    class Failing(type(queue)):  # type: ignore[misc]  # the queue of either database
        def wake_all(self, *_: object) -> None:
            raise StoreUnavailable("no")

    inbox = Inbox(database, Failing(database))
    with pytest.raises(StoreUnavailable):
        inbox.keep(arrival("1"))
    inbox.close()
    assert _count(database) == 0


def test_after_closing_nothing_is_taken(inbox: Inbox) -> None:
    inbox.close()
    with pytest.raises(StoreUnavailable, match="stopping"):
        inbox.keep(arrival("1"))


def test_everything_acknowledged_is_there_after_kill_9_in_the_middle_of_commits(database_url: str) -> None:
    acknowledged: set[str] = set()
    for turn in range(3):
        with child("keep", database_url, str(turn)) as process:
            assert process.stdout
            for _ in range(150):
                acknowledged.add(process.stdout.readline().strip())
            process.kill()
            acknowledged |= {line.strip() for line in process.stdout if line.endswith("\n")}
    database = connect(database_url)
    with database.read() as connection:
        stored = set(connection.execute(select(tables.events.c.call_sequence)).scalars())
        woken = {key.partition(":")[2] for _, key in _woken(database)}
    database.close()
    assert len(acknowledged) >= 450
    assert acknowledged <= stored
    assert stored == woken


def test_two_processes_write_one_sqlite_file_side_by_side(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/bridge.db"
    with child("keep", url, "a") as one, child("keep", url, "b") as two:
        for process in (one, two):
            assert process.stdout
            for _ in range(300):
                assert process.stdout.readline()


def test_a_file_that_a_foreign_program_holds_is_said_to_be_held(tmp_path: Path) -> None:
    database = connect(f"sqlite:///{tmp_path}/bridge.db", patience=0.2)
    inbox = Inbox(database, queue_for(database))
    with child("foreign", str(tmp_path / "bridge.db")) as other:
        assert first_line(other) == "held"
        with pytest.raises(StoreUnavailable, match="another program holds the database"):
            inbox.keep(arrival("1"))
        other.kill()
        other.wait(30)
        assert inbox.keep(arrival("1")).new
    inbox.close()
    database.close()


def _keep_many(inbox: Inbox) -> None:
    for number in range(100):
        inbox.keep(arrival(f"full-{number}", text="x" * 4096))


def test_on_a_full_disk_nothing_is_acknowledged_and_all_goes_on_when_there_is_room(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", "1m") as disk:
        database = connect(f"sqlite:///{disk}/bridge.db")
        inbox = Inbox(database, queue_for(database))
        assert inbox.keep(arrival("first")).new
        filler = fill(disk)
        with pytest.raises(StoreUnavailable, match="the disk is full; make room"):
            _keep_many(inbox)
        stored = _count(database)
        filler.unlink()
        assert inbox.keep(arrival("last")).new
        assert _count(database) == stored + 1
        inbox.close()
        database.close()


def test_a_file_that_may_not_be_written_says_so() -> None:
    with own_folder() as folder:
        for event, mode in (("first", 0o600), ("second", 0o400)):
            connect(f"sqlite:///{folder}/bridge.db").close()
            for path in folder.iterdir():
                give(path)
            (folder / "bridge.db").chmod(mode)
            with without_rights(), closing(connect(f"sqlite:///{folder}/bridge.db")) as database:
                inbox = Inbox(database, queue_for(database))
                with closing(inbox):
                    if mode == 0o600:
                        assert inbox.keep(arrival(event)).new
                        continue
                    with pytest.raises(StoreUnavailable, match="bridge's user"):
                        inbox.keep(arrival(event))


def test_a_backup_taken_while_events_come_in_is_whole(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/bridge.db"
    database = connect(url)
    with child("keep", url, "x") as writer:
        assert writer.stdout
        before = [writer.stdout.readline().strip() for _ in range(200)]
        source, target = sqlite3.connect(tmp_path / "bridge.db"), sqlite3.connect(tmp_path / "backup.db")
        source.backup(target, pages=5)
        source.close()
        target.close()
        until(lambda: writer.stdout and writer.stdout.readline())
    database.close()
    restored = connect(f"sqlite:///{tmp_path}/backup.db")
    with restored.read() as connection:
        assert connection.execute(text("PRAGMA integrity_check")).scalar() == "ok"
        stored = set(connection.execute(select(tables.events.c.call_sequence)).scalars())
    restored.close()
    assert set(before) <= stored


def test_no_personal_data_is_in_what_a_driver_error_says(
    database: Database, inbox: Inbox, caplog: pytest.LogCaptureFixture
) -> None:
    with pytest.raises(StoreUnavailable):
        inbox.keep(
            arrival("1", "e" * 40 if database.postgresql else "fin", document={"phone": "600111222", "not": object()})
        )
    assert "600111222" not in caplog.text

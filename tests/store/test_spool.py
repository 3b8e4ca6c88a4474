from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psycopg
import pytest

from bridge.errors import StoreUnavailable
from bridge.intake.inbox import Inbox
from bridge.queue import queue_for
from bridge.store import events
from bridge.store.database import Database, unprepared
from bridge.store.events import Arrival
from bridge.store.oppositions import NewOpposition, new_reference
from bridge.store.schema import connect
from bridge.store.spool import Item, Spool
from tests.fakes.proxy import Proxy
from tests.store.children import child
from tests.store.made import LINE, NOW, SOMEONE, arrival, delivery
from tests.waiting import until


@pytest.fixture
def spool(tmp_path: Path) -> Iterator[Spool]:
    spool = Spool(tmp_path / "spool.db")
    yield spool
    spool.close()


@pytest.fixture
def database(postgres_url: str, proxy: Proxy) -> Iterator[Database]:
    database = connect(postgres_url.replace(":5432", f":{proxy.port}"), pool=1, patience=10)
    yield database
    database.close()


@pytest.fixture
def inbox(database: Database, spool: Spool) -> Iterator[Inbox]:
    inbox = Inbox(database, queue_for(database), spool=spool, patience=120, hanging=60)  # a busy machine hangs, too
    yield inbox
    inbox.close()


def _stored(postgres_url: str) -> list[str]:
    with psycopg.connect(postgres_url) as server:
        rows = server.execute("SELECT call_sequence FROM events ORDER BY id").fetchall()
    return [row[0] for row in rows]


def _woken(postgres_url: str) -> set[str]:
    with psycopg.connect(postgres_url) as server:
        return {row[0] for row in server.execute("SELECT args->>'key' FROM procrastinate_jobs").fetchall()}


def test_oppositions_leave_the_spool_before_whatever_else_came_earlier(spool: Spool) -> None:
    spool.append([arrival(str(number)) for number in range(3)])
    new = NewOpposition(SOMEONE, new_reference(), NOW, "query BAJA")
    spool.append([new])
    lots: list[Sequence[Item]] = []

    def take_over(items: Sequence[Item]) -> list[str]:
        lots.append(items)
        return [""] * len(items)

    while spool.move(take_over, most=2):
        pass
    assert [len(lot) for lot in lots] == [2, 2]
    first = lots[0][0]
    assert isinstance(first, NewOpposition)
    assert first.reference == new.reference
    assert [item.call_sequence for lot in lots for item in lot if isinstance(item, Arrival)] == ["0", "1", "2"]
    assert spool.count() == 0


def test_while_postgresql_is_away_events_go_to_the_spool_and_come_over_when_it_is_back(
    postgres_url: str, proxy: Proxy, inbox: Inbox, spool: Spool
) -> None:
    inbox.keep(arrival("before"))
    assert not inbox.spooling
    proxy.away()
    away = [f"away-{number}" for number in range(40)]
    with ThreadPoolExecutor(8) as pool:
        kept = list(pool.map(inbox.keep, map(arrival, away)))
    inbox.save(delivery("saved"))
    assert inbox.spooling
    assert {each.id for each in kept} == {None}
    assert spool.count() == 41
    proxy.back()
    until(lambda: not inbox.spooling)
    kept_after = inbox.keep(arrival("after"))
    assert kept_after.id is not None
    assert spool.count() == 0
    stored = _stored(postgres_url)
    assert (stored[0], stored[-1]) == ("before", "after")
    assert sorted(stored[1:-1]) == sorted(away)
    assert {f"{LINE}:{call}" for call in stored} < _woken(postgres_url)


def test_who_opposes_while_postgresql_is_away_hears_a_reference_that_holds(
    postgres_url: str, proxy: Proxy, inbox: Inbox, spool: Spool
) -> None:
    def opposes(number: str) -> str:
        return inbox.save(NewOpposition(number, new_reference(), NOW, "query BAJA")).reference

    first = opposes(SOMEONE)
    assert opposes(SOMEONE) == first
    proxy.away()
    told, other = opposes(SOMEONE), opposes("+34600999888")
    assert inbox.spooling
    assert spool.count() == 2
    proxy.back()
    until(lambda: not inbox.spooling)
    assert opposes(SOMEONE) == first
    with psycopg.connect(postgres_url) as server:
        rows = server.execute("SELECT number, reference FROM oppositions ORDER BY id").fetchall()
    assert rows == [(SOMEONE, first), (SOMEONE, told), ("+34600999888", other)]


def test_the_order_of_a_calls_events_is_kept(postgres_url: str, proxy: Proxy, inbox: Inbox) -> None:
    proxy.away()
    for number in range(10):
        inbox.keep(arrival("1", text=str(number)))
    proxy.back()
    for number in range(10, 20):
        inbox.keep(arrival("1", text=str(number)))
    until(lambda: not inbox.spooling)
    with psycopg.connect(postgres_url) as server:
        said = [row[0] for row in server.execute("SELECT raw FROM events ORDER BY id").fetchall()]
    assert said == [str(number) for number in range(20)]


def test_a_server_that_swallows_everything_is_broken_off(
    postgres_url: str, proxy: Proxy, database: Database, inbox: Inbox, spool: Spool
) -> None:
    # Several, so that every connection of the pool is open and none has to be made (which has a timeout of its own).
    before = [f"before-{number}" for number in range(4)]
    for call in before:
        inbox.keep(arrival(call))
    proxy.swallow()
    hasty = Inbox(database, queue_for(database), spool=spool, patience=120, hanging=0.5)
    assert hasty.keep(arrival("swallowed")).id is None
    assert spool.count() == 1
    proxy.away()
    proxy.back()
    until(lambda: not hasty.spooling)
    hasty.close()
    assert _stored(postgres_url) == [*before, "swallowed"]


def test_one_that_was_committed_although_the_line_broke_comes_over_once(
    postgres_url: str, database: Database, inbox: Inbox, spool: Spool
) -> None:
    inbox.keep(arrival("1"))
    spool.append([arrival("1"), arrival("1"), arrival("2")])
    twice = Inbox(database, queue_for(database), spool=spool)
    until(lambda: not twice.spooling)
    twice.close()
    assert _stored(postgres_url) == ["1", "2"]


def test_what_a_killed_process_left_in_the_spool_is_moved_by_the_next_one(
    postgres_url: str, tmp_path: Path, proxy: Proxy
) -> None:
    url = postgres_url.replace(":5432", f":{proxy.port}")
    acknowledged = set()
    with child("keep", url, "x", str(tmp_path / "spool.db")) as process:
        assert process.stdout
        acknowledged |= {process.stdout.readline().strip() for _ in range(50)}
        proxy.away()
        acknowledged |= {process.stdout.readline().strip() for _ in range(200)}
        process.kill()
        acknowledged |= {line.strip() for line in process.stdout if line.endswith("\n")}
    spool = Spool(tmp_path / "spool.db")
    assert spool.count() > 0
    database = connect(postgres_url)
    inbox = Inbox(database, queue_for(database), spool=spool)
    until(lambda: not inbox.spooling)
    inbox.close()
    database.close()
    spool.close()
    assert acknowledged <= set(_stored(postgres_url))


def test_with_the_spool_away_too_nothing_is_acknowledged(
    proxy: Proxy, inbox: Inbox, spool: Spool, tmp_path: Path
) -> None:
    proxy.away()
    spool.close()
    (tmp_path / "spool.db").unlink()
    (tmp_path / "spool.db").mkdir()
    with pytest.raises(StoreUnavailable):
        inbox.keep(arrival("1"))


def test_a_server_that_was_away_at_the_start_gets_its_tables_when_it_comes(
    empty_postgres_url: str, proxy: Proxy, spool: Spool
) -> None:
    proxy.away()
    database = unprepared(empty_postgres_url.replace(":5432", f":{proxy.port}"), pool=1, patience=10)
    inbox = Inbox(database, queue_for(database), spool=spool)
    assert inbox.keep(arrival("1")).id is None
    proxy.back()
    until(lambda: not inbox.spooling)
    inbox.close()
    database.close()
    assert _stored(empty_postgres_url) == ["1"]


def test_what_the_database_refuses_stays_in_the_spool_and_holds_up_nothing(spool: Spool) -> None:
    spool.append([arrival("1"), arrival("2"), arrival("3")])
    moved: list[str] = []

    def take_over(items: Sequence[Item]) -> list[str]:
        calls = [item.call_sequence for item in items if isinstance(item, events.Arrival)]
        moved.extend(calls)
        return ["no such thing" if call == "2" else "" for call in calls]

    while spool.move(take_over, most=1):
        pass
    assert moved == ["1", "2", "3"]
    assert spool.empty()
    assert spool.count() == 1


def test_what_is_not_taken_over_stays(spool: Spool) -> None:
    def away(_: Sequence[Item]) -> list[str]:
        raise StoreUnavailable("away")

    spool.append([arrival("1", panel={"uuid": "u"}), delivery("2")])
    with pytest.raises(StoreUnavailable):
        spool.move(away)
    came: list[Item] = []

    def take(items: Sequence[Item]) -> list[str]:
        came.extend(items)
        return [""] * len(items)

    assert spool.move(take) == 2
    assert came == [arrival("1", panel={"uuid": "u"}), delivery("2")]


def test_one_process_moves_at_a_time(spool: Spool, tmp_path: Path) -> None:
    other = Spool(tmp_path / "spool.db")
    spool.append([arrival("1")])
    inside, go_on = threading.Event(), threading.Event()

    def slow(items: Sequence[Item]) -> list[str]:
        inside.set()
        go_on.wait(30)
        return [""] * len(items)

    with ThreadPoolExecutor(1) as pool:
        moving = pool.submit(spool.move, slow)
        assert inside.wait(30)
        assert other.move(lambda _: pytest.fail("both move")) == 0
        go_on.set()
        assert moving.result() == 1
    other.close()


def test_a_persons_rows_can_be_shown_and_erased(spool: Spool) -> None:
    spool.append([arrival("1"), arrival("2", e164="+34600999888")])
    assert [each["call_sequence"] for each in spool.person(SOMEONE)] == ["1"]
    assert spool.forget(SOMEONE) == 1
    assert spool.person(SOMEONE) == []
    assert spool.count() == 1

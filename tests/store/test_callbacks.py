from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import event, insert

from bridge.store import callbacks, callbacktasks, emissions, ringing
from bridge.store.callbacks import CallbackFilter, CallbackState, Change, key_of
from bridge.store.database import Database
from bridge.store.tables import callbacks as stored

NOW = datetime(2026, 11, 23, 11, tzinfo=UTC)
WAITING, QUEUED = CallbackState.WAITING, CallbackState.QUEUED


def row(task: str, source: str = "crm", **values: Any) -> dict[str, Any]:
    return {
        "source": source, "task_key": key_of(task), "task_id": task, "state": WAITING.value, "task": {},
        "next_at": NOW, "created_at": NOW, "updated_at": NOW, "seen_at": NOW, **values,
    }  # fmt: skip


def test_a_task_is_there_once_for_each_source_and_in_its_order(database: Database) -> None:
    with database.write() as connection:
        first = callbacktasks.add(database, connection, [row(f"T{n}") for n in range(300)])
        again = callbacktasks.add(database, connection, [row("T1"), row("T1", "web"), row("T300")])
    assert [first[key_of(f"T{n}")] for n in range(300)] == sorted(first.values())
    assert set(again) == {key_of("T1"), key_of("T300")}
    with database.read() as connection:
        assert len(callbacks.find(connection, CallbackFilter(), 1000)) == 302
        assert [one.task_id for one in callbacks.due(connection, ["crm"], NOW, 3)] == ["T0", "T1", "T2"]
        assert callbacks.due(connection, ["crm"], NOW - timedelta(seconds=1), 3) == []


def test_of_many_who_make_the_same_transition_at_once_one_does(database: Database) -> None:
    with database.write() as connection:
        (id_,) = callbacktasks.add(database, connection, [row("T1")]).values()

    def turn(_number: int) -> bool:
        with database.write() as connection:
            change = Change(frozenset({WAITING}), {"state": QUEUED.value})
            return callbacks.change(connection, id_, change, NOW)

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(turn, range(16))) == 1
    with database.read() as connection:
        stored = callbacks.get(connection, id_)
    assert stored is not None
    assert (stored.state, stored.version) == (QUEUED, 1)


def test_a_transition_in_anothers_name_is_not_made(database: Database) -> None:
    with database.write() as connection:
        (id_,) = callbacktasks.add(database, connection, [row("T1", owner="one")]).values()
        change = Change(frozenset({WAITING}), {"reason": "mine"})
        assert not callbacks.change(connection, id_, change, NOW, owner="other")
        assert callbacks.change(connection, id_, change, NOW, owner="one")


def test_a_standing_is_kept_and_given_out_to_one_at_a_time(database: Database) -> None:
    def slot(_number: int) -> None:
        with database.write() as connection:
            state = emissions.held(database, connection, "line", "912345678")
            emissions.save(connection, "line", "912345678", {"delay": state.delay + 1})

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(slot, range(24)))
    with database.read() as connection:
        assert emissions.get(connection, "line", "912345678").delay == 24
        assert emissions.all_of(connection, "source") == {}


def test_those_at_work_are_counted_by_an_index(database: Database) -> None:
    states = ["queued", "queued", "sending", "accepted", "accepted", "waiting", "answered"]
    rows = [row(str(number), line="line", state=state, rung_at=None) for number, state in enumerate(states)]
    rows[3]["rung_at"], rows[4]["rung_at"] = NOW - timedelta(seconds=1), NOW + timedelta(hours=1)
    with database.write() as connection:
        for one in rows:
            connection.execute(insert(stored).values(one))
        assert ringing.queued(connection, "line") == 2
        assert ringing.under_way(connection, "line", NOW) == 4, "one is to be made in an hour"
        if not database.postgresql:  # which decides by what is in the table
            plan: list[str] = []

            def note(driver: Any, _cursor: Any, statement: str, values: Any, *_: Any) -> None:
                plan.extend(str(line) for line in driver.connection.execute(f"EXPLAIN QUERY PLAN {statement}", values))

            event.listen(connection, "before_cursor_execute", note)
            ringing.queued(connection, "line")
            ringing.under_way(connection, "line", NOW)
            assert len(plan) == 2
            assert all("INDEX ix_callbacks_at_work" in line for line in plan)

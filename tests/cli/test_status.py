"""`status`: whoever knows nothing of the bridge learns what is wrong, and what to do."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from bridge.store import callbacktasks, emissions, overview
from bridge.store.callbacks import CallbackState
from bridge.store.database import Database
from bridge.store.emissions import Kind
from bridge.store.schema import connect
from bridge.store.spool import Spool
from bridge.store.tables import meta
from connectors.base import Ambiguous, Misconfigured, Unavailable
from connectors.rest.answers import SignInRefused
from tests.cli.conftest import CONFIGURATION, Run
from tests.databases import sqlite_with_tables
from tests.fakes.connector import Handheld
from tests.fakes.exchange import Exchange, arrival, final
from tests.store.made import arrival as plain_arrival


@pytest.fixture
def config(config: Path) -> Path:
    config.write_text(f"language: en\n{config.read_text('utf-8')}", encoding="utf-8")
    return config


@pytest.fixture
def database(config: Path) -> Any:
    sqlite_with_tables(config.parent / "bridge.db")
    database = connect("sqlite:///bridge.db", config.parent)
    yield database
    database.close()


def troubles(run: Run) -> dict[str, dict[str, Any]]:
    """By id; each is whole, the worst come first, and the exit code fits."""
    said = run("status", "--json")
    found = json.loads(said.out)
    assert found.keys() == {"troubles", "lines", "jobs", "callbacks"}
    listed = found["troubles"]
    assert said.code == int(any(one["severity"] == "error" for one in listed))
    assert [one["severity"] for one in listed] == sorted(one["severity"] for one in listed)
    for one in listed:
        assert one.keys() == {"id", "severity", "since", "count", "text", "action"}
        assert datetime.fromisoformat(one["since"]).tzinfo is not None
        assert one["count"] >= 1
        assert one["text"]
        assert one["action"]
    return {one["id"]: one for one in listed}


def standing(database: Database, kind: Kind, name: str, **values: Any) -> None:
    with database.write() as connection:
        emissions.held(database, connection, kind, name)
        emissions.save(connection, kind, name, values)


def failed(exchange: Exchange, crm: Handheld, call: str, error: Exception) -> None:
    """An activity that met this error, just now."""
    exchange.now = datetime.now(UTC)
    exchange.tell(arrival("fin", final(call_sequence=call), exchange.now))
    crm.refuse = error
    exchange.work()
    crm.refuse = None


def test_before_the_first_serve_there_is_nothing_yet(run: Run) -> None:
    said = run("status")
    assert said.code == 0
    assert "nothing needs you" in said.out
    assert "`infocaller-bridge serve` makes it" in said.out
    assert json.loads(run("status", "--json").out) == {"troubles": [], "lines": [], "jobs": {}, "callbacks": {}}


def test_a_bridge_that_is_well_needs_nobody(run: Run, database: Database) -> None:
    said = run("status")
    assert said.code == 0
    assert said.out.splitlines()[0] == "nothing needs you"
    assert "line 912345678: emits, 0 calls emitted today" in said.out
    assert "jobs: 0 on their way to the CRMs; 0 dead" in said.out
    assert troubles(run) == {}


def test_why_the_activities_are_missing(run: Run, exchange: Exchange, crm: Handheld) -> None:
    failed(exchange, crm, "1", Misconfigured("crm: 401 Unauthorized: the key of +34600111222 expired"))
    failed(exchange, crm, "2", Misconfigured("crm: 401 Unauthorized: the key expired"))
    (found,) = troubles(run).values()
    assert (found["id"], found["severity"], found["count"]) == ("crm:crm", "error", 2)
    assert "2 records wait for the CRM crm, which refuses" in found["text"]
    assert "401 Unauthorized: the key" in found["text"]
    assert "600111222" not in found["text"]
    assert "infocaller-bridge check --connect" in found["action"]
    said = run("status").out
    assert said.startswith("ERROR    crm:crm  since 20")
    assert "2 times): 2 records wait" in said
    assert "\n         → Mend what it names in connector crm" in said


def test_a_crm_that_refuses_the_sign_in_is_no_crm_that_is_away(run: Run, exchange: Exchange, crm: Handheld) -> None:
    failed(exchange, crm, "1", SignInRefused("crm: 401 Unauthorized: the key expired"))
    (found,) = troubles(run).values()
    assert (found["id"], found["severity"], found["count"]) == ("crm:crm", "error", 1)
    assert "1 record waits for the CRM crm, which refuses" in found["text"]


def test_a_crm_that_is_away_is_a_warning_once_it_is_no_blip(run: Run, exchange: Exchange, crm: Handheld) -> None:
    failed(exchange, crm, "1", Unavailable("crm does not answer"))
    assert troubles(run) == {}
    exchange.now += timedelta(seconds=10)
    crm.refuse = Unavailable("crm: connection refused")
    exchange.work()
    found = troubles(run)["crm:crm"]
    assert (found["severity"], found["count"]) == ("warning", 1)
    assert "connection refused" in found["text"]


def test_dead_jobs(run: Run, exchange: Exchange, crm: Handheld) -> None:
    failed(exchange, crm, "1", Ambiguous("it may have been written"))
    found = troubles(run)["jobs_dead:crm"]
    assert (found["severity"], found["count"]) == ("error", 1)
    assert "it may have been written" in found["text"]
    assert "infocaller-bridge jobs" in found["action"]


def test_work_that_nobody_does(run: Run, exchange: Exchange) -> None:
    now = datetime.now(UTC)
    exchange.now = now - timedelta(minutes=20)
    exchange.tell(arrival("fin", final(call_sequence="1"), exchange.now))  # its activity is due, and nobody comes
    exchange.keep(plain_arrival("2", received_at=now - timedelta(hours=2)))  # nobody folds it
    with exchange.database.write() as connection:
        overview.note(exchange.database, connection, overview.WORKED, (now - timedelta(minutes=10)).isoformat())
    found = troubles(run)
    assert {id_: one["severity"] for id_, one in found.items()} == {
        "jobs_late:work": "error",
        "jobs_late:events": "error",
        "jobs_late:crm": "warning",
    }
    assert "infocaller-bridge serve" in found["jobs_late:work"]["action"]


def test_what_a_bridge_that_was_stopped_has_to_make_up_for_is_late_only_if_that_takes_long(
    run: Run, exchange: Exchange
) -> None:
    now = datetime.now(UTC)
    weekend = now - timedelta(days=3)
    exchange.now = weekend
    exchange.tell(arrival("fin", final(call_sequence="1"), exchange.now))
    exchange.keep(plain_arrival("2", received_at=weekend))

    def work(moment: datetime) -> None:
        with exchange.database.write() as connection:
            overview.note_work(exchange.database, connection, moment)

    work(weekend)
    assert troubles(run).keys() == {"jobs_late:work"} | {"jobs_late:events", "jobs_late:crm"}
    work(now)  # it was started a moment ago
    assert troubles(run) == {}
    with exchange.database.write() as connection:
        overview.note(exchange.database, connection, overview.RESUMED, (now - timedelta(minutes=10)).isoformat())
    found = troubles(run)
    assert {id_: one["severity"] for id_, one in found.items()} == dict.fromkeys(
        ["jobs_late:events", "jobs_late:crm"], "warning"
    )


@pytest.mark.parametrize(
    ("values", "severity", "said"),
    [
        ({"mode": "held", "reason": "holidays"}, "warning", "emits nothing, because a person paused it: holidays"),
        (
            {"mode": "stopped", "reason": "wrong password"},
            "error",
            "emits nothing: what the platform said stopped it: wrong password",
        ),
        ({"mode": "paused", "reason": "no credit"}, "warning", "tries again by itself, one call at a time: no credit"),
        ({"failures": 4}, "warning", "the platform's emission API can't be reached"),
    ],
)
def test_why_nothing_is_emitted(run: Run, database: Database, values: dict[str, Any], severity: str, said: str) -> None:
    now = datetime.now(UTC)
    standing(database, "line", "912345678", since=now - timedelta(hours=1), **values)
    standing(database, "line", "999999999", **values)  # of no line that there is
    (found,) = troubles(run).values()
    assert (found["id"], found["severity"]) == ("line:912345678", severity)
    assert said in found["text"]
    if "mode" in values:
        assert "infocaller-bridge lines resume 912345678" in found["action"]
        assert datetime.fromisoformat(found["since"]) == (now - timedelta(hours=1)).replace(microsecond=0)
        assert values["mode"] in run("status").out


def test_a_source_that_is_stopped_or_can_not_be_read(run: Run, config: Path, database: Database) -> None:
    now = datetime.now(UTC)
    tasks = "\ncallbacks:\n" + "".join(
        f"  - {{name: {name}, line: '912345678', rule_group: x, token: 0123456789abcdefghijklmnop}}\n"
        for name in ("web", "crm")
    )
    config.write_text(CONFIGURATION + tasks, encoding="utf-8")
    standing(database, "source", "web", mode="stopped", reason="rule group x is unknown", since=now)
    standing(database, "source", "crm", failures=3, error="crm: 403 no rights to tasks")
    found = troubles(run)
    assert found["source:web"]["severity"] == "error"
    assert "rule group x is unknown" in found["source:web"]["text"]
    assert "infocaller-bridge callbacks resume web" in found["source:web"]["action"]
    assert "403 no rights to tasks" in found["source:crm"]["text"]


def test_callbacks_that_may_have_rung(run: Run, database: Database) -> None:
    now = datetime.now(UTC)
    row = {
        "source": "web", "task_key": "k", "state": CallbackState.MAY_HAVE_RUNG.value, "task": {}, "rung_at": now,
        "created_at": now, "updated_at": now, "seen_at": now,
    }  # fmt: skip
    with database.write() as connection:
        callbacktasks.add(database, connection, [row])
    found = troubles(run)["may_have_rung"]
    assert (found["severity"], found["count"]) == ("error", 1)
    assert "callbacks confirm" in found["action"]
    assert json.loads(run("status", "--json").out)["callbacks"] == {"may_have_rung": 1}


def test_why_callbacks_wait_or_were_rejected(run: Run, database: Database) -> None:
    now = datetime.now(UTC)
    opens = now + timedelta(hours=9)
    values = {"source": "web", "line": "912345678", "number": "+34600111222", "task": {}, "seen_at": now, "digest": ""}
    values |= {"created_at": now, "updated_at": now}
    closed = {"state": "waiting", "gate": "hours", "reason": "outside calling hours", "next_at": opens}
    never = {"state": "rejected", "gate": "number", "reason": "it is a premium number", "settled_at": now}
    rows = [{**values, **closed, "task_key": str(n), "task_id": str(n)} for n in range(3)]
    rows += [{**values, **never, "task_key": "9", "task_id": "9"}]
    full = {"gate": "per_day", "reason": "the line has called 2 times today", "next_at": now - timedelta(minutes=1)}
    rows += [{**values, **closed, **full, "task_key": "8", "task_id": "8"}]
    with database.write() as connection:
        for row in rows:
            callbacktasks.add(database, connection, [row])
    said = run("status")
    assert said.code == 0
    shown = f"{opens.astimezone():%Y-%m-%d %H:%M}"
    assert f"  3 waiting of web: outside calling hours; next try {shown}" in said.out
    assert "  1 rejected of web: it is a premium number\n" in said.out
    assert "  1 waiting of web: the line has called 2 times today\n" in said.out, "no next try in the past"
    assert "600111222" not in said.out


def test_when_those_expire_that_wait_for_a_person_is_no_next_try(run: Run, database: Database) -> None:
    now = datetime.now(UTC)
    at = datetime.now(UTC) + timedelta(days=7)
    row = {"source": "web", "line": "912345678", "number": "+34600111222", "task": {}, "seen_at": now, "digest": ""}
    row |= {"created_at": now, "updated_at": now, "task_key": "1", "task_id": "1", "state": "waiting"}
    row |= {"gate": "by_hand", "reason": "waits for somebody to have it called", "next_at": at}
    with database.write() as connection:
        callbacktasks.add(database, connection, [row])
    assert "  1 waiting of web: waits for somebody to have it called\n" in run("status").out


def test_the_spool_in_use(run: Run, config: Path, database: Database) -> None:
    (config.parent / ".infocaller-bridge").mkdir()
    spool = Spool(config.parent / ".infocaller-bridge" / "spool.db")
    spool.append([plain_arrival("1"), plain_arrival("2"), plain_arrival("3")])
    assert troubles(run)["spool"]["count"] == 3
    spool.move(lambda _items: ["", "too long", ""])
    spool.close()
    found = troubles(run)
    assert list(found) == ["spool:refused"]
    assert (found["spool:refused"]["severity"], found["spool:refused"]["count"]) == ("error", 1)


def test_a_database_of_another_version(run: Run, database: Database) -> None:
    for revision, what in (("0000", "an older version"), ("9999", "a newer version")):
        with database.write() as connection:
            connection.exec_driver_sql(f"UPDATE alembic_version SET version_num = '{revision}'")
        assert what in troubles(run)["database"]["text"]


def test_a_database_that_is_away(run: Run, config: Path) -> None:
    config.write_text(
        f"language: en\ndatabase: postgresql://bridge:secret@127.0.0.1:9/bridge\n{CONFIGURATION}", encoding="utf-8"
    )
    found = troubles(run)["database"]
    assert found["severity"] == "error"
    assert "secret" not in found["text"]
    assert "nothing reaches the CRMs" in found["text"]


def test_a_database_that_is_damaged(run: Run, config: Path) -> None:
    (config.parent / "bridge.db").write_bytes(b"no database" * 1000)
    assert "no SQLite database" in troubles(run)["database"]["text"]


def test_it_works_while_the_configuration_is_faulty(run: Run, config: Path, database: Database) -> None:
    now = datetime.now(UTC)
    standing(database, "line", "912345678", mode="held", reason="fire", since=now)
    config.write_text(CONFIGURATION.replace("activities:\n", "activitys:\n"), encoding="utf-8")
    found = troubles(run)
    assert "activitys" in found["configuration"]["text"]
    assert "infocaller-bridge check" in found["configuration"]["action"]
    assert "fire" in found["line:912345678"]["text"]
    config.write_text("lines: [unclosed", encoding="utf-8")
    assert "configuration" in troubles(run)
    config.unlink()
    assert "configuration" in troubles(run)


def test_a_task_that_another_installation_claimed(run: Run, database: Database) -> None:
    now = datetime.now(UTC)

    def row(key: str, settled: datetime) -> dict[str, Any]:
        return {
            "source": "agenda", "task_key": key, "state": CallbackState.CANCELLED.value, "task": {}, "gate": "claims",
            "reason": "claimed by bridge 0123456789abcdef", "settled_at": settled,
            "created_at": now, "updated_at": now, "seen_at": now,
        }  # fmt: skip

    with database.write() as connection:
        callbacktasks.add(database, connection, [row("1", now), row("2", now), row("3", now - timedelta(days=2))])
    found = troubles(run)["claims:agenda"]
    assert (found["severity"], found["count"]) == ("warning", 2)
    assert "2 tasks of source agenda: claimed by bridge" in found["text"]


def test_a_source_whose_tasks_are_all_rejected(run: Run, config: Path, database: Database) -> None:
    now = datetime.now(UTC)
    web = "callbacks: [{name: web, line: '912345678', rule_group: x, token: 0123456789abcdefghijklmnop}]\n"
    config.write_text(config.read_text("utf-8") + web, encoding="utf-8")

    def add(key: str, state: CallbackState, gate: str, reason: str = "") -> None:
        row: dict[str, Any] = {
            "source": "web", "task_key": key, "task_id": key, "state": state.value, "task": {}, "gate": gate,
            "reason": reason, "settled_at": now if state is CallbackState.REJECTED else None,
            "created_at": now, "updated_at": now, "seen_at": now,
        }  # fmt: skip
        with database.write() as connection:
            callbacktasks.add(database, connection, [row])

    add("1", CallbackState.REJECTED, "task", "it has no number")
    add("2", CallbackState.REJECTED, "task", "it has no number")
    assert "source:web" not in troubles(run)
    add("3", CallbackState.REJECTED, "number", "it is a premium number")
    found = troubles(run)["source:web"]
    assert (found["severity"], found["count"]) == ("warning", 3)
    assert "were rejected, the last because it is a premium number" in found["text"]
    assert "callbacks list --state rejected" in found["action"]
    add("4", CallbackState.WAITING, "hours")
    assert "source:web" not in troubles(run)


def test_what_was_noted_stays_one_note(database: Database) -> None:
    for text in ("1", "2"):
        with database.write() as connection:
            overview.note(database, connection, "x", text)
    with database.read() as connection:
        assert overview.noted(connection, "x") == "2"
        assert overview.noted(connection, "y") is None
        assert len(connection.execute(meta.select().where(meta.c.name == "x")).all()) == 1


def test_it_is_said_in_the_language_of_the_configuration(run: Run, database: Database, config: Path) -> None:
    now = datetime.now(UTC)
    standing(database, "line", "912345678", mode="held", reason="festivo", since=now)
    config.write_text(config.read_text("utf-8").replace("language: en", "language: es"), encoding="utf-8")
    said = run("status").out
    assert "La línea 912345678 no emite llamadas, porque una persona la puso en pausa: festivo" in said
    assert "línea 912345678: emisión en pausa por una persona, 0 llamadas emitidas hoy" in said
    assert troubles(run)["line:912345678"]["action"].startswith("Cuando pueda continuar: `infocaller-bridge lines")

"""A database with something on every page: calls of the last day, work that failed, callbacks in every state, lines
that stand still, changes. What strangers say in it is hostile."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import Connection, insert

from bridge.store import audit, bulkruns, calls, deliveries, emissions, oppositions, queries
from bridge.store.audit import AuditEntry
from bridge.store.callbacks import CallbackState, key_of
from bridge.store.calls import Call, CallState
from bridge.store.database import Database
from bridge.store.deliveries import Failure, NewDelivery, Took
from bridge.store.emissions import Mode
from bridge.store.folded import FoldedCall
from bridge.store.oppositions import NewOpposition, new_reference
from bridge.store.queries import StoredQuery, TrailStep
from bridge.store.tables import callbacks, campaigns, events

LINE, OTHER_LINE = "912345678", "934567890"
HOSTILE = "<script>alert(1)</script>\"'><img src=x onerror=alert(2)>{{ 7*7 }}\u202e\u0000=1+1"
ASKED = {"/console/work/plan": "/console/work/plan?action=retry&state=dead"}
"""Pages that need something to ask for, each with an address that has an answer here."""
_STEP = timedelta(minutes=19)


def fill(database: Database, now: datetime | None = None, count: int = 70) -> None:
    """Put it in, as of `now`; `count`: calls, one every 19 minutes."""
    now = now or datetime.now(UTC)
    with database.write() as connection:
        for number in range(count):
            _call(connection, number, now - timedelta(minutes=3) - number * _STEP, now)
        _deliveries(database, connection, now)
        _callbacks(connection, now)
        _lines(database, connection, now)
        _queries(database, connection, now)
        _bulk_run(connection, now)
        for e164 in ("+34600111000", "+34600111001"):
            new = NewOpposition(e164, new_reference(), now, "query BAJA")
            oppositions.add(database, connection, [new])
        connection.execute(insert(campaigns).values(name="spring", source="shop", file=HOSTILE, started_at=now))
        for place, action in enumerate(("console.sign_in", "line.pause", "callback.confirm")):
            audit.add(
                connection,
                AuditEntry(
                    now - timedelta(minutes=place), "ana", action, HOSTILE if place else "12", "admin", "192.0.2.7",
                    {"mode": "running"}, {"mode": "held", "reason": HOSTILE},
                ),
            )  # fmt: skip


def _call(connection: Connection, number: int, start: datetime, now: datetime) -> None:
    received, answered = number % 4 != 3, number % 5 not in (2, 4)
    over = number > 0
    line = OTHER_LINE if number % 9 == 8 else LINE
    seconds = 20 + number * 7 % 400
    e164 = "" if number % 11 == 10 else f"+34600111{number:03}"
    folded = FoldedCall(
        id=f"98{number:06}", line=line, direction="received" if received else "emitted", caller=e164[3:] or "X",
        called=line, e164=e164, hidden=not e164, start=start, end=start + timedelta(seconds=seconds) if over else None,
        seconds=seconds if over else None, over=over, answered=answered, answered_by="101" if answered else "",
        vars={"PEDIDO": f"{number:05}", "TEXTO": HOSTILE} if number % 6 == 0 else {}, heard=("inicio", "fin"),
    )  # fmt: skip
    state = CallState.OVER if over else CallState.OPEN
    calls.save(
        connection,
        Call(
            line, folded.id, state, folded, e164, folded.direction, started_at=start,
            ended_at=folded.end, seconds=folded.seconds, close_at=None if over else now + timedelta(hours=6),
        ),
        now,
    )  # fmt: skip
    raw = f'{{"CallSequence": "{folded.id}", "TEXTO": "{HOSTILE}"}}'
    connection.execute(
        insert(events).values(
            line=line, call_sequence=folded.id, event="fin" if over else "inicio", received_at=start, raw=raw,
            digest=hashlib.sha256(raw.encode()).hexdigest(), document={"CallSequence": folded.id}, panel={}, e164=e164,
            folded=True,
        )
    )  # fmt: skip


def _deliveries(database: Database, connection: Connection, now: datetime) -> None:
    for number in range(12):
        new = NewDelivery(
            "activity" if number % 3 else "save", f"{LINE}:98{number:06}:call", "shop",
            {"subject": HOSTILE, "table": "survey", "fields": {"note": HOSTILE}}, f"+34600111{number:03}",
        )  # fmt: skip
        ids = deliveries.add(database, connection, [new], now - timedelta(hours=2))
        [id_] = ids.values()
        if number % 2:
            deliveries.claim(connection, id_, "worker", now - timedelta(hours=1), now)
            failure = Failure(f"shop answered 422: {HOSTILE}", "Rejected", f"POST /calls\n{HOSTILE}\n\n422\n{HOSTILE}")
            if number % 4 == 1:
                deliveries.dead(connection, id_, "worker", Took(now, 120), failure)
            else:
                deliveries.later(connection, id_, "worker", now + timedelta(minutes=5), Took(now, 120), failure)


def _callbacks(connection: Connection, now: datetime) -> None:
    for number, state in enumerate(CallbackState):
        settled = now - timedelta(minutes=number) if number > 3 and state is not CallbackState.MAY_HAVE_RUNG else None
        task_id = f"T{number}{HOSTILE}"
        row: dict[str, Any] = {
            "source": "shop", "task_key": key_of(task_id), "task_id": task_id, "line": LINE, "state": state.value,
            "number": f"+34600222{number:03}", "customer": f"+34600222{number:03}",
            "task": {"id": task_id, "name": HOSTILE, "phone": f"600222{number:03}"},
            "next_at": now + timedelta(hours=1) if number < 2 else None, "gate": "hours" if number == 0 else "",
            "reason": HOSTILE, "rung_at": now - timedelta(hours=1) if number > 2 else None, "origin": "connector:shop",
            "created_at": now - timedelta(hours=3), "updated_at": now, "seen_at": now, "settled_at": settled,
        }  # fmt: skip
        connection.execute(insert(callbacks).values(row))


def _lines(database: Database, connection: Connection, now: datetime) -> None:
    emissions.held(database, connection, "line", OTHER_LINE)
    held = {"mode": Mode.HELD.value, "reason": f"turno: {HOSTILE}", "since": now - timedelta(minutes=40)}
    emissions.save(connection, "line", OTHER_LINE, held)


def _queries(database: Database, connection: Connection, now: datetime) -> None:
    rows = []
    for number in range(30):
        outcome = "on_timeout" if number % 9 == 8 else "not_found" if number % 4 == 3 else "found"
        step = TrailStep("contact", "shop", "late" if outcome == "on_timeout" else outcome, 40.0 + number, HOSTILE)
        rows.append(
            StoredQuery(
                now - timedelta(minutes=number), LINE, f"98{number:06}", "ECO", "received", f"+34600111{number:03}",
                LINE, {"TEXTO": HOSTILE}, outcome, 0, HOSTILE, {"NOMBRE": HOSTILE}, "shop", "contact", "C1", HOSTILE,
                "https://crm.example.com/contacts/C1", 55.0 + number, [step],
            )
        )  # fmt: skip
    queries.add(database, connection, rows)
    queries.count(database, connection, {(queries.hour_of(now), "ECO", "found"): (20, 900.0)})


def _bulk_run(connection: Connection, now: datetime) -> None:
    values = {
        "action": "retry",
        "criteria": {"state": "dead", "kind": "", "connector": "shop"},
        "state": "finished",
        "total": 3,
        "done": 2,
    }
    times = {"started_at": now - timedelta(minutes=9), "updated_at": now - timedelta(minutes=8)}
    bulkruns.add(connection, {**values, **times, "reached": 12, "until": 12, "started_by": "turno"})

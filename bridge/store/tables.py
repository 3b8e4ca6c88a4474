"""The tables, for SQLite and PostgreSQL alike. `migrations/` makes them; a test holds the two together.

events      what the platform said, as it came; never changed but for `folded`
calls       what the events of one call came to
deliveries  what has to reach a CRM, and how that goes
attempts    each try of a delivery
callbacks   tasks that ask for a call, and how that goes
emission_states  what holds a line or a source of callbacks back, and its pace
pokes       the SQLite queue's memory; on PostgreSQL Procrastinate has tables of its own
meta        notes of the bridge to itself
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    JSON,
    Boolean,
    Column,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    UniqueConstraint,
    false,
    text,
)

from bridge.store.columns import Id, Moment, Money, Words

REVISION = "0003"
"""The newest step of `migrations/versions`."""

LONGEST_KEY = 128
"""Characters of the platform's own identifiers; longer ones are refused before they get here."""

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)


def _words(name: str, length: int | None = None) -> Column[Any]:
    """A text column that is empty rather than null."""
    return Column(name, Words(length), nullable=False, server_default="")


def _json(name: str) -> Column[Any]:
    return Column(name, JSON, nullable=False)


def _number(name: str) -> Column[Any]:
    return Column(name, Integer, nullable=False, server_default="0")


events = Table(
    "events",
    metadata,
    Column("id", Id, primary_key=True),
    Column("line", Words(LONGEST_KEY), nullable=False),
    Column("call_sequence", Words(LONGEST_KEY), nullable=False),
    Column("event", String(32), nullable=False),
    _words("diverted_to", LONGEST_KEY),
    Column("digest", String(64), nullable=False),
    Column("received_at", Moment, nullable=False),
    _words("raw"),
    _json("document"),
    _json("panel"),
    _words("e164", 32),
    Column("folded", Boolean, nullable=False, server_default=false()),
    UniqueConstraint("line", "call_sequence", "event", "diverted_to", "digest", name="uq_events_once"),
)
Index("ix_events_e164", events.c.e164)
Index("ix_events_unfolded", events.c.received_at,
      sqlite_where=text("folded = 0"), postgresql_where=text("NOT folded"))  # fmt: skip

calls = Table(
    "calls",
    metadata,
    Column("id", Id, primary_key=True),
    Column("line", Words(LONGEST_KEY), nullable=False),
    Column("call_sequence", Words(LONGEST_KEY), nullable=False),
    Column("state", String(16), nullable=False),
    _json("call"),
    _words("e164", 32),
    _words("direction", 16),
    _words("idcall", LONGEST_KEY),
    Column("started_at", Moment),
    Column("ended_at", Moment),
    Column("seconds", Integer),
    Column("cost", Money),
    _number("version"),
    Column("close_at", Moment),
    Column("updated_at", Moment, nullable=False),
    UniqueConstraint("line", "call_sequence", name="uq_calls_once"),
)
Index("ix_calls_e164", calls.c.e164)
Index("ix_calls_idcall", calls.c.idcall)
Index("ix_calls_started_at", calls.c.started_at)
Index("ix_calls_updated_at", calls.c.updated_at)
Index("ix_calls_open", calls.c.close_at,
      sqlite_where=text("state = 'open'"), postgresql_where=text("state = 'open'"))  # fmt: skip

deliveries = Table(
    "deliveries",
    metadata,
    Column("id", Id, primary_key=True),
    Column("kind", String(32), nullable=False),
    Column("key", Words(512), nullable=False, unique=True),
    Column("connector", Words(128), nullable=False),
    Column("call_id", Id, ForeignKey("calls.id", ondelete="SET NULL")),
    _json("payload"),
    Column("state", String(16), nullable=False),
    _number("attempts"),
    Column("created_at", Moment, nullable=False),
    Column("first_at", Moment),
    Column("next_at", Moment),
    Column("settled_at", Moment),
    _words("error"),
    _words("error_class", 64),
    Column("written_id", Words()),
    Column("wanted", Integer, nullable=False, server_default="1"),
    _number("written"),
    _words("exchange"),
    _words("owner", 64),
    Column("lease_until", Moment),
    _words("e164", 32),
)
Index("ix_deliveries_due", deliveries.c.next_at,
      sqlite_where=text("state IN ('pending', 'running')"),
      postgresql_where=text("state IN ('pending', 'running')"))  # fmt: skip
Index("ix_deliveries_state_connector", deliveries.c.state, deliveries.c.connector)
Index("ix_deliveries_settled_at", deliveries.c.settled_at)
Index("ix_deliveries_call_id", deliveries.c.call_id)
Index("ix_deliveries_e164", deliveries.c.e164)

attempts = Table(
    "attempts",
    metadata,
    Column("id", Id, primary_key=True),
    Column("delivery_id", Id, ForeignKey("deliveries.id", ondelete="CASCADE"), nullable=False),
    Column("at", Moment, nullable=False),
    _number("ms"),
    Column("outcome", String(16), nullable=False),
    _words("error"),
)
Index("ix_attempts_delivery_id", attempts.c.delivery_id)

callbacks = Table(
    "callbacks",
    metadata,
    Column("id", Id, primary_key=True),
    Column("source", Words(256), nullable=False),
    Column("task_key", String(64), nullable=False),
    _words("task_id", 512),
    _words("line", LONGEST_KEY),
    _words("number", 32),
    _words("customer", 32),
    Column("state", String(16), nullable=False),
    _words("digest", 64),
    _json("task"),
    Column("due", Moment),
    Column("next_at", Moment),
    Column("expires_at", Moment),
    _words("gate", 32),
    _words("reason"),
    _number("attempts"),
    _number("windows"),
    _number("emissions"),
    Column("claimed_at", Moment),
    Column("rung_at", Moment),
    _words("idcall", LONGEST_KEY),
    Column("request", JSON(none_as_null=True)),
    Column("result", Integer),
    _words("answer"),
    Column("seconds", Integer),
    Column("withdrawn", Boolean, nullable=False, server_default=false()),
    _words("owner", 64),
    Column("lease_until", Moment),
    _words("last_report", 512),
    Column("created_at", Moment, nullable=False),
    Column("updated_at", Moment, nullable=False),
    Column("seen_at", Moment, nullable=False),
    Column("settled_at", Moment),
    _number("version"),
    _words("origin"),
)
HAS_ORIGIN, NO_ORIGIN = text("origin <> ''"), text("origin = ''")
"""As conditions, they find a task by the index of those that have an origin, or of those that an older version
stored."""
Index("uq_callbacks_once", callbacks.c.task_key, callbacks.c.origin, unique=True,
      postgresql_where=HAS_ORIGIN, sqlite_where=HAS_ORIGIN)  # fmt: skip
Index("uq_callbacks_old", callbacks.c.task_key, callbacks.c.source, unique=True,
      postgresql_where=NO_ORIGIN, sqlite_where=NO_ORIGIN)  # fmt: skip
Index("ix_callbacks_due", callbacks.c.state, callbacks.c.source, callbacks.c.next_at, callbacks.c.id)
AT_WORK = text("state IN ('queued', 'sending', 'accepted')")
"""As a condition, it finds the few rows under way among the many of a campaign by this index, whatever the planner
knows."""
Index(
    "ix_callbacks_at_work",
    *(callbacks.c.line, callbacks.c.state, callbacks.c.rung_at),
    postgresql_where=AT_WORK,
    sqlite_where=AT_WORK,
)
Index("ix_callbacks_number", callbacks.c.number, callbacks.c.rung_at)
Index("ix_callbacks_customer", callbacks.c.customer)
Index("ix_callbacks_line", callbacks.c.line, callbacks.c.rung_at)
Index("ix_callbacks_idcall", callbacks.c.idcall)
Index("ix_callbacks_settled_at", callbacks.c.settled_at)

emission_states = Table(
    "emission_states",
    metadata,
    Column("kind", String(16), primary_key=True),
    Column("name", Words(256), primary_key=True),
    Column("mode", String(16), nullable=False, server_default="running"),
    Column("until", Moment),
    _number("delay"),
    _words("reason"),
    Column("since", Moment),
    Column("last_slot", Moment),
    Column("wake_at", Moment),
    Column("probe", Id),
    Column("polled_at", Moment),
    _number("failures"),
    _words("error"),
)

pokes = Table(
    "pokes",
    metadata,
    # A poke that comes while its key runs must have a higher number than those that the run answers: never reuse one.
    Column("id", Id, primary_key=True),
    Column("kind", String(32), nullable=False),
    Column("key", Words(512), nullable=False),
    _words("lane", 128),
    Column("due", Moment, nullable=False),
    sqlite_autoincrement=True,
)
Index("ix_pokes_due", pokes.c.due, pokes.c.id)
Index("ix_pokes_key", pokes.c.key, pokes.c.kind)

meta = Table(
    "meta",
    metadata,
    Column("name", String(64), primary_key=True),
    Column("value", Words(), nullable=False),
)

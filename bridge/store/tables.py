"""The tables, for SQLite and PostgreSQL alike, as an empty database gets them. `migrations/` brings those of older
versions to the same; a test holds the two together.

events      what the platform said, as it came; never changed but for `folded`, and packed in the end
calls       what the events of one call came to
packs       what calls that have long been over need no more by themselves, compressed
deliveries  what has to reach a CRM, and how that goes
attempts    each try of a delivery
queries     what the platform asked during calls, and what it was answered
query_hours how many Queries came to what, by hour: of nobody in particular
panel_urls  when each of the panel's URLs was called last, and its last error
bulk_runs   what a person has done to many deliveries at once
callbacks   tasks that ask for a call, and how that goes
campaigns   lists of people whose callbacks are paused and cancelled together
emission_states  what holds a line or a source of callbacks back, and its pace
figures     calls by hour and rings by day, added up, so that a report need not read the calls
screen_pops records that are to open, or have opened, on the screens of who answered a call
pokes       the SQLite queue's wake-ups; on PostgreSQL Procrastinate has tables of its own
meta        notes of the bridge to itself
console_sessions  who is signed in to the console
audit       who changed what in the console
oppositions who does not want to be called for business, by a keyed hash, and under which reference
exclusions  what checks against exclusion lists said of numbers
exclusion_checks  those checks: numbers that went out, and permitted ones that came back
evidence    what allowed each emission, chained so that a change shows
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    Date,
    Double,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    UniqueConstraint,
    event,
    false,
    func,
    literal_column,
    text,
)

from bridge.store.columns import ANSWERED, CallVerdict, CompactJson, Id, Money, UtcMoment, Words

REVISION = "0015"
"""The newest step of `migrations/versions`."""
OLDEST = "0014"
"""The oldest revision whose processes may go on working while the tables are of `REVISION`. To be raised with a step
that they can't live with (CONTRIBUTING.md)."""

LONGEST_KEY = 128
"""Characters of the platform's own identifiers; longer ones are refused before they get here."""
LONGEST_CAMPAIGN = 48
"""Characters of a campaign's name."""

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)
event.listen(metadata, "before_create", ANSWERED)


def _words(name: str, length: int | None = None) -> Column[Any]:
    """A text column that is empty rather than null."""
    return Column(name, Words(length), nullable=False, server_default="")


def _json(name: str) -> Column[Any]:
    return Column(name, JSON, nullable=False)


def _number(name: str) -> Column[Any]:
    return Column(name, Integer, nullable=False, server_default="0")


def _sum(name: str) -> Column[Any]:
    return Column(name, BigInteger, nullable=False, server_default="0")


events = Table(
    "events",
    metadata,
    Column("id", Id, primary_key=True),
    Column("line", Words(LONGEST_KEY), nullable=False),
    Column("call_sequence", Words(LONGEST_KEY), nullable=False),
    Column("event", String(32), nullable=False),
    _words("diverted_to", LONGEST_KEY),
    Column("digest", String(64), nullable=False),
    Column("received_at", UtcMoment, nullable=False),
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
    Column("started_at", UtcMoment),
    Column("ended_at", UtcMoment),
    Column("seconds", Integer),
    Column("cost", Money),
    _number("version"),
    Column("close_at", UtcMoment),
    Column("updated_at", UtcMoment, nullable=False),
    _number("counted_version"),
    Column("counted", JSON(none_as_null=True)),
    Column("packed", Boolean, nullable=False, server_default=false()),
    UniqueConstraint("line", "call_sequence", name="uq_calls_once"),
)
Index("ix_calls_number", calls.c.e164, calls.c.started_at, calls.c.id)
IS_EMITTED = text("idcall <> ''")
"""As a condition beside an emission's id, it finds the calls that came of it by this index."""
Index("ix_calls_of_emission", calls.c.idcall, postgresql_where=IS_EMITTED, sqlite_where=IS_EMITTED)
Index("ix_calls_started_at", calls.c.started_at)
NOT_PACKED = ~calls.c.packed
"""As a condition, it finds the calls that are not packed by this index."""
Index("ix_calls_not_packed", calls.c.updated_at, calls.c.id,
      sqlite_where=text("packed = 0"), postgresql_where=text("NOT packed"))  # fmt: skip
IS_OPEN = text("state = 'open'")
"""As a condition, it finds the calls that are not over by this index."""
Index("ix_calls_open", calls.c.close_at, sqlite_where=IS_OPEN, postgresql_where=IS_OPEN)

UNCOUNTED = text("state <> 'open' AND version <> counted_version")
"""As a condition, it finds the calls that `figures` does not hold yet, or not as they are now, by this index. An older
version that changes a call raises its version, too."""
Index("ix_calls_uncounted", calls.c.id, postgresql_where=UNCOUNTED, sqlite_where=UNCOUNTED)

OF_SOMEBODY = text("e164 <> ''")
call_verdict = CallVerdict()
IS_MISSED = call_verdict == literal_column("'missed'")
"""As a condition, it finds the calls that nobody answered by this index, in the order of their time."""
Index("ix_calls_missed", calls.c.started_at, calls.c.id, calls.c.e164,
      postgresql_where=IS_MISSED, sqlite_where=IS_MISSED)  # fmt: skip
call_over_at = func.coalesce(calls.c.ended_at, calls.c.started_at)
"""When a call was over; of one that is not, or whose FIN never came, when it began."""
Index("ix_calls_history", calls.c.e164, call_verdict, call_over_at, calls.c.id,
      postgresql_where=OF_SOMEBODY, sqlite_where=OF_SOMEBODY)  # fmt: skip

packs = Table(
    "packs",
    metadata,
    Column("call_id", Id, ForeignKey("calls.id", ondelete="CASCADE"), primary_key=True),
    _number("events"),
    Column("document", LargeBinary, nullable=False),
)

queries = Table(
    "queries",
    metadata,
    Column("id", Id, primary_key=True),
    Column("at", UtcMoment, nullable=False),
    Column("line", Words(LONGEST_KEY), nullable=False),
    Column("call_sequence", Words(LONGEST_KEY), nullable=False),
    Column("query", Words(LONGEST_KEY), nullable=False),
    _words("direction", 16),
    _words("caller", 32),
    _words("called", LONGEST_KEY),
    Column("variables", CompactJson, nullable=False, server_default=""),
    Column("outcome", String(16), nullable=False),
    _number("result"),
    _words("text"),
    Column("answer", CompactJson, nullable=False, server_default=""),
    _words("connector", LONGEST_KEY),
    _words("record_kind", LONGEST_KEY),
    _words("record_id", 256),
    _words("record_name", 256),
    Column("record_link", Words()),
    Column("ms", Double, nullable=False, server_default="0"),
    Column("trail", CompactJson, nullable=False, server_default=""),
)
Index("ix_queries_call", queries.c.call_sequence, queries.c.line)
Index("ix_queries_at", queries.c.at, queries.c.id)
Index("ix_queries_caller", queries.c.caller, queries.c.at, queries.c.id)
UNUSUAL = text("outcome <> 'found'")
"""As a condition, it finds the Queries that did not find what they looked for, by their own index."""
Index("ix_queries_unusual", queries.c.at, queries.c.id, postgresql_where=UNUSUAL, sqlite_where=UNUSUAL)

query_hours = Table(
    "query_hours",
    metadata,
    Column("hour", UtcMoment, primary_key=True),
    Column("query", Words(LONGEST_KEY), primary_key=True),
    Column("outcome", String(16), primary_key=True),
    _number("count"),
    Column("ms", Double, nullable=False, server_default="0"),
)

panel_urls = Table(
    "panel_urls",
    metadata,
    Column("line", Words(LONGEST_KEY), primary_key=True),
    Column("kind", String(16), primary_key=True),
    Column("name", Words(LONGEST_KEY), primary_key=True),
    Column("called_at", UtcMoment),
    _words("outcome", 32),
    Column("error_at", UtcMoment),
    _words("error"),
)

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
    Column("created_at", UtcMoment, nullable=False),
    Column("first_at", UtcMoment),
    Column("next_at", UtcMoment),
    Column("settled_at", UtcMoment),
    _words("error"),
    _words("error_class", 64),
    Column("written_id", Words()),
    Column("wanted", Integer, nullable=False, server_default="1"),
    _number("written"),
    _words("exchange"),
    _words("owner", 64),
    Column("lease_until", UtcMoment),
    _words("e164", 32),
    Column("about", JSON(none_as_null=True)),
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
    Column("at", UtcMoment, nullable=False),
    _number("ms"),
    Column("outcome", String(16), nullable=False),
    _words("error"),
)
Index("ix_attempts_delivery_id", attempts.c.delivery_id)

bulk_runs = Table(
    "bulk_runs",
    metadata,
    Column("id", Id, primary_key=True),
    Column("action", String(16), nullable=False),
    _json("criteria"),
    Column("state", String(16), nullable=False),
    _number("total"),
    _number("done"),
    Column("reached", Id, nullable=False),
    Column("until", Id, nullable=False),
    _words("started_by", 64),
    Column("started_at", UtcMoment, nullable=False),
    Column("updated_at", UtcMoment, nullable=False),
)

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
    Column("due", UtcMoment),
    Column("next_at", UtcMoment),
    Column("expires_at", UtcMoment),
    _words("gate", 32),
    _words("reason"),
    _number("attempts"),
    _number("windows"),
    _number("emissions"),
    Column("claimed_at", UtcMoment),
    Column("rung_at", UtcMoment),
    _words("idcall", LONGEST_KEY),
    Column("request", JSON(none_as_null=True)),
    Column("result", Integer),
    _words("answer"),
    Column("seconds", Integer),
    Column("withdrawn", Boolean, nullable=False, server_default=false()),
    _words("owner", 64),
    Column("lease_until", UtcMoment),
    _words("last_report", 512),
    Column("created_at", UtcMoment, nullable=False),
    Column("updated_at", UtcMoment, nullable=False),
    Column("seen_at", UtcMoment, nullable=False),
    Column("settled_at", UtcMoment),
    _number("version"),
    _words("origin"),
    _words("campaign", LONGEST_CAMPAIGN),
    Column("by_hand_at", UtcMoment),
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
IN_CAMPAIGN = text("campaign <> ''")
"""As a condition beside the campaign's name, it finds its callbacks by this index."""
Index("ix_callbacks_campaign", callbacks.c.campaign, callbacks.c.id,
      postgresql_where=IN_CAMPAIGN, sqlite_where=IN_CAMPAIGN)  # fmt: skip

MISSED_ORIGIN = "built_in:missed_calls"
MISSED_WAITS = text("origin = 'built_in:missed_calls' AND state IN ('waiting', 'queued') AND customer <> ''")
Index("uq_callbacks_missed", callbacks.c.customer, unique=True,
      postgresql_where=MISSED_WAITS, sqlite_where=MISSED_WAITS)  # fmt: skip

OF_MISSED = text("origin = 'built_in:missed_calls'")
Index("ix_callbacks_missed_made", callbacks.c.created_at, postgresql_where=OF_MISSED, sqlite_where=OF_MISSED)

figures = Table(
    "figures",
    metadata,
    Column("kind", String(8), primary_key=True),
    Column("at", UtcMoment, primary_key=True),
    Column("line", Words(LONGEST_KEY), primary_key=True),
    Column("direction", String(16), primary_key=True),
    Column("outcome", String(16), primary_key=True),
    Column("number", Words(LONGEST_KEY), primary_key=True),
    _number("calls"),
    _sum("seconds"),
    _sum("cost_rx"),
    _sum("cost_tx"),
    _number("timed"),
    _sum("waited"),
    _number("within_20"),
    _number("within_180"),
)

campaigns = Table(
    "campaigns",
    metadata,
    Column("name", Words(LONGEST_CAMPAIGN), primary_key=True),
    Column("source", Words(256), nullable=False),
    _words("file"),
    Column("started_at", UtcMoment, nullable=False),
    Column("paused", Boolean, nullable=False, server_default=false()),
    Column("cancelled_at", UtcMoment),
)

emission_states = Table(
    "emission_states",
    metadata,
    Column("kind", String(16), primary_key=True),
    Column("name", Words(256), primary_key=True),
    Column("mode", String(16), nullable=False, server_default="running"),
    Column("until", UtcMoment),
    _number("delay"),
    _words("reason"),
    Column("since", UtcMoment),
    Column("last_slot", UtcMoment),
    Column("wake_at", UtcMoment),
    Column("probe", Id),
    Column("polled_at", UtcMoment),
    _number("failures"),
    _words("error"),
)

screen_pops = Table(
    "screen_pops",
    metadata,
    Column("id", Id, primary_key=True),
    Column("line", Words(LONGEST_KEY), nullable=False),
    Column("call_sequence", Words(LONGEST_KEY), nullable=False),
    Column("connector", Words(128), nullable=False),
    Column("extension", Words(128), nullable=False),
    Column("answered_at", UtcMoment, nullable=False),
    Column("begun_at", UtcMoment),
    UniqueConstraint("line", "call_sequence", "connector", "extension", name="uq_screen_pops_once"),
)
Index("ix_screen_pops_answered_at", screen_pops.c.answered_at)

pokes = Table(
    "pokes",
    metadata,
    # A wake-up that comes while its key runs must have a higher number than those that the run answers: never reuse
    # one.
    Column("id", Id, primary_key=True),
    Column("kind", String(32), nullable=False),
    Column("key", Words(512), nullable=False),
    _words("lane", 128),
    Column("due", UtcMoment, nullable=False),
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

console_sessions = Table(
    "console_sessions",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("name", Words(64), nullable=False),
    Column("created_at", UtcMoment, nullable=False),
    Column("seen_at", UtcMoment, nullable=False),
)
Index("ix_console_sessions_created_at", console_sessions.c.created_at)

audit = Table(
    "audit",
    metadata,
    Column("id", Id, primary_key=True),
    Column("at", UtcMoment, nullable=False),
    Column("who", Words(64), nullable=False),
    _words("role", 16),
    _words("address", 64),
    Column("action", Words(64), nullable=False),
    _words("subject", 512),
    Column("before", JSON(none_as_null=True)),
    Column("after", JSON(none_as_null=True)),
)
Index("ix_audit_at", audit.c.at)

oppositions = Table(
    "oppositions",
    metadata,
    Column("id", Id, primary_key=True),
    Column("digest", String(64), nullable=False),
    _words("number", 32),
    Column("reference", String(16), nullable=False, unique=True),
    Column("at", UtcMoment, nullable=False),
    _words("source", 128),
    Column("withdrawn_at", UtcMoment),
)
Index("ix_oppositions_digest", oppositions.c.digest)
Index("ix_oppositions_number", oppositions.c.number)

exclusion_checks = Table(
    "exclusion_checks",
    metadata,
    Column("id", Id, primary_key=True),
    Column("at", UtcMoment, nullable=False),
    Column("kind", String(16), nullable=False),
    _words("source", 256),
    _words("file"),
    Column("checked_on", Date),
    _sum("numbers"),
)

exclusions = Table(
    "exclusions",
    metadata,
    Column("number", BigInteger, primary_key=True, autoincrement=False),
    Column("source", Words(256), primary_key=True),
    Column("permitted_on", Date),
    Column("denied_on", Date),
    Column("asked_in", Id),
    Column("answered_in", Id),
)
Index("ix_exclusions_asked_in", exclusions.c.asked_in, exclusions.c.number)

evidence = Table(
    "evidence",
    metadata,
    Column("id", Id, primary_key=True),
    Column("installation", String(32), nullable=False),
    Column("seq", BigInteger, nullable=False),
    Column("at", UtcMoment, nullable=False),
    Column("purpose", String(16), nullable=False),
    _words("number", 32),
    _words("customer", 32),
    _words("content"),
    Column("digest", String(64), nullable=False),
    Column("annuls", BigInteger),
    Column("hash", String(64), nullable=False),
    UniqueConstraint("installation", "seq", name="uq_evidence_once"),
)
Index("ix_evidence_number", evidence.c.number)
Index("ix_evidence_customer", evidence.c.customer)
Index("ix_evidence_at", evidence.c.at)
ANNULS = text("annuls IS NOT NULL")
"""As a condition, it finds the rows that annul another one by this index."""
Index("ix_evidence_annuls", evidence.c.installation, evidence.c.annuls,
      postgresql_where=ANNULS, sqlite_where=ANNULS)  # fmt: skip

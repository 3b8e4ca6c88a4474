"""What a database says of its tables and of how it would run a statement, for `check --connect`."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from sqlalchemy import Inspector
from sqlalchemy.exc import SQLAlchemyError

from connectors.sql.database import Transaction
from connectors.sql.statements import Parsed

MANY = 10_000
"""Rows from which on reading a whole table for each call is worth a warning."""
_ROLLED_BACK = frozenset({"innodb", "xtradb", "rocksdb", "tokudb", "ndbcluster"})
_NAME = r"[\w$.\"`\[\]]+"


def meant(transaction: Transaction, parsed: Parsed, message: str) -> str:
    """Return `did you mean …?` for what a database says is not there; empty where nothing is like it. Raises
    `ConnectorError`."""
    there = transaction.inspected(lambda inspector: _names(inspector, parsed), "tables")
    by_fold = {name.casefold(): name for name in there}
    spelled = {word.casefold() for word in re.findall(r"[^\W\d][\w$]*", parsed.code)}
    for word in re.findall(r"[^\W\d][\w$]*", message):
        if word.casefold() in spelled and word.casefold() not in by_fold:
            near = difflib.get_close_matches(word.casefold(), by_fold, 1)
            if near:
                return f"; did you mean {by_fold[near[0]]}?"
    return ""


def _names(inspector: Inspector, parsed: Parsed) -> set[str]:
    """The columns of the tables that a statement names; of one that is not there, the tables that are."""
    names: set[str] = set()
    for spelled in parsed.tables:
        *schema, table = [part.strip(' "`[]') for part in spelled.split(".")]
        try:
            columns = inspector.get_columns(table, schema[-1] if schema else None)
        except SQLAlchemyError:
            columns = []
        names |= {str(column["name"]) for column in columns} | ({table} if columns else set())
        if not columns:
            in_schema = schema[-1] if schema else None
            names |= {*inspector.get_table_names(in_schema), *inspector.get_view_names(in_schema)}
    return names


def whole_tables(transaction: Transaction, backend: str, parsed: Parsed, values: Mapping[str, object]) -> Sequence[str]:
    """Return the tables of many rows that a statement reads whole; none where the database is not asked how (SQL
    Server). Raises `ConnectorError`."""
    if backend == "postgresql":
        rows = transaction.execute(_prefixed(parsed, "EXPLAIN (VERBOSE, FORMAT JSON) "), values, "EXPLAIN").rows
        scanned = dict.fromkeys(_scanned(rows[0][0]))
        return [table for schema, table in scanned if _many(transaction, table, schema)]
    if backend in ("mysql", "mariadb"):
        plan = transaction.execute(_prefixed(parsed, "EXPLAIN "), values, "EXPLAIN").mappings
        return [_table(parsed, str(step["table"])) for step in plan
                if step.get("type") in ("ALL", "index") and int(str(step.get("rows") or 0)) > MANY]  # fmt: skip
    if backend == "sqlite":
        plan = transaction.execute(_prefixed(parsed, "EXPLAIN QUERY PLAN "), values, "EXPLAIN").mappings
        names = [match[1] for step in plan if (match := re.match(r"SCAN (?:TABLE )?(\w+)", str(step["detail"])))]
        return [name for name in dict.fromkeys(_table(parsed, name) for name in names) if _many(transaction, name)]
    return []


def not_rolled_back(transaction: Transaction, parsed: Parsed) -> str:
    """Return the table whose rows can't be taken back, of those that a statement of MariaDB or MySQL names; empty if
    there is none. Raises `ConnectorError`."""
    for spelled in parsed.tables:
        *schema, table = [part.strip(' "`[]') for part in spelled.split(".")]
        rows = transaction.plain(
            "SELECT engine FROM information_schema.tables "
            "WHERE table_schema = COALESCE(%s, DATABASE()) AND table_name = %s",
            (schema[-1] if schema else None, table), "tables",
        ).rows  # fmt: skip
        if rows and rows[0][0] is not None and str(rows[0][0]).lower() not in _ROLLED_BACK:
            return table
    return ""


def _prefixed(parsed: Parsed, words: str) -> Parsed:
    return replace(parsed, escaped=words + parsed.escaped)


def _scanned(plan: Any) -> Iterator[tuple[str, str]]:
    """The tables that a plan of PostgreSQL reads from end to end, each with its schema."""
    if isinstance(plan, list):
        for part in plan:
            yield from _scanned(part)
    elif isinstance(plan, dict):
        if plan.get("Node Type") == "Seq Scan" and "Relation Name" in plan:
            yield str(plan["Schema"]), str(plan["Relation Name"])
        yield from _scanned(plan.get("Plan"))
        yield from _scanned(plan.get("Plans"))


def _table(parsed: Parsed, name: str) -> str:
    """The table that a plan calls by the short name that the statement gives it."""
    tables = [spelled.split(".")[-1].strip(' "`[]') for spelled in parsed.tables]
    if name in tables:
        return name
    named = re.finditer(rf"({_NAME})\s+(?:AS\s+)?{re.escape(name)}\b", parsed.code, re.IGNORECASE)
    candidates = [match[1].split(".")[-1].strip('"`[]') for match in named]
    return next((table for table in candidates if table in tables), name)


def _many(transaction: Transaction, table: str, schema: str = "") -> bool:
    name = ".".join(transaction.quoted(part) for part in (schema, table) if part)
    rows = transaction.plain(f"SELECT count(*) FROM (SELECT 1 FROM {name} LIMIT {MANY + 1}) AS counted", (), table).rows  # noqa: S608 - a table's name, quoted
    return int(str(rows[0][0])) > MANY

"""`check --connect` on real databases."""

from __future__ import annotations

from typing import Any

import pytest

from connectors.base import Deadline, ProbeResult
from connectors.testing import GENEROUS
from tests.connectors.sql.case import TABLES, section
from tests.connectors.sql.conftest import Shared
from tests.connectors.sql.opened import connector
from tests.connectors.sql.servers import PASSWORD, SqlServer


def probed(erp: SqlServer, **changed: Any) -> dict[str, ProbeResult]:
    with connector(erp, **changed) as opened:
        results = list(opened.probe(Deadline.after(GENEROUS)))
    assert not any(PASSWORD in result.text for result in results)
    return {result.what: result for result in results}  # of two about one thing the later


def test_everything_is_tried_and_nothing_is_left_written(erp: SqlServer) -> None:
    results = probed(erp)
    assert [result for result in results.values() if not result.ok] == []
    assert set(results) == {
        "sign in", "contact by phone", "order by key", "records.survey.find", "records.survey.insert",
        "records.survey.update",
        "activity.find", "activity.insert", "activity.update", "tasks.select", "tasks.read", "tasks.update",
    }  # fmt: skip
    assert [erp.run(f"SELECT count(*) FROM {table}") for table in TABLES] == [[(0,)]] * len(TABLES)


def test_a_column_or_table_that_is_not_there_is_named_with_what_was_meant(erp: SqlServer) -> None:
    kinds = {
        "order": {"select": "SELECT numbre, status FROM orders WHERE number = :key"},
        "person": {"select": "SELECT name, phone FROM custmers WHERE phone = :national"},
        "survey": {"insert": "INSERT INTO survey (bridge_key, scor) VALUES (:key, :score)"},
    }
    results = probed(erp, records=kinds)
    for what, meant in (
        ("order by key", "number"),
        ("person by phone", "customers"),
        ("records.survey.insert", "score"),
    ):
        assert not results[what].ok
        assert f"did you mean {meant}?" in results[what].text


def test_a_table_in_a_schema_of_its_own_is_told_of_like_any_other(shared: Shared) -> None:
    erp = shared("postgresql")
    erp.run("CREATE SCHEMA invoicing")
    try:
        erp.run("CREATE TABLE invoicing.clients AS SELECT n AS id, '6' || n AS phone FROM generate_series(1, 10500) n")
        kinds = {
            "whole": {"select": "SELECT id, phone FROM invoicing.clients WHERE phone = :national"},
            "wrong": {"select": "SELECT id, phone FROM invoicing.cleints WHERE phone = :national"},
        }
        results = probed(erp, records=kinds, activity=None)
        assert "reads all of clients" in results["whole by phone"].text
        assert "did you mean clients?" in results["wrong by phone"].text
    finally:
        erp.run("DROP SCHEMA invoicing CASCADE")


def test_a_lookup_that_reads_a_large_table_whole_is_a_warning(erp: SqlServer) -> None:
    name = f"big_{erp.backend}"
    erp.run(f"CREATE TABLE {name} (id INTEGER PRIMARY KEY, number VARCHAR(40), phone VARCHAR(40))")
    try:
        erp.many(f"INSERT INTO {name} VALUES (?, ?, ?)", [(n, str(n), f"6{n:08}") for n in range(10_500)])
        erp.run({"mariadb": f"ANALYZE TABLE {name}"}.get(erp.backend, "ANALYZE"))
        kinds = {
            "order": {"select": f"SELECT b.id, b.number FROM {name} b WHERE b.number = :key"},
            "person": {"select": f"SELECT id, phone FROM {name} WHERE id = :key"},
        }
        with connector(erp, records=kinds) as opened:
            warnings = [result for result in opened.probe(Deadline.after(GENEROUS)) if "warning" in result.text]
        assert [(result.what, result.ok) for result in warnings] == [("order by key", True)]
        assert f"reads all of {name}" in warnings[0].text
    finally:
        erp.run(f"DROP TABLE {name}")


def test_what_may_be_there_twice_is_a_warning_and_what_is_unique_is_not(erp: SqlServer) -> None:
    kinds = {
        "survey": {"insert": "INSERT INTO survey (bridge_key, score) VALUES (:key, :score)"},
        "call": {"insert": "INSERT INTO customers (name, phone) VALUES (:key, :phone)"},
    }
    results = probed(erp, records=kinds)
    assert "refused the second time" in results["records.survey.insert"].text
    assert "is there twice" in results["records.call.insert"].text


def test_a_column_that_has_to_be_filled_is_a_fault(erp: SqlServer) -> None:
    kinds = {"order": {"insert": "INSERT INTO survey (score) VALUES (:key)"}}
    assert not probed(erp, records=kinds)["records.order.insert"].ok


def test_a_table_without_transactions_is_not_written_to_try_it(shared: Shared) -> None:
    erp = shared("mariadb")
    erp.run("CREATE TABLE old (bridge_key VARCHAR(40)) ENGINE=MyISAM")
    try:
        results = probed(erp, records={"old": {"insert": "INSERT INTO old (bridge_key) VALUES (:key)"}})
        assert "not tried" in results["records.old.insert"].text
        assert erp.run("SELECT count(*) FROM old") == [(0,)]
    finally:
        erp.run("DROP TABLE old")


@pytest.mark.parametrize("kind", ["postgresql", "mariadb"])
def test_a_user_that_may_only_read_is_enough_for_lookups(shared: Shared, kind: str) -> None:
    erp = shared(kind)
    user = f"reader_{erp.url.rsplit('_', 1)[-1]}"
    if kind == "postgresql":
        erp.run(f"CREATE USER {user}")
        erp.run(f"GRANT SELECT ON ALL TABLES IN SCHEMA public TO {user}")
    else:
        erp.run(f"CREATE USER {user}@'%'")
        erp.run(f"GRANT SELECT ON {erp.url.rsplit('/', 1)[-1]}.* TO {user}@'%'")
    try:
        address = erp.url.split("@")[1]
        results = probed(erp, url=f"{kind}://{user}@{address}", records=section(erp)["records"])
        assert results["contact by phone"].ok
        assert results["order by key"].ok
        assert not results["records.survey.insert"].ok
    finally:
        if kind == "postgresql":
            erp.run(f"DROP OWNED BY {user}")
        erp.run(f"DROP USER {user}{'' if kind == 'postgresql' else '@' + chr(39) + '%' + chr(39)}")

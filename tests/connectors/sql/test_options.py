"""What `check` says of a section without asking the database."""

from __future__ import annotations

import importlib.util
import sqlite3
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from bridge.config.load import load
from bridge.errors import ConfigurationFaults
from connectors.base import Context, Deadline, LookupQuery, Unavailable
from connectors.sql import urls
from connectors.sql.connector import SqlConnector
from connectors.sql.options import SqlOptions
from connectors.testing import GENEROUS

ORDER = {"order": {"select": "SELECT number, status FROM orders WHERE number = :key"}}


def options(**changed: Any) -> SqlOptions:
    return SqlOptions.model_validate(
        {"type": "sql", "url": "postgresql://erp.example.com/erp", "records": ORDER, **changed}
    )


def said(folder: Path, **changed: Any) -> dict[str, str]:
    """What is wrong, by place; a warning with an exclamation mark."""
    return {
        ".".join(map(str, problem.loc)) + "!" * problem.warning: problem.text
        for problem in options(**changed).problems(folder)
    }


@pytest.mark.parametrize(
    ("url", "driver"),
    [
        ("postgresql://a@b/c", "postgresql+psycopg"), ("mysql://a@b/c", "mysql+pymysql"),
        ("mariadb://a@b/c", "mariadb+pymysql"), ("mssql://a@b/c", "mssql+pymssql"),
        ("sqlite:///x.db", "sqlite+pysqlite"),
        ("postgresql+psycopg2://a@b/c", "postgresql+psycopg2"),
    ],
)  # fmt: skip
def test_a_bare_url_means_a_driver(url: str, driver: str) -> None:
    assert options(url=url).address.drivername == driver


@pytest.mark.parametrize(
    "url", ["", "erp", "postgres://a:s3cret@b/c", "oracel://a:s3cret@b/c", "sqlite+aiosqlite:///x.db",
            "postgresql://a:pa@s3cret/x@b/c", "mariadb://a:pa@s3cret@b/c"],
)  # fmt: skip
def test_what_is_no_url_is_a_fault_that_does_not_repeat_it(url: str) -> None:
    with pytest.raises(ValidationError) as raised:
        options(url=url)
    assert "s3cret" not in str(raised.value.errors(include_input=False))


def test_a_file_of_sqlite_is_looked_for_beside_the_configuration_and_never_made(tmp_path: Path) -> None:
    sqlite3.connect(tmp_path / "facturas.db").close()
    (tmp_path / "facturas.db").touch()
    assert said(tmp_path, url="sqlite:///facturas.db") == {}
    [text] = said(tmp_path, url="sqlite:///factura.db").values()
    assert "did you mean facturas.db?" in text
    assert not (tmp_path / "factura.db").exists()
    assert "url" in said(tmp_path, url="sqlite://")
    assert "url" in said(tmp_path, url=f"sqlite:///{tmp_path}")


def test_a_driver_that_is_named_in_full_and_is_not_there_is_a_fault_too(tmp_path: Path) -> None:
    url = "mssql+pyodbc://a:s3cret@b/c"
    if importlib.util.find_spec("pyodbc") is not None:
        pytest.skip("pyodbc is installed")
    assert said(tmp_path, url=url) == {"url": "the driver of mssql+pyodbc can't be used: No module named 'pyodbc'"}
    with pytest.raises(Unavailable):
        SqlConnector("erp", options(url=url), Context(folder=tmp_path)).find(
            LookupQuery("order", key="1"), Deadline.after(GENEROUS)
        )


def test_a_missing_driver_is_a_fault_that_names_what_installs_it(tmp_path: Path) -> None:
    """pymssql is in no extra that the tests install."""
    if urls.missing_driver(options(url="mssql://a@b/c").address) is None:
        pytest.skip("pymssql is installed here")
    assert "pip install 'pymssql'" in said(tmp_path, url="mssql://a@b/c")["url"]


@pytest.mark.parametrize(
    ("record", "place", "part"),
    [
        ({"select": "SELECT a FROM t WHERE b = :nationl"}, "select", "did you mean :national?"),
        ({"select": "SELECT a FROM t"}, "select", "never asked"),
        ({"select": "SELECT a FROM t WHERE b = :key OR c = :e164"}, "select", "not both"),
        ({"select": "DELETE FROM t WHERE b = :key"}, "select", "DELETE"),
        ({"select": "SELECT a FROM t WHERE b = :key; SELECT 2"}, "select", "several"),
        ({"select": "SELECT a WHERE b = :key", "parameters": {"kye": "{{ key }}"}}, "parameters.kye", "mean key?"),
        ({"select": "SELECT a WHERE b = :x", "parameters": {"x": "{{ phone.nacional }}"}}, "parameters.x", "nacional"),
        ({"insert": "INSERT INTO t (a) VALUES (:a)"}, "insert!", "twice"),
        ({"insert": "INSERT INTO t (a) VALUES (:key)"}, "insert!", "UNIQUE"),
        ({"insert": "INSERT INTO t (a) VALUES (:key)", "find": "SELECT id FROM t"}, "find", "any row"),
    ],
)  # fmt: skip
def test_a_statement_that_can_t_work_is_a_fault(tmp_path: Path, record: dict[str, Any], place: str, part: str) -> None:
    assert part in said(tmp_path, records={"x": record})[f"records.x.{place}"]


def test_tasks_and_activities_that_touch_every_row_are_faults(tmp_path: Path) -> None:
    faults = said(
        tmp_path,
        activity={
            "insert": "INSERT INTO t (a, b) VALUES (:key, :contact)",
            "find": "SELECT id FROM t WHERE a = :key",
            "update": "UPDATE t SET a = 1",
        },
        tasks={
            "select": "SELECT phone FROM t",
            "read": "SELECT id FROM t",
            "update": "UPDATE t SET s = :status, n = :txt",
        },
        records={"contact": {"select": "SELECT name, phone FROM t WHERE phone = :e164"}},
    )
    assert {"activity.update", "tasks.select", "tasks.read", "tasks.update", "records.contact.select!"} <= set(faults)


@pytest.mark.parametrize(
    ("select", "dates", "place"),
    [
        ("SELECT id, cuando FROM t", {"format": "%m/%d/%Y"}, "tasks.dates!"),
        ("SELECT id, due FROM t", {"fields": ["due", "cuando"]}, "tasks.dates.fields!"),
        ("SELECT id, due FROM t", {"format": "%m/%d/%Y"}, None),
        ("SELECT * FROM t", {"format": "%m/%d/%Y"}, None),
        ("SELECT id, cuando FROM t", None, None),
    ],
)
def test_dates_of_columns_that_select_does_not_return_are_warned_of(
    tmp_path: Path, select: str, dates: dict[str, Any] | None, place: str | None
) -> None:
    tasks = {"select": select, **({} if dates is None else {"dates": dates})}
    assert [fault for fault in said(tmp_path, tasks=tasks) if "dates" in fault] == ([] if place is None else [place])


def test_a_kind_that_can_neither_be_found_nor_saved_is_a_fault() -> None:
    for record in ({}, {"phones": ["a"]}, {"select": "SELECT 1 WHERE :key", "find": "SELECT 1"}):
        with pytest.raises(ValidationError):
            options(records={"x": record})


def test_what_is_saved_and_what_a_rule_gives_are_compared_with_the_statements(tmp_path: Path) -> None:
    (tmp_path / "erp.db").touch()
    (tmp_path / "config.yaml").write_text(
        """
lines: [{number: "912345678", password: "0123456789abcdef"}]
connectors:
  erp:
    type: sql
    url: sqlite:///erp.db
    records:
      survey:
        insert: INSERT INTO survey (k, score) VALUES (:key, :score)
        find: SELECT id FROM survey WHERE k = :key
    activity:
      insert: INSERT INTO calls (k, s, p) VALUES (:key, :secons, :priority)
      find: SELECT id FROM calls WHERE k = :key
queries:
  A:
    save: [{in: erp, table: survey, fields: {scor: "1"}}]
    answer: {X: "1"}
activities: [{in: erp}]
callbacks:
  - {from: missed_calls, line: "912345678", rule_group: g, save: {in: erp, table: survey, fields: {skore: "1"}}}
""",
        encoding="utf-8",
    )
    with pytest.raises(ConfigurationFaults) as raised:
        load(tmp_path / "config.yaml")
    text = str(raised.value)
    assert text.count("did you mean score?") == 2
    assert "did you mean seconds?" in text
    assert "asks for priority" in text

"""Lookups in real databases."""

from __future__ import annotations

import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from connectors.base import Connector, Context, Deadline, LookupQuery, Misconfigured, TimedOut, Unavailable
from connectors.csv.connector import CsvConnector
from connectors.csv.options import CsvOptions
from connectors.phone import parse
from connectors.testing import GENEROUS
from tests.connectors.sheetcase import ods_of, workbook
from tests.connectors.sql.conftest import Shared
from tests.connectors.sql.opened import by_key, by_phone, connector
from tests.connectors.sql.servers import SqlServer
from tests.fakes.proxy import Proxy

HOSTILE = [
    "' OR '1'='1", "'; DROP TABLE orders; --", "\\' OR 1=1 --", '" OR ""="', "%", "_", ":key", "%s", "%(key)s",
    "{{ 7*7 }}",
]  # fmt: skip
SLEEPS = {
    "postgresql": "SELECT pg_sleep(30), :key AS number",
    "mariadb": "SELECT SLEEP(30), :key AS number",
    "sqlite": "WITH RECURSIVE t(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM t) SELECT count(*) AS number FROM t "
    "WHERE n <> :key",
}


def test_hostile_keys_are_values_and_never_statements(erp: SqlServer) -> None:
    rows = [(text, f"status {number}") for number, text in enumerate(HOSTILE)]
    erp.many("INSERT INTO orders (number, status) VALUES (?, ?)", rows)
    with connector(erp) as opened:
        for text, status in rows:
            assert [record.fields["status"] for record in by_key(opened, text)] == [status]
        assert by_key(opened, "' OR number LIKE '%") == []
    assert len(erp.run("SELECT number FROM orders")) == len(rows)


def test_a_row_with_another_key_text_is_no_match(erp: SqlServer) -> None:
    """A database may take ABC for abc, and 00077 for 77: the caller's order is the one that was keyed in."""
    erp.run("CREATE TABLE parts (n INTEGER, word VARCHAR(20))")
    try:
        erp.many("INSERT INTO parts VALUES (?, ?)", [(77, "abc"), (78, "ABC")])
        kinds = {
            "number": {"select": "SELECT n, word FROM parts WHERE n = :key"},
            "word": {"select": "SELECT n, word FROM parts WHERE lower(word) = lower(:key)", "key_column": "word"},
        }
        with connector(erp, records=kinds) as opened:
            assert [record.fields["word"] for record in by_key(opened, "77", "number")] == ["abc"]
            assert by_key(opened, "00077", "number") == []
            assert by_key(opened, "no number", "number") == []
            assert by_key(opened, "9" * 40, "number") == []
            assert [record.fields["n"] for record in by_key(opened, "ABC", "word")] == [78]
    finally:
        erp.run("DROP TABLE parts")


def test_the_first_statement_of_a_list_that_finds_something_counts(erp: SqlServer) -> None:
    erp.run("INSERT INTO orders (number, status) VALUES ('7', 'sent')")
    erp.run("INSERT INTO customers (name, phone) VALUES ('Ana', '600112233')")
    select = [
        "SELECT number, status FROM orders WHERE status = 'paid' AND number = :key",
        "SELECT number, status FROM orders WHERE number = :key",
        "SELECT name, phone FROM customers WHERE phone = :national",
    ]
    with connector(erp, records={"any": {"select": select}}) as opened:
        assert [record.fields["status"] for record in by_key(opened, "7", "any")] == ["sent"]
        assert [record.fields["name"] for record in by_phone(opened, "+34600112233", "any")] == ["Ana"]


def test_a_select_that_would_write_is_an_error_and_writes_nothing(erp: SqlServer) -> None:
    erp.run("INSERT INTO orders (number, status) VALUES ('7', 'sent')")
    writes = {
        "postgresql": "WITH gone AS (DELETE FROM orders WHERE number = :key RETURNING *) SELECT * FROM gone",
        "mariadb": "DELETE FROM orders WHERE number = :key RETURNING number, status",
        "sqlite": "DELETE FROM orders WHERE number = :key RETURNING number, status",
    }
    kinds = {"order": {"select": writes[erp.backend]}}
    with connector(erp, records=kinds) as opened, pytest.raises(Misconfigured, match="would write"):
        by_key(opened, "7")
    assert erp.run("SELECT status FROM orders") == [("sent",)]


def test_a_statement_ends_at_the_deadline_on_the_server_too(erp: SqlServer) -> None:
    with connector(erp, records={"order": {"select": SLEEPS[erp.backend]}}) as opened:
        with pytest.raises(TimedOut):
            by_key(opened, "7", seconds=0.3)
        assert _running(erp) == 0


def test_the_timeout_of_a_statement_is_no_deadline(erp: SqlServer) -> None:
    """It is answered with on_error, the passing of the deadline with on_timeout."""
    with connector(erp, records={"order": {"select": SLEEPS[erp.backend]}}, timeout="300ms") as opened:
        with pytest.raises(Unavailable, match="timeout") as raised:
            by_key(opened, "7")
        assert not isinstance(raised.value, TimedOut)


def _running(erp: SqlServer) -> int:
    """How many statements that sleep still run on the server, once it had a moment to end them."""
    asks = {
        "postgresql": "SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%pg_sleep(30)%' AND state = 'active' "
        "AND pid <> pg_backend_pid() AND datname = current_database()",
        "mariadb": "SELECT count(*) FROM information_schema.processlist WHERE info LIKE '%SLEEP(30)%' "
        "AND id <> connection_id() AND db = database()",
    }
    if erp.backend not in asks:
        return 0
    end, count = time.monotonic() + GENEROUS / 3, 1
    while count and time.monotonic() < end:
        count = int(erp.run(asks[erp.backend])[0][0])
        time.sleep(0.02)
    return count


@pytest.mark.parametrize(("kind", "port"), [("postgresql", 5432), ("mariadb", 3306)])
def test_a_database_that_hangs_is_left_at_the_deadline_and_serves_when_it_is_back(
    shared: Shared, kind: str, port: int
) -> None:
    erp: SqlServer = shared(kind)
    erp.run("INSERT INTO orders (number, status) VALUES ('7', 'sent')")
    with Proxy("127.0.0.1", port) as proxy:
        erp.proxy = proxy
        with connector(erp, connections=2) as opened:
            assert len(by_key(opened, "7")) == 1  # a connection is in the pool
            proxy.swallow()

            def late(_number: int) -> bool:
                with pytest.raises(TimedOut):
                    by_key(opened, "7", seconds=0.4)
                return True

            with ThreadPoolExecutor(8) as pool:
                assert all(pool.map(late, range(8)))
            proxy.away()
            proxy.back()
            assert [record.fields["status"] for record in by_key(opened, "7")] == ["sent"]


@pytest.mark.parametrize("kind", ["postgresql", "mariadb"])
def test_connections_that_the_server_closed_are_replaced_unseen(shared: Shared, kind: str) -> None:
    erp: SqlServer = shared(kind)
    erp.run("INSERT INTO orders (number, status) VALUES ('7', 'sent')")
    with connector(erp) as opened:
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(lambda _: by_key(opened, "7"), range(8)))
        if kind == "postgresql":
            erp.run(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
        else:
            for (number,) in erp.run(
                "SELECT id FROM information_schema.processlist WHERE db = database() AND id <> connection_id()"
            ):
                erp.run(f"KILL {number}")
        assert [len(by_key(opened, "7")) for _ in range(6)] == [1] * 6


def test_a_wrong_password_or_database_is_for_the_admin_to_mend(shared: Shared) -> None:
    erp: SqlServer = shared("mariadb")
    with connector(erp, url=erp.url.replace("s3cret", "wr0ng")) as opened, pytest.raises(Misconfigured) as raised:
        by_key(opened, "7")
    assert "wr0ng" not in str(raised.value)
    postgres: SqlServer = shared("postgresql")
    with connector(postgres, url=f"{postgres.url}_gone") as opened, pytest.raises(Misconfigured):
        by_key(opened, "7")


def test_a_column_that_is_not_returned_is_said_with_what_was_meant(erp: SqlServer) -> None:
    erp.run("INSERT INTO customers (name, phone) VALUES ('Ana', '600112233')")
    kinds = {"contact": {"select": "SELECT name, phone AS telefono FROM customers WHERE phone = :national",
                         "phones": ["telefon"]}}  # fmt: skip
    with connector(erp, records=kinds) as opened, pytest.raises(Misconfigured, match="did you mean telefono"):
        by_phone(opened, "600112233")


def test_a_list_without_numbers_is_no_list_without_the_number(erp: SqlServer) -> None:
    erp.run("INSERT INTO customers (name, phone) VALUES ('600112233', 'ask')")
    kinds = {"robinson": {"select": "SELECT name, phone FROM customers WHERE name = :national"}}
    with connector(erp, records=kinds) as opened:
        query = LookupQuery("robinson", phone=parse("600112233", "ES"), strict=True)
        with pytest.raises(Misconfigured, match="none of 1 found has a number"):
            opened.find(query, Deadline.after(GENEROUS))


def test_an_sqlite_file_may_be_replaced_by_another(shared: Shared, tmp_path: Path) -> None:
    erp: SqlServer = shared("sqlite")
    erp.run("INSERT INTO orders (number, status) VALUES ('7', 'sent')")
    with connector(erp) as opened:
        assert [record.fields["status"] for record in by_key(opened, "7")] == ["sent"]
        path = tmp_path / "crm" / "erp.db"
        copy = path.with_suffix(".new")
        copy.write_bytes(path.read_bytes())
        copy.replace(path)
        erp.run("UPDATE orders SET status = 'paid'")
        assert [record.fields["status"] for record in by_key(opened, "7")] == ["paid"]


PEOPLE_HEADER = ["name", "phone", "mobile", "changed"]
QUESTIONS = [
    "600112233", "+34600112233", "0034 600 112 233", "911222333", "+34911222333", "600999888", "+33612345678",
    "612345678", "+34612345678", "900100200",
    "key:00077", "key:77", "key:077", "key:A-1", "key:a-1", "key:ñ€", "key:n€", "key:' OR 1=1 --", "key:%", "key:",
]  # fmt: skip
PEOPLE = [
    ("Ana Peña", "600 11 22 33", "", "2026-03-04"), ("Luis", "911222333", "+34 600-112-233", "2025-01-02"),
    ("Zoé", "+33 6 12 34 56 78", "", "2026-01-01"), ("Nobody", "", "", "2026-01-01"),
    ("Eva", "911 222 333", "", "2026-05-06"),
]  # fmt: skip
ORDERS = [("00077", "sent"), ("77", "paid"), ("A-1", "new"), ("ñ€", "lost"), ("x", "none")]


def of_files(folder: Path, ending: str) -> CsvConnector:
    """The connector of the same people and orders in files."""
    for name, header, rows in (("people", PEOPLE_HEADER, PEOPLE), ("orders", ["number", "status"], ORDERS)):
        path = folder / f"{name}.{ending}"
        if ending == "xlsx":
            workbook(path, [header, *rows])
        elif ending == "ods":
            ods_of(path, "".join(map(_ods_row, [header, *rows])).encode())
        else:
            path.write_text("".join(f"{','.join(row)}\n" for row in [header, *rows]), encoding="utf-8")
    tables = {
        "contact": {"file": f"people.{ending}", "phones": ["phone", "mobile"], "date": "changed"},
        "order": {"file": f"orders.{ending}", "key": "number"},
    }
    return CsvConnector("files", CsvOptions.model_validate({"type": "csv", "tables": tables}), Context(folder=folder))


def _ods_row(row: Sequence[str]) -> str:
    cells = (f'<table:table-cell office:value-type="string"><text:p>{cell}</text:p></table:table-cell>' for cell in row)
    return f"<table:table-row>{''.join(cells)}</table:table-row>"


def answers(opened: Connector) -> list[list[str]]:
    """What each question gives."""
    replies = []
    for question in QUESTIONS:
        key = question.removeprefix("key:") if question.startswith("key:") else None
        phone = None if key is not None else parse(question, "ES")
        query = LookupQuery("order" if phone is None else "contact", phone=phone, key=key, newest=phone is not None)
        records = opened.find(query, Deadline.after(GENEROUS))
        replies.append([str(record.fields.get("name") or record.fields.get("status")) for record in records])
    return replies


ANSWERS = [
    ["Ana Peña", "Luis"], ["Ana Peña", "Luis"], ["Ana Peña", "Luis"], ["Eva", "Luis"], ["Eva", "Luis"],
    [], ["Zoé"], [], [], [],
    ["sent"], ["paid"], [], ["new"], [], ["lost"], [], [], [], [],
]  # fmt: skip


def test_twenty_questions_have_the_same_answers_from_databases(erp: SqlServer) -> None:
    erp.many("INSERT INTO customers (name, phone, mobile, changed) VALUES (?, ?, ?, ?)", PEOPLE)
    erp.many("INSERT INTO orders (number, status) VALUES (?, ?)", ORDERS)
    with connector(erp) as opened:
        assert answers(opened) == ANSWERS


@pytest.mark.parametrize("ending", ["csv", "xlsx", "ods"])
def test_twenty_questions_have_the_same_answers_from_files(ending: str, tmp_path: Path) -> None:
    with closing(of_files(tmp_path, ending)) as opened:
        assert answers(opened) == ANSWERS


def test_the_next_appointment_comes_with_its_date(erp: SqlServer) -> None:
    erp.many(
        "INSERT INTO customers (name, phone, changed) VALUES (?, ?, ?)",
        [
            ("later", "600112233", "2026-11-02"),
            ("over", "600112233", "2020-01-01"),
            ("soon", "600112233", "2026-03-05"),
        ],
    )
    with connector(erp) as opened:
        query = LookupQuery(
            "contact", phone=parse("600112233", "ES"), upcoming=True, since=datetime(2026, 3, 4, tzinfo=UTC)
        )
        records = opened.find(query, Deadline.after(GENEROUS))
    assert [(record.fields["name"], record.dated) for record in records] == [
        ("soon", date(2026, 3, 5)),
        ("later", date(2026, 11, 2)),
    ]


@pytest.mark.parametrize("key", ["9" * 30, "-" + "9" * 30])
def test_a_number_that_no_column_can_hold_is_not_found(erp: SqlServer, key: str) -> None:
    kinds = {"order": {"select": "SELECT id, name FROM customers WHERE id = :n",
                       "parameters": {"n": "{{ key | int }}"}}}  # fmt: skip
    with connector(erp, records=kinds) as opened:
        assert by_key(opened, key) == []


@pytest.mark.parametrize("key", ["x" * 999, "a  b", "a\tb\n c", "a \"b\" 'c'", "«a»"])
def test_words_that_no_number_can_be_are_not_found_however_the_server_quotes_them(erp: SqlServer, key: str) -> None:
    with connector(erp, records={"order": {"select": "SELECT id, name FROM customers WHERE id = :key"}}) as opened:
        assert by_key(opened, key) == []


def test_a_server_that_speaks_spanish_says_not_found_too(shared: Shared) -> None:
    erp = shared("postgresql")
    erp.run(
        "CREATE OR REPLACE FUNCTION en_castellano(word TEXT) RETURNS INTEGER LANGUAGE plpgsql AS $$ BEGIN "
        "RAISE 'la sintaxis de entrada no es válida para tipo integer: «%»', word USING ERRCODE = '22P02'; END $$"
    )
    with connector(erp, records={"order": {"select": "SELECT en_castellano(:key) AS id"}}) as opened:
        assert by_key(opened, "abc") == []


def test_times_that_are_none_for_python_do_not_hide_a_row(shared: Shared) -> None:
    """`infinity` is how a database writes never."""
    erp = shared("postgresql")
    erp.run(
        "CREATE TABLE IF NOT EXISTS contracts AS SELECT 'C1' AS number, DATE 'infinity' AS ends, "
        "TIMESTAMPTZ '-infinity' AS began, DATE '0044-03-15 BC' AS signed, TIME '24:00' AS closes, "
        "DATE '2026-11-28' AS paid"
    )
    kinds = {"order": {"select": "SELECT * FROM contracts WHERE number = :key", "date": "ends"}}
    with connector(erp, records=kinds) as opened:
        (record,) = opened.find(LookupQuery("order", key="C1", newest=True), Deadline.after(GENEROUS))
    assert record.fields == {
        "number": "C1", "ends": "infinity", "began": "-infinity", "signed": "0044-03-15 BC", "closes": "24:00:00",
        "paid": date(2026, 11, 28),
    }  # fmt: skip
    assert record.dated is None

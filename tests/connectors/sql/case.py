"""A small invoicing program's tables, and a mapping of them."""

from __future__ import annotations

from typing import Any

from tests.connectors.sql.servers import SqlServer

TABLES = ("customers", "orders", "survey", "calls", "callbacks")
_DIGITS = "phone"
for _mark in " -./()+":
    _DIGITS = f"REPLACE({_DIGITS}, '{_mark}', '')"
_MOBILE = _DIGITS.replace("phone", "mobile")
SELECT = (
    f"SELECT id, name, phone, mobile, changed FROM customers WHERE {_DIGITS} LIKE :inside OR {_MOBILE} LIKE :inside "
    "ORDER BY id"
)


def tables(server: SqlServer) -> None:
    """Make the tables, empty."""
    server.each(
        (
            f"CREATE TABLE customers (id {server.serial}, name VARCHAR(200), phone VARCHAR(80), mobile VARCHAR(80), "
            "changed DATE)",
            "CREATE TABLE orders (number VARCHAR(40) NOT NULL PRIMARY KEY, status VARCHAR(40))",
            f"CREATE TABLE survey (id {server.serial}, bridge_key VARCHAR(100) NOT NULL UNIQUE, phone VARCHAR(40), "
            "score VARCHAR(200))",
            f"CREATE TABLE calls (id {server.serial}, bridge_key VARCHAR(100) NOT NULL UNIQUE, customer INTEGER, "
            "subject VARCHAR(200), note VARCHAR(2000), seconds INTEGER, cost NUMERIC(10, 4), began TIMESTAMP NULL)",
            f"CREATE TABLE callbacks (id {server.serial}, phone VARCHAR(40), due TIMESTAMP NULL, "
            "status VARCHAR(20) NOT NULL DEFAULT 'open', note VARCHAR(200))",
        )
    )


def section(server: SqlServer, **changed: object) -> dict[str, Any]:
    """The connector's section."""
    return {
        "type": "sql",
        "url": server.url,
        "timeout": "20s",
        "records": {
            "contact": {
                "select": SELECT,
                "parameters": {"inside": "{{ '%' ~ phone.national ~ '%' }}"},
                "phones": ["phone", "mobile"],
                "date": "changed",
            },
            "order": {"select": "SELECT number, status FROM orders WHERE number = :key"},
            "survey": {
                "insert": "INSERT INTO survey (bridge_key, phone, score) VALUES (:key, :phone, :score)",
                "find": "SELECT id FROM survey WHERE bridge_key = :key",
                "update": "UPDATE survey SET phone = :phone, score = :score WHERE id = :id",
            },
        },
        "activity": {
            "find": "SELECT id FROM calls WHERE bridge_key = :key",
            "insert": "INSERT INTO calls (bridge_key, customer, subject, note, seconds, cost, began) "
            "VALUES (:key, :contact, :subject, :note, :seconds, :cost, :start)",
            "update": "UPDATE calls SET subject = :subject, note = :note, seconds = :seconds WHERE bridge_key = :key",
        },
        "tasks": {
            "select": "SELECT id, phone, due FROM callbacks WHERE status = 'open'",
            "read": "SELECT id, phone, due FROM callbacks WHERE id = :id AND status IN ('open', 'claimed')",
            "update": "UPDATE callbacks SET status = :status, note = :text WHERE id = :id",
        },
        **changed,
    }

"""What people read, in their language."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from bridge.texts import Language, Plural, Text, from_json, literal, said


@pytest.mark.parametrize(("language", "shown"), [("en", "Call received from Ana"), ("es", "Llamada recibida de Ana")])
def test_a_text_says_itself_in_a_language(language: Language, shown: str) -> None:
    assert Text("Call received from {whom}", whom="Ana").render(language) == shown


def test_logs_have_english() -> None:
    assert str(Text("Call received from {whom}", whom="Ana")) == "Call received from Ana"


def test_a_text_within_a_text_is_in_the_same_language() -> None:
    text = Text("Call received from {whom}", whom=Text("hidden number"))
    assert (str(text), text.render("es")) == ("Call received from hidden number", "Llamada recibida de número oculto")


@pytest.mark.parametrize(
    ("count", "english", "spanish"),
    [(1, "1 time", "1 vez"), (0, "0 times", "0 veces"), (1234, "1,234 times", "1.234 veces")],
)
def test_numbers_have_their_plural_and_their_thousands(count: int, english: str, spanish: str) -> None:
    text = Plural("{count:,} time", "{count:,} times", count)
    assert (str(text), text.render("es")) == (english, spanish)


def test_decimals_are_written_as_the_language_writes_them() -> None:
    text = Text("answered in {ms:g} ms: {variables}", ms=4.427, variables="x = 1.5")
    assert (str(text), text.render("es")) == ("answered in 4.427 ms: x = 1.5", "respondida en 4,427 ms: x = 1.5")


def test_only_a_number_is_counted() -> None:
    known = "unknown key; known here: country, extensions, numbers, password"
    assert said(known).render("es") == "clave desconocida; aquí se conocen: country, extensions, numbers, password"
    assert said("1,234 rows taken").render("es") == "1.234 filas tomadas"
    slow = said("GET http://127.0.0.1/api (after a wait of 3 ms): no whole answer in time").render("es")
    assert slow == "GET http://127.0.0.1/api (tras esperar 3 ms): ninguna respuesta completa a tiempo"


def test_what_stands_last_within_brackets_is_said_too() -> None:
    refused = said("not sent: no connection (127.0.0.1:9: Connection refused)").render("es")
    assert refused == "no enviada: no hay conexión (127.0.0.1:9: Conexión rechazada)"


def test_what_a_file_is_said_to_be_is_no_comparison() -> None:
    """`{name} is {value}, not {expected}` fits as well."""
    reason = "it is a spreadsheet of Excel or LibreOffice, or another zip archive, not text"
    whole = said(f"clientes.csv: {reason}; save it as CSV (UTF-8), from where it was made").render("es")
    assert whole.startswith(
        "clientes.csv: es una hoja de cálculo de Excel o LibreOffice, u otro archivo zip, no texto;"
    )
    assert said("NOMBRE is 'Ana', not 'Eva'").render("es") == "NOMBRE es 'Ana', no 'Eva'"


def test_what_somebody_else_said_is_no_message() -> None:
    for words in ("a {strange} thing", "} {", "hidden number", ""):
        assert str(literal(words)) == words
    assert literal("hidden number").render("es") == "hidden number"


def test_values_are_never_taken_for_placeholders() -> None:
    assert str(Text("Call received from {whom}", whom="{whom}")) == "Call received from {whom}"


def test_a_text_survives_being_kept_as_json() -> None:
    doubled = datetime(2026, 10, 25, 2, 30, fold=1, tzinfo=ZoneInfo("Europe/Madrid"))
    for text in (
        Text("Call received from {whom}", whom=Text("hidden number")), Plural("{count:,} time", "{count:,} times", 3),
        literal("{x}"), Text("hidden number"), Text("Make room on the disk of {folder}", folder=Path("/var/lib/x")),
        Text("since {when:%Y-%m-%d %H:%M}", when=doubled),
    ):  # fmt: skip
        again = from_json(json.loads(json.dumps(text.to_json())))
        assert again == text
        assert again.render("es") == text.render("es")
    assert str(from_json("as an earlier version kept it, {so}")) == "as an earlier version kept it, {so}"


def test_the_words_of_strangers_can_be_clipped() -> None:
    text = Text("Call received from {whom}", whom="x" * 5000).clipped(10)
    assert str(text) == "Call received from xxxxxxxxxx"

"""Columns by names of ours beside those of the file."""

from __future__ import annotations

import logging
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from connectors.base import Activity, Deadline, LookupQuery, NewRecord, Record
from connectors.csv.columns import Columns
from connectors.csv.connector import CsvConnector
from connectors.phone import parse
from connectors.testing import eventually
from tests.connectors.csvcase import SOON, connector, options, table
from tests.connectors.sheetcase import workbook

NAMES = {"name": "Nombre", "phone": "Tel. móvil", "code": "Código"}
PEOPLE = "Código;Nombre;Tel. móvil;Médico\n0007;Ana;600 11 22 33;101\n0008;Eva;;102\n"


def section(**more: Any) -> dict[str, Any]:
    return {"contact": {"file": "people.csv", "phones": ["phone"], "key": "code", "columns": NAMES, **more}}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "people.csv").write_text(PEOPLE, encoding="utf-8")
    return tmp_path


def by_key(opened: CsvConnector, key: str) -> list[Record]:
    return list(opened.find(LookupQuery("contact", key=key), Deadline.after(SOON)))


def by_phone(opened: CsvConnector, phone: str) -> list[Record]:
    return list(opened.find(LookupQuery("contact", phone=parse(phone, "ES")), Deadline.after(SOON)))


def save(opened: CsvConnector, key: str, **fields: object) -> str | None:
    return opened.save(NewRecord("contact", key, fields), Deadline.after(SOON)).id


@pytest.mark.parametrize(
    "names", [{"phones": ["phone"], "key": "code"}, {"phones": ["Tel. móvil"], "key": "Código", "date": "Nombre"}]
)
def test_a_column_is_known_by_our_name_and_by_the_files_own(folder: Path, names: dict[str, Any]) -> None:
    assert list(options(tables=section(**names)).problems(folder)) == []
    with connector(folder, tables=section(**names)) as opened:
        [record] = by_key(opened, "0007")
        assert by_phone(opened, "600112233") == [record]
    assert record.fields == {
        "Código": "0007", "Nombre": "Ana", "Tel. móvil": "600 11 22 33", "Médico": "101",
        "name": "Ana", "phone": "600 11 22 33", "code": "0007",
    }  # fmt: skip
    assert (record.id, [str(phone) for phone in record.phones]) == ("0007", ["+34600112233"])


def test_where_the_file_calls_another_column_as_we_do_ours_counts(folder: Path) -> None:
    (folder / "people.csv").write_text("code,name,Nombre,phone\n1,clave,Ana,600112233\n", encoding="utf-8")
    names = {"name": "Nombre"}
    with connector(folder, tables=section(columns=names)) as opened:
        [record] = by_key(opened, "1")
    assert (record.fields["name"], record.fields["Nombre"]) == ("Ana", "Ana")


def test_check_knows_both_names_and_misses_what_is_not_there(folder: Path) -> None:
    said = options(tables=section())
    assert list(said.problems(folder)) == []
    assert {"name", "Nombre", "Médico"} <= said.abilities().fields["contact"]
    said = options(tables=section(columns={**NAMES, "agent": "Medico"}))
    [problem] = said.problems(folder)
    assert problem.loc == ("tables", "contact", "columns", "agent")
    assert problem.text == "people.csv has no column Medico; did you mean Médico?"


@pytest.mark.parametrize(
    ("columns", "said"),
    [
        ({"name": "Nombre", "who": "Nombre"}, "the column Nombre has two names, name and who"),
        ({"bridge_key": "Clave"}, "bridge_key is the bridge's own column"),
        ({"name": "bridge_key"}, "bridge_key is the bridge's own column"),
        ({"name": " "}, "neither of them empty"),
    ],
)
def test_names_that_make_no_sense_are_refused(columns: dict[str, str], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        options(tables=section(columns=columns))


def test_a_spreadsheets_header_is_found_by_either_name(folder: Path) -> None:
    workbook(folder / "people.xlsx", [["Personas"], PEOPLE.splitlines()[0].split(";"),
                                      ["0007", "Ana", 600112233, 101]])  # fmt: skip
    with connector(folder, tables=section(file="people.xlsx")) as opened:
        assert [record.fields["name"] for record in by_phone(opened, "600112233")] == ["Ana"]


def test_what_is_saved_goes_into_the_columns_of_a_file_that_a_person_made(folder: Path) -> None:
    with connector(folder, tables=section()) as opened:
        assert save(opened, "k1", name="Luis", phone="600999888", code="0009") == "0009"
        assert save(opened, "k2", Nombre="Iñigo", Código="0010", extra="x") == "0010"
        eventually(lambda: len(by_key(opened, "0010")) == 1, "the new rows")
        assert by_phone(opened, "600999888")[0].fields["name"] == "Luis"
    rows = table(folder / "people.csv", delimiter=";")
    assert list(rows[0]) == ["Código", "Nombre", "Tel. móvil", "Médico", "bridge_key", "extra"]
    assert [(row["Código"], row["Nombre"]) for row in rows[2:]] == [("0009", "Luis"), ("0010", "Iñigo")]


@pytest.mark.parametrize("by", [{}, {"phones": ["Tel. móvil"], "key": "Código", "date": "Nombre"}])
def test_a_new_file_gets_our_names_and_is_looked_up_by_both(folder: Path, by: dict[str, Any]) -> None:
    (folder / "people.csv").unlink()
    with connector(folder, tables=section(**by)) as opened:
        save(opened, "k1", Nombre="Luis", phone="600999888", code="0009")
        eventually(lambda: all(result.ok for result in opened.probe(Deadline.after(SOON))), "the new file")
        eventually(lambda: len(by_key(opened, "0009")) == 1, "the new row")
        [record] = by_phone(opened, "600999888")
        assert (record.fields["name"], record.fields["Nombre"], record.id) == ("Luis", "Luis", "0009")
    [row] = table(folder / "people.csv")
    assert row == {"bridge_key": "k1", "code": "0009", "phone": "600999888", "name": "Luis"}


def test_where_a_value_comes_by_both_names_that_by_ours_counts(folder: Path) -> None:
    with connector(folder, tables=section()) as opened:
        save(opened, "k1", name="Luis", Nombre="Otro", code="0009")
    assert table(folder / "people.csv", delimiter=";")[2]["Nombre"] == "Luis"


def call(revision: int = 1, subject: str = "Llamada") -> Activity:
    return Activity(
        "k", subject, "nota", "received", parse("600112233", "ES"), "912345678", "912345678", None, None, 35, None,
        True, "101", None, revision=revision,
    )  # fmt: skip


def test_activities_go_into_the_columns_that_are_there(folder: Path) -> None:
    path = folder / "calls.csv"
    path.write_text("Fecha;Asunto;Mía\n", encoding="utf-8")
    said = {"file": "calls.csv", "columns": {"subject": "Asunto", "start": "Fecha", "note": "Nota"}}
    with connector(folder, activities=said) as opened:
        opened.log_activity(call(), Deadline.after(SOON))
        opened.log_activity(call(2, "Corregida"), Deadline.after(SOON))
    [row] = table(path, delimiter=";")
    assert (row["Asunto"], row["note"], row["revision"], row["Mía"]) == ("Corregida", "nota", "2", "")
    assert not {"subject", "start", "Nota"} & row.keys()


def test_a_new_file_of_activities_has_our_names(folder: Path) -> None:
    with connector(folder, activities={"file": "calls.csv", "columns": {"subject": "Asunto"}}) as opened:
        opened.log_activity(call(), Deadline.after(SOON))
    assert table(folder / "calls.csv")[0]["subject"] == "Llamada"


def test_columns_that_trade_names_are_kept_apart() -> None:
    columns = Columns(named={"a": "b", "b": "a"})
    assert columns.fields(["a", "b"], ["1", "2"]) == {"a": "2", "b": "1"}
    assert columns.ours({"a": 1, "b": 2}) == {"a": 1, "b": 2}


# tasks

TASKS = {"file": "tasks.csv", "columns": {"id": "Nº", "phone": "Móvil", "due": "Cuándo"}}


def tasks(folder: Path, text: str, **more: Any) -> list[tuple[str, object]]:
    (folder / "tasks.csv").write_text(text, encoding="utf-8")
    with connector(folder, tasks={**TASKS, **more}) as opened:
        return [(task.id, task.fields["due"]) for task in opened.tasks(Deadline.after(SOON))]


def test_tasks_have_our_names_too(folder: Path) -> None:
    (folder / "tasks.csv").write_text("Nº,Móvil,Cuándo\n1,600112233,\n", encoding="utf-8")
    said = options(tasks=TASKS)
    assert list(said.problems(folder)) == []
    names = frozenset({"Nº", "Móvil", "Cuándo", "id", "phone", "due"})
    assert said.abilities().task_fields == names
    with connector(folder, tasks=TASKS) as opened:
        [task] = opened.tasks(Deadline.after(SOON))
        assert opened.task_fields() == names
        assert opened.read_task(task, Deadline.after(SOON)) == task
    assert (task.id, task.fields["phone"], task.fields["Móvil"]) == ("1", "600112233", "600112233")


@pytest.mark.parametrize(
    ("written", "dates", "read"),
    [
        ("05/02/2024 16:30", {"format": "%m/%d/%Y %H:%M", "timezone": "UTC"}, datetime(2024, 5, 2, 16, 30, tzinfo=UTC)),
        ("02.05.24", {"format": "%d.%m.%y"}, date(2024, 5, 2)),
        ("1714660200", {"format": "epoch"}, datetime(2024, 5, 2, 14, 30, tzinfo=UTC)),
        ("2024-05-02", {}, date(2024, 5, 2)),
        ("", {}, None),
        ("02/05/2024", None, "02/05/2024"),
    ],
)
def test_times_are_read_as_dates_says(folder: Path, written: str, dates: Any, read: object) -> None:
    text = f"Nº,Móvil,Cuándo\n1,600112233,{written}\n"
    assert tasks(folder, text, **({} if dates is None else {"dates": dates})) == [("1", read)]


def test_a_time_that_is_written_otherwise_stays_as_it_is_and_is_said_once(
    folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (folder / "tasks.csv").write_text("Nº,Móvil,Cuándo\n1,600112233,mañana\n2,600112234,2024-05-02\n")
    with caplog.at_level(logging.WARNING), connector(folder, tasks={**TASKS, "dates": {}}) as opened:
        for _ in range(2):
            listed = list(opened.tasks(Deadline.after(SOON)))
    assert [task.fields["due"] for task in listed] == ["mañana", date(2024, 5, 2)]
    assert caplog.text.count("1 rows have a time that is not written as tasks.dates says") == 1


def test_a_date_cell_of_a_spreadsheet_is_a_date_whatever_the_texts_are_like(folder: Path) -> None:
    rows: list[list[Any]] = [["Nº", "Móvil", "Cuándo"], [1, 600112233, date(2024, 5, 2)], [2, 600112234, "02/05/2024"]]
    workbook(folder / "tasks.xlsx", rows)
    said = {**TASKS, "file": "tasks.xlsx", "dates": {"format": "%d/%m/%Y"}}
    with connector(folder, tasks=said) as opened:
        assert [task.fields["due"] for task in opened.tasks(Deadline.after(SOON))] == [date(2024, 5, 2)] * 2


@pytest.mark.parametrize("named", ["due", "Cuándo"])
def test_a_time_is_one_by_both_names_of_its_column(folder: Path, named: str) -> None:
    (folder / "tasks.csv").write_text("Nº,Móvil,Cuándo\n1,600112233,05/02/2024\n", encoding="utf-8")
    said = {**TASKS, "dates": {"format": "%m/%d/%Y", "fields": [named]}}
    assert list(options(tasks=said).problems(folder)) == []
    with connector(folder, tasks=said) as opened:
        [task] = opened.tasks(Deadline.after(SOON))
    assert (task.fields["due"], task.fields["Cuándo"]) == (date(2024, 5, 2), date(2024, 5, 2))


@pytest.mark.parametrize(
    ("dates", "place"),
    [({"format": "%d.%m.%y"}, ("tasks", "dates")), ({"fields": ["Fecha"]}, ("tasks", "dates", "fields", 0))],
)
def test_dates_of_columns_that_are_not_there_are_warned_of(folder: Path, dates: Any, place: tuple[str, ...]) -> None:
    (folder / "tasks.csv").write_text("id,phone,cuando\n1,600112233,02.05.24\n", encoding="utf-8")
    [problem] = options(tasks={"file": "tasks.csv", "dates": dates}).problems(folder)
    assert (problem.loc, problem.warning) == (place, True)
    assert "has no column" in problem.text

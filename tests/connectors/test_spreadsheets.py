"""Spreadsheets in place of CSV files: what they hold, as a person sees it; what is refused."""

from __future__ import annotations

import json
import logging
import resource
import shutil
import struct
import subprocess
import sys
from datetime import datetime, timedelta
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest

from connectors.base import ConnectorError, Deadline, LookupQuery, Misconfigured, NewRecord, Record
from connectors.csv.connector import CsvConnector
from connectors.phone import parse
from connectors.spreadsheets.cells import text
from connectors.testing import ConnectorContract, Harness, eventually
from tests.connectors.csvcase import SOON, connector, options
from tests.connectors.sheetcase import (
    HEADER,
    KEPT,
    ROWS,
    TEXTS,
    ods_of,
    people,
    repacked,
    with_chart_first,
    workbook,
    xlsx_of,
)
from tests.connectors.test_csvfile_contract import CsvHarness

FORMS = [".csv", ".xlsx", ".xlsm", ".xls", ".ods", ".XLSX"]
PHONES = ["Tel. móvil", "Tel. fijo"]


def section(name: str, **more: Any) -> dict[str, Any]:
    return {"contact": {"file": name, "key": "Código", "phones": PHONES, "date": "Alta", **more}}


def ask(opened: CsvConnector, *, key: str | None = None, phone: str | None = None) -> list[Record]:
    query = LookupQuery("contact", key=key, phone=None if phone is None else parse(phone, "ES"))
    return list(opened.find(query, Deadline.after(SOON)))


def refusal(path: Path, **more: Any) -> str:
    """Why a table can't be looked up in."""
    with connector(path.parent, tables=section(path.name, **more)) as opened, pytest.raises(ConnectorError) as caught:
        ask(opened, key="1")
    return str(caught.value)


@pytest.mark.parametrize("form", FORMS)
def test_the_same_questions_have_the_same_answers(tmp_path: Path, form: str) -> None:
    path = people(tmp_path / f"people{form}")
    with connector(tmp_path, tables=section(path.name)) as opened:
        assert [record.fields for record in ask(opened, key="00077")] == [dict(zip(HEADER, TEXTS[0], strict=True))]
        assert [record.fields for record in ask(opened, key=" 77 ")] == [dict(zip(HEADER, TEXTS[1], strict=True))]
        assert [record.fields for record in ask(opened, key="00078")] == [dict(zip(HEADER, TEXTS[2], strict=True))]
        assert ask(opened, key="78") == []
        for phone, name in (("600111222", "Ana Peña"), ("911223344", "Ana Peña"), ("600223344", "Luis Gil"),
                            ("600333444", "Eva Ruiz")):  # fmt: skip
            assert [record.fields["Nombre"] for record in ask(opened, phone=phone)] == [name]
        assert ask(opened, phone="600999999") == []
        [shown, tried] = opened.probe(Deadline.after(SOON))
        assert (shown.ok, tried.ok) == (True, True)
        assert shown.text.startswith("3 rows with Código, Nombre")


@pytest.mark.parametrize("form", [".xlsx", ".xls", ".ods"])
def test_a_record_without_a_key_is_known_by_its_row_in_the_spreadsheet(tmp_path: Path, form: str) -> None:
    path = people(tmp_path / f"people{form}")
    with connector(tmp_path, tables=section(path.name, key=None)) as opened:
        assert [record.id for record in ask(opened, phone="600333444")] == ["6"]


def test_the_newest_is_told_by_its_date(tmp_path: Path) -> None:
    workbook(tmp_path / "people.xlsx", [HEADER, *([*row[:2], 600111222, *row[3:]] for row in ROWS)])
    with connector(tmp_path, tables=section("people.xlsx")) as opened:
        names = [record.fields["Nombre"] for record in ask(opened, phone="600111222")]
    assert names == ["Luis Gil", "Ana Peña", "Eva Ruiz"]


def test_a_sheet_is_found_by_its_name_also_where_it_is_hidden(tmp_path: Path) -> None:
    path = workbook(tmp_path / "people.xlsx", [HEADER, *ROWS], sheet="Otros")
    assert "did you mean Otros?" in refusal(path, sheet="Otro")
    assert "it has Notas, Otros" in refusal(path, sheet="zzz")
    with connector(tmp_path, tables=section(path.name, sheet="Otros")) as opened:
        assert len(ask(opened, key="77")) == 1
    with connector(tmp_path, tables={"contact": {"file": path.name, "sheet": "Notas", "key": "nada"}}) as opened:
        assert ask(opened, key="77") == []


def test_a_chart_is_no_sheet(tmp_path: Path) -> None:
    path = with_chart_first(tmp_path / "people.xlsx")
    assert "it has no sheet Gráfico" in refusal(path, sheet="Gráfico")
    with connector(tmp_path, tables=section(path.name)) as opened:
        assert len(ask(opened, key="77")) == 1


def test_the_header_is_the_first_row_with_all_columns_that_are_named(tmp_path: Path) -> None:
    title = [["Código", "y más"], [], ["Nombre"], ["Código", "Tel. móvil"]]
    path = workbook(tmp_path / "people.xlsx", [*title, HEADER, *ROWS])
    with connector(tmp_path, tables=section(path.name)) as opened:
        assert [record.fields["Nombre"] for record in ask(opened, key="77")] == ["Luis Gil"]


@pytest.mark.parametrize(("above", "read"), [(19, True), (20, False)])
def test_the_header_is_looked_for_in_twenty_rows(tmp_path: Path, above: int, read: bool) -> None:
    path = workbook(tmp_path / "people.xlsx", [*([["x"]] * above), HEADER, *ROWS])
    if read:
        with connector(tmp_path, tables=section(path.name)) as opened:
            assert len(ask(opened, key="77")) == 1
    else:
        assert "there is no column Código" in refusal(path)


def test_a_column_that_is_not_there_is_looked_for_in_the_row_that_is_most_like_the_header(tmp_path: Path) -> None:
    workbook(tmp_path / "people.xlsx", [["Pacientes de la clínica"], [], HEADER, *ROWS])
    found = options(tables=section("people.xlsx", date="Alto")).problems(tmp_path)
    assert [(problem.loc, problem.text) for problem in found] == [
        (("tables", "contact", "date"), "people.xlsx has no column Alto; did you mean Alta?")
    ]


def test_two_columns_of_one_name_are_a_fault_that_names_the_row(tmp_path: Path) -> None:
    path = workbook(tmp_path / "people.xlsx", [["título"], [*HEADER, "Nombre"], *ROWS])
    assert "the header (row 2) has Nombre more than once" in refusal(path)


def test_formulas_count_by_their_kept_values_and_errors_are_empty(tmp_path: Path) -> None:
    head = b"".join(b'<c r="%c1" t="inlineStr"><is><t>%s</t></is></c>' % (65 + n, name)
                    for n, name in enumerate((b"code", b"sum", b"text", b"yes", b"wrong")))  # fmt: skip
    row = (
        b'<c r="A2"><f>3*4</f><v>12</v></c><c r="B2"><f>600111221+1</f><v>600111222</v></c>'
        b'<c r="C2" t="str"><f>"a"&amp;"b"</f><v>ab</v></c><c r="D2" t="b"><f>1=1</f><v>1</v></c>'
        b'<c r="E2" t="e"><f>1/0</f><v>#DIV/0!</v></c>'
    )
    xlsx_of(tmp_path / "x.xlsx", b'<row r="1">%s</row><row r="2">%s</row>' % (head, row))
    with connector(tmp_path, tables={"contact": {"file": "x.xlsx", "key": "code", "phones": ["sum"]}}) as opened:
        [record] = ask(opened, phone="600111222")
    assert record.fields == {"code": "12", "sum": "600111222", "text": "ab", "yes": "true", "wrong": ""}


@pytest.mark.parametrize(
    ("value", "seen"),
    [
        (6.00111222e8, "600111222"), (0.1 + 0.2, "0.3"), (1e21, "1" + "0" * 21),
        (1e-7, "0.0000001"), (-5.0, "-5"), (-0.0, "0"), (1234567890123456.0, "1234567890123460"),
        ("00077", "00077"), ("a\0b", "a b"), (True, "true"), ("", ""),
        (datetime(2024, 5, 2), "2024-05-02"), (datetime(2024, 5, 2, 10, 29, 59, 999_600), "2024-05-02T10:30:00"),
        (datetime(2024, 5, 2, 23, 59, 59, 999_900), "2024-05-03"), (datetime.max, "9999-12-31T23:59:59"),
        (timedelta(hours=26, minutes=30), "26:30:00"), (-timedelta(seconds=61), "-00:01:01"),
    ],
)  # fmt: skip
def test_a_value_is_what_a_person_sees(value: Any, seen: str) -> None:
    assert text(value) == seen


def test_rows_that_are_wider_than_the_header_are_read_and_said(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = workbook(tmp_path / "people.xlsx", [HEADER, [*ROWS[0], "más"], [], *ROWS[1:]])
    with caplog.at_level(logging.WARNING), connector(tmp_path, tables=section(path.name)) as opened:
        assert len(ask(opened, key="00078")) == 1
    assert "rows with more columns than the header: 1, the first in row 2" in caplog.text


# while somebody works on it


def replaced(path: Path, rows: list[list[Any]]) -> None:
    """As Excel saves: another file takes the name."""
    workbook(path.with_name("~new.xlsx"), rows).replace(path)


def test_what_excel_saves_is_taken_up_and_its_lock_file_harms_nothing(tmp_path: Path) -> None:
    path = workbook(tmp_path / "people.xlsx", [HEADER, ROWS[0]])
    (tmp_path / "~$people.xlsx").write_bytes(b"\x03Ana" + b" " * 160)
    with connector(tmp_path, tables=section(path.name)) as opened:
        assert ask(opened, key="77") == []
        replaced(path, [HEADER, *ROWS])
        eventually(lambda: len(ask(opened, key="77")) == 1, "the new content")
        assert opened.stale("contact") == ""
    [problem] = options(tables=section("peopl.xlsx")).problems(tmp_path)
    assert problem.text.endswith("did you mean people.xlsx?")


def test_a_half_written_file_keeps_the_last_good_content_and_says_so_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = people(tmp_path / "people.xlsx")
    whole = path.read_bytes()
    with caplog.at_level(logging.WARNING), connector(tmp_path, tables=section(path.name)) as opened:
        path.write_bytes(whole[: len(whole) // 2])
        eventually(lambda: opened.stale("contact") != "", "that it is noticed")
        assert "it is damaged, or not all there yet" in opened.stale("contact")
        assert len(ask(opened, key="77")) == 1
        path.touch()
        eventually(lambda: "what it held before goes on serving" in caplog.text, "a word in the log")
        path.write_bytes(whole)
        eventually(lambda: opened.stale("contact") == "", "that it is mended")
    assert caplog.text.count("not all there yet") == 1


def test_a_large_spreadsheet_is_read_by_another_process_and_looked_up_alike(tmp_path: Path) -> None:
    rows = [[f"{n:05}", f"Persona {n}", 600_000_000 + n] for n in range(3000)]
    path = workbook(tmp_path / "people.xlsx", [["code", "name", "phone"], *rows])
    assert path.stat().st_size > 50_000
    with connector(tmp_path, tables={"contact": {"file": path.name, "key": "code", "phones": ["phone"]}}) as opened:
        assert ask(opened, key="02999")[0].fields["phone"] == "600002999"
        assert ask(opened, phone="600002999")[0].id == "02999"
        path.write_bytes(path.read_bytes()[:-500])
        eventually(lambda: "not all there yet" in opened.stale("contact"), "that it is noticed")


# what is refused


def small(path: Path) -> Path:
    return people(path.with_suffix(".xlsx"))


def far_away(path: Path) -> Path:
    return xlsx_of(path.with_suffix(".xlsx"), b'<row r="1"><c r="A1"><v>1</v></c></row>'
                   b'<row r="1048576"><c r="Z1048576"><v>1</v></c></row>')  # fmt: skip


def far_right(path: Path) -> Path:
    return xlsx_of(path.with_suffix(".xlsx"), b'<row r="1"><c r="A1"><v>1</v></c><c r="ALM1"><v>1</v></c></row>')


def repeated(path: Path) -> Path:
    cell = b'<table:table-cell office:value-type="float" office:value="1" table:number-columns-repeated="50"/>'
    row = b'<table:table-row table:number-rows-repeated="1048576">%s</table:table-row>'
    return ods_of(path.with_suffix(".ods"), row % cell)


@cache
def _padded() -> bytes:
    """Packed once: that takes a second."""
    with TemporaryDirectory() as folder:
        return xlsx_of(Path(folder, "padded.xlsx"), b" " * (201 * 1024 * 1024)).read_bytes()


def padded(path: Path) -> Path:
    path = path.with_suffix(".xlsx")
    path.write_bytes(_padded())
    return path


def entities(path: Path) -> Path:
    row = b'<row r="1"><c r="A1" t="inlineStr"><is><t>&b;</t></is></c></row>'
    return xlsx_of(path.with_suffix(".xlsx"), row, b'<!DOCTYPE w [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;&a;">]>')


def lying(path: Path) -> Path:
    """The directory says that a part is small."""
    path = padded(path)
    content = bytearray(path.read_bytes())
    place = content.rindex(b"xl/worksheets/sheet1.xml") - 46
    assert content[place : place + 4] == b"PK\x01\x02"
    content[place + 24 : place + 28] = struct.pack("<I", 1000)
    path.write_bytes(content)
    return path


def password_xls(path: Path) -> Path:
    """As Excel marks it: a record of the kind 0x2F among the first."""
    content = (KEPT / "people.xls").read_bytes()
    path = path.with_suffix(".xls")
    path.write_bytes(content.replace(b"\x5c\x00\x70\x00", b"\x2f\x00\x70\x00", 1))
    return path


def password_xlsx(path: Path) -> Path:
    return Path(shutil.copyfile(KEPT / "password.xlsx", path.with_suffix(".xlsx")))


def password_ods(path: Path) -> Path:
    path = people(path.with_suffix(".ods"))
    mark = b"<manifest:encryption-data/></manifest:manifest>"
    return repacked(path, "META-INF/manifest.xml", lambda xml: xml.replace(b"</manifest:manifest>", mark))


def a_page(path: Path) -> Path:
    """What many programs export as .xls."""
    path = path.with_suffix(".xls")
    path.write_text("<html><table><tr><td>Código</td></tr></table></html>")
    return path


def empty(path: Path) -> Path:
    path = path.with_suffix(".xlsx")
    path.write_bytes(b"")
    return path


REFUSED = [
    (far_away, "is there something in a cell far down or far to the right?"),
    (far_right, "the sheet has 1 rows and 1,001 columns"),
    (repeated, "is there something in a cell far down"),
    (padded, "more than 200 MB unpacked"),
    (lying, "it is damaged"),
    (entities, "it declares XML entities"),
    (password_xls, "it is protected by a password"),
    (password_xlsx, "it is protected by a password"),
    (password_ods, "it is protected by a password"),
    (a_page, "a web page or XML"),
    (empty, "it is empty"),
]


@pytest.mark.parametrize(("make", "why"), REFUSED)
def test_what_would_harm_is_refused_and_what_was_there_serves_on(tmp_path: Path, make: Any, why: str) -> None:
    bad = make(tmp_path / "bad")
    path = people(tmp_path / f"people{bad.suffix}")
    with connector(tmp_path, tables=section(path.name)) as opened:
        bad.replace(path)
        eventually(lambda: why in opened.stale("contact"), f"{why}: {opened.stale('contact')}")
        assert len(ask(opened, key="77")) == 1
    [problem] = options(tables=section(path.name)).problems(tmp_path)
    assert (problem.loc, problem.outage) == (("tables", "contact", "file"), True)
    assert why in problem.text


_MEASURED = """
import json, resource, sys
from pathlib import Path
from connectors.csv.build import build
from connectors.csv.index import Spec
from connectors.csv.reading import Damaged
try:
    build(Path(sys.argv[1]), Spec("Código", (), None, None, None, "ES"), Path(sys.argv[2]))
except Damaged as error:
    print(json.dumps([resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss // 1024, str(error)]))
"""


@pytest.mark.parametrize("make", [far_away, repeated, padded, lying, entities])
def test_a_refusal_takes_no_more_memory_than_a_table_of_text(tmp_path: Path, make: Any) -> None:
    bad = make(tmp_path / "bad")
    command = [sys.executable, "-c", _MEASURED, str(bad), str(tmp_path / "index")]
    run = subprocess.run(command, capture_output=True, text=True, check=True)
    megabytes, why = json.loads(run.stdout)
    assert why
    assert megabytes < 256
    assert resource.getrlimit(resource.RLIMIT_AS)[0] == resource.RLIM_INFINITY  # only the reader is bounded


# in the configuration


def test_keys_that_do_not_go_with_the_file_are_faults(tmp_path: Path) -> None:
    people(tmp_path / "people.csv")
    people(tmp_path / "people.xlsx")

    def faults(**table: Any) -> list[tuple[Any, str, bool]]:
        found = options(tables={"contact": {"key": "Código", **table}}).problems(tmp_path)
        return [(problem.loc[-1], problem.text, problem.outage) for problem in found]

    assert faults(file="people.csv", sheet="x") == [
        ("sheet", "people.csv is no spreadsheet, it has no sheets; delete this key", False)
    ]
    assert faults(file="people.xlsx", delimiter=";") == [
        ("delimiter", "people.xlsx is a spreadsheet, which has no delimiter; delete this key", False)
    ]
    assert faults(file="people.xlsx") == []
    [(key, said, outage)] = faults(file="people.xlsx", sheet="Nota")
    assert (key, outage) == ("file", True)
    assert "did you mean Notas?" in said


def test_writing_to_a_spreadsheet_is_a_fault(tmp_path: Path) -> None:
    people(tmp_path / "people.xlsx")
    (tmp_path / "tasks.csv").write_text("id,phone\n")
    found = options(
        tables={"contact": {"file": "people.xlsx", "key": "Código"}, "survey": {"file": "survey.ods"}},
        activities={"file": "calls.xlsx"},
        tasks={"file": "tasks.csv", "results": "results.xls"},
    )
    assert [(problem.loc, problem.outage) for problem in found.problems(tmp_path)] == [
        (("tables", "survey", "file"), False),
        (("activities", "file"), False),
        (("tasks", "results"), False),
    ]
    assert found.abilities().saves == frozenset()
    with (
        connector(tmp_path, tables=section("people.xlsx")) as opened,
        pytest.raises(Misconfigured, match="spreadsheet"),
    ):
        opened.save(NewRecord("contact", "k", {"Nombre": "Ana"}), Deadline.after(SOON))


def test_tasks_come_from_a_spreadsheet_and_their_outcomes_go_beside_it(tmp_path: Path) -> None:
    rows: list[list[Any]] = [
        ["Llamadas"],
        ["id", "phone", "due"],
        [1, 600112233, datetime(2024, 5, 2, 16, 30)],
        [2, "911222333", None],
    ]
    workbook(tmp_path / "tasks.xlsx", rows)
    with connector(tmp_path, tasks={"file": "tasks.xlsx"}) as opened:
        [first, second] = opened.tasks(Deadline.after(SOON))
    assert first.fields == {"id": "1", "phone": "600112233", "due": "2024-05-02T16:30:00"}
    assert (second.id, second.fields["due"]) == ("2", "")
    assert options(tasks={"file": "tasks.xlsx"}).tasks.results_path(tmp_path).name == "tasks.results.csv"  # type: ignore[union-attr]


class SheetHarness(CsvHarness):
    """What is read is in spreadsheets."""

    def options(self) -> Any:
        said = super().options().model_dump(mode="json")
        for table in ("contact", "order"):
            said["tables"][table]["file"] = said["tables"][table]["file"].replace(".csv", ".xlsx")
        said["tasks"]["file"] = "tasks.xlsx"
        return options(**{key: said[key] for key in ("tables", "activities", "tasks")})

    def _put(self, name: str, rows: Any) -> None:
        replaced((self.folder / name).with_suffix(".xlsx"), [list(row) for row in rows])

    def go_away(self) -> None:
        for name in ("contacts.xlsx", "orders.xlsx"):
            (self.folder / name).rename(self.folder / f"{name}.away")

    def come_back(self) -> None:
        for name in ("contacts.xlsx", "orders.xlsx"):
            (self.folder / f"{name}.away").rename(self.folder / name)


class TestSpreadsheets(ConnectorContract):
    @pytest.fixture
    def harness(self, tmp_path: Path) -> Harness:
        return SheetHarness(tmp_path)

"""Files as people and programs leave them."""

import logging
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from connectors.base import ConnectorError, Misconfigured, Unavailable
from connectors.csv import reading as csvread
from tests.connectors.csvcase import PEOPLE, connector, found, names

BODY = "name;phone;note\nPeña;600112233;one\nMüller;911222333;two\n"


@pytest.mark.parametrize(
    "encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252", "iso-8859-1", "utf-16-le:utf-16-le", "cp437:cp437"]
)
def test_every_encoding_is_read(tmp_path: Path, encoding: str) -> None:
    codec, _, configured = encoding.partition(":")
    (tmp_path / "contacts.csv").write_bytes(BODY.encode(codec))
    tables = {"contact": PEOPLE["contact"] | ({"encoding": configured} if configured else {})}
    with connector(tmp_path, tables=tables) as opened:
        assert names(opened) == ["Peña"]


def test_cp1252_and_latin_1_are_told_apart_by_bytes_that_one_lacks(tmp_path: Path) -> None:
    (tmp_path / "contacts.csv").write_bytes(b"name,phone\n\x93Pe\xf1a\x94 \x80,600112233\n")
    with connector(tmp_path) as opened:
        assert names(opened) == ["“Peña” €"]
    (tmp_path / "contacts.csv").write_bytes(b"name,phone\nPe\xf1a \x81,600112233\n")
    with connector(tmp_path) as opened:
        assert names(opened) == ["Peña \x81"]


def test_the_encoding_is_that_of_the_whole_file_and_not_of_its_start(tmp_path: Path) -> None:
    rows = "".join(f"Person {number},6001{number:05}\n" for number in range(30_000))
    (tmp_path / "contacts.csv").write_bytes(b"name,phone\n" + rows.encode() + b"Pe\xf1a,911222333\n")
    with connector(tmp_path) as opened:
        assert names(opened, "911222333") == ["Peña"]


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("last", [True, False])
def test_every_delimiter_and_line_break_is_read(tmp_path: Path, delimiter: str, newline: str, last: bool) -> None:
    text = 'name;phone;note\nPeña;600112233;"a;b\nc ""d"""\nEva;911222333;x'
    text = text.replace(";", delimiter).replace("\n", newline) + newline * last
    (tmp_path / "contacts.csv").write_bytes(text.encode())
    with connector(tmp_path) as opened:
        [record] = found(opened)
        assert record.fields == {
            "name": "Peña", "phone": "600112233", "note": f'a{delimiter}b{newline}c "d"',
        }  # fmt: skip
        assert names(opened, "911222333") == ["Eva"]


@pytest.mark.parametrize(
    "text",
    [
        "name;phone\nPeña, Ana;600112233\nMuñoz, Eva;911222333\n",  # commas inside
        "name;phone;amount\nPeña;600112233;1,5\nEva;911222333;2,5\n",
        "phone\tname\n600112233\tPeña; x, y | z\n",
        "sep=;\nname;phone\nPeña;600112233\n",
        'name;phone\n"a\nb";600112233\n',
        "name;phone\n",
        "phone,name\n",
    ],
)
def test_the_delimiter_is_the_one_that_makes_a_table(tmp_path: Path, text: str) -> None:
    (tmp_path / "contacts.csv").write_text(text)
    assert {"name", "phone"} <= set(csvread.header(tmp_path / "contacts.csv", None, None, ["phone"]).header)
    with connector(tmp_path) as opened:
        assert len(found(opened)) == ("600112233" in text)


def test_a_single_column_is_a_table_too(tmp_path: Path) -> None:
    (tmp_path / "robinson.csv").write_text("phone\n600112233\n911222333\n")
    with connector(tmp_path, tables={"contact": {"file": "robinson.csv", "phones": ["phone"]}}) as opened:
        assert len(found(opened)) == 1


def test_rows_of_another_width_are_kept_and_counted(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "contacts.csv").write_text(
        "name,phone,note\nShort,600112233\nLong,600112233,x,surplus\nEven,600112233,x\n\n,,\nTrailing,600112233,x,\n"
    )
    with caplog.at_level(logging.WARNING), connector(tmp_path) as opened:
        assert names(opened) == ["Short", "Long", "Even", "Trailing"]
        assert found(opened)[0].fields["note"] == ""
    assert caplog.text.count("fewer columns than the header: 1, the first in row 2, line 2") == 1
    assert caplog.text.count("more columns than the header: 1, the first in row 3, line 3") == 1


def test_phone_cells_without_a_number_are_counted_without_their_text(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "contacts.csv").write_text("name,phone\nA,600112233\nB,60011223\nC,ask Eva\nD,\n")
    with caplog.at_level(logging.WARNING), connector(tmp_path):
        pass
    assert "phone cells that hold no number: 2, the first in row 3" in caplog.text
    assert "60011223" not in caplog.text


def test_the_id_is_the_key_as_written_else_the_row_as_a_spreadsheet_counts_it(tmp_path: Path) -> None:
    (tmp_path / "contacts.csv").write_text("code,name,phone\n 007 ,Ana,600112233\n,Eva,600112233\n")
    with connector(tmp_path, tables={"contact": PEOPLE["contact"] | {"key": "code"}}) as opened:
        assert [record.id for record in found(opened)] == ["007", "3"]
    with connector(tmp_path) as opened:
        assert [record.id for record in found(opened)] == ["2", "3"]


def test_column_names_are_those_of_the_header_without_the_spaces_around_them(tmp_path: Path) -> None:
    (tmp_path / "contacts.csv").write_text("\ufeff name , phone ,Agent phone,\nAna,600112233,5,\n")
    with connector(tmp_path) as opened:
        assert found(opened)[0].fields == {"name": "Ana", "phone": "600112233", "Agent phone": "5"}


@pytest.mark.parametrize(
    ("column", "order"),
    [
        (["2023-12-31", "2024-11-02", "2024-03-04", ""], ["B", "C", "A", "D"]),
        (["31/12/2023", "02/11/2024", "4/3/2024", "soon"], ["B", "C", "A", "D"]),
        (["2024-05-01 09:00", "2024-05-01T11:00:00+02:00", "2024-05-01T10:00:00Z", "?"], ["C", "A", "B", "D"]),
        (["9", "100", "10,5", "99/99/9999"], ["B", "C", "A", "D"]),
    ],
)
def test_the_newest_is_that_of_its_column(tmp_path: Path, column: list[str], order: list[str]) -> None:
    rows = "".join(f'{name},600112233,"{changed}"\n' for name, changed in zip("ABCD", column, strict=True))
    (tmp_path / "contacts.csv").write_text(f"name,phone,changed\n{rows}")
    with connector(tmp_path, tables={"contact": PEOPLE["contact"] | {"newest": "changed"}}) as opened:
        assert names(opened, newest=True) == order


def test_without_such_a_column_the_last_row_is_the_newest(tmp_path: Path) -> None:
    (tmp_path / "contacts.csv").write_text("name,phone\nA,600112233\nX,911222333\nB,600112233\nC,600112233\n")
    with connector(tmp_path) as opened:
        assert names(opened, newest=True) == ["C", "B", "A"]
        assert names(opened) == ["A", "B", "C"]


DAMAGED = {
    "empty": (b"", "empty"),
    "no header": (b"\n\nAna,600112233\n", "first row is empty"),
    "open quote": (b'name,phone\nAna,600112233\nEva,"911222333\n', "row 3.*quote"),
    "open quote in the middle": (b'name,phone\n"Ana,600112233\n' + b"Eva,911222333\n" * 20_000, "row 2.*quote"),
    "huge cell": (b"name,phone\nAna,600112233\n" + b"x" * 200_000 + b",1\n", "row 3"),
    "a spreadsheet": (b"PK\x03\x04\x14\0\x06\0[Content_Types].xml", "spreadsheet of Excel .*save it as CSV"),
    "an old spreadsheet": (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\0" * 600, "old Excel.*save it as CSV"),
    "compressed": (b"\x1f\x8b\x08\0contacts", "gzip"),
    "nul bytes": (b"name,phone\nAna,600112233\n\0\0\0\0\0", "NUL"),
    "UTF-16 without a mark": ("name,phone\nAna,600112233\n".encode("utf-16-le"), "utf-16-le"),
}


@pytest.mark.parametrize("kind", DAMAGED)
def test_a_damaged_file_is_an_outage_that_says_where(tmp_path: Path, kind: str) -> None:
    content, said = DAMAGED[kind]
    (tmp_path / "contacts.csv").write_bytes(content)
    with connector(tmp_path) as opened, pytest.raises(Unavailable, match=f"contacts.csv: .*{said}"):
        found(opened)


def test_a_file_that_is_not_in_its_configured_encoding_is_an_outage(tmp_path: Path) -> None:
    (tmp_path / "contacts.csv").write_bytes("name,phone\nPeña,600112233\n".encode("cp1252"))
    tables = {"contact": PEOPLE["contact"] | {"encoding": "utf-8"}}
    with connector(tmp_path, tables=tables) as opened, pytest.raises(Unavailable, match="utf-8"):
        found(opened)


@pytest.mark.parametrize(
    ("content", "said"),
    [("name,phone,phone\nAna,1,2\n", "phone more than once"), ("name,telephone\nAna,1\n", "no column phone")],
)
def test_a_header_that_does_not_fit_is_the_admins_to_mend(tmp_path: Path, content: str, said: str) -> None:
    (tmp_path / "contacts.csv").write_text(content)
    with connector(tmp_path) as opened, pytest.raises(Misconfigured, match=said):
        found(opened)


@settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow], max_examples=60, deadline=None
)
@given(st.binary(max_size=400))
def test_whatever_bytes_there_are_an_answer_or_an_error_of_ours_comes(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "contacts.csv").write_bytes(b"name,phone\nAna,600112233\n" + content)
    with connector(tmp_path) as opened:
        try:
            assert "Ana" in names(opened)
        except ConnectorError as error:
            assert "contacts.csv" in str(error)  # noqa: PT017 - either is right


CELL = st.text(st.characters(blacklist_categories=["Cs"], blacklist_characters="\0\r"), max_size=20)


@settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow], max_examples=60, deadline=None
)
@given(st.lists(st.tuples(CELL, CELL), max_size=6), st.sampled_from(["utf-8", "utf-8-sig", "utf-16"]))
def test_what_a_csv_writer_writes_is_what_is_read(tmp_path: Path, rows: list[tuple[str, str]], encoding: str) -> None:
    import csv

    with (tmp_path / "contacts.csv").open("w", encoding=encoding, newline="") as file:
        csv.writer(file).writerows([["name", "phone", "note"], *([name, "600112233", note] for name, note in rows)])
    with connector(tmp_path, tables={"contact": PEOPLE["contact"] | {"delimiter": ","}}) as opened:
        assert [(one.fields["name"], one.fields["note"]) for one in found(opened)] == rows

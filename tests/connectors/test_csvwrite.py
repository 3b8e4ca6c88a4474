"""Rows are added once, whole, whoever else has the file."""

import csv
import logging
import os
import time
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from connectors.base import Deadline, NewRecord, Record, Rejected, TimedOut, Unavailable
from connectors.csv.output import Output, cell, plain
from connectors.phone import parse
from connectors.testing import activity, eventually
from tests.connectors.csvcase import KEPT, SOON, connector, names, save, table


def test_the_columns_of_activities_are_the_documented_ones(tmp_path: Path) -> None:
    ana = Record("agenda", "contact", "007", {"name": "Ana"})
    with connector(tmp_path, **KEPT) as opened:
        opened.log_activity(activity(contact=ana, fields={"campaign": "spring"}), Deadline.after(SOON))
    assert table(tmp_path / "activities.csv") == [
        {
            "bridge_key": "912345678:77:log",
            "start": "2024-05-02T12:00:00+02:00",
            "end": "2024-05-02T12:00:35+02:00",
            "direction": "received",
            "line": "912345678",
            "called": "912345678",
            "caller": "+34600112233",
            "contact": "007",
            "subject": "Llamada de Ana",
            "note": "Recibida\nContestada",
            "seconds": "35",
            "cost": "0.12",
            "answered": "true",
            "answered_by": "101",
            "campaign": "spring",
            "revision": "1",
        }
    ]


def test_an_older_correction_does_not_undo_a_newer_one(tmp_path: Path) -> None:
    with connector(tmp_path, **KEPT) as opened:
        for revision in (1, 3, 2, 3):
            opened.log_activity(activity(subject=f"r{revision}", revision=revision), Deadline.after(SOON))
    assert [row["subject"] for row in table(tmp_path / "activities.csv")] == ["r3"]


def test_a_correction_of_a_row_that_a_person_took_out_adds_it(tmp_path: Path) -> None:
    with connector(tmp_path, **KEPT) as opened:
        opened.log_activity(activity(), Deadline.after(SOON))
        path = tmp_path / "activities.csv"
        path.write_text(path.read_text().splitlines()[0] + "\n")
        opened.log_activity(activity(subject="new", revision=2), Deadline.after(SOON))
    assert [row["subject"] for row in table(path)] == ["new"]


def test_a_correction_leaves_a_persons_columns_and_rows_byte_for_byte(tmp_path: Path) -> None:
    path = tmp_path / "activities.csv"
    with connector(tmp_path, **KEPT) as opened:
        opened.log_activity(activity(), Deadline.after(SOON))
    mine = '"by hand" ; ,"x""y",  spaced ,\r\n,,,short\r'
    header, _, rest = path.read_text().partition("\n")
    rest = rest.rstrip("\n")
    path.write_bytes(f"{header},remark\n{rest},done\n{mine}".encode())
    with connector(tmp_path, **KEPT) as opened:
        opened.log_activity(activity(subject="r2", revision=2), Deadline.after(SOON))
    written = path.read_bytes().decode()
    assert written.endswith(mine)
    first = table(path)[0]
    assert (first["subject"], first["remark"]) == ("r2", "done")


def test_the_header_that_is_there_decides_order_delimiter_encoding_and_line_breaks(tmp_path: Path) -> None:
    path = tmp_path / "survey.csv"
    path.write_bytes("Año;score;bridge_key;phone\r\n2024;1;k0;\r\n".encode("cp1252"))
    with connector(tmp_path, **KEPT) as opened:
        assert save(opened, "k1", phone="+34600112233", score="9", Año="Peña €")
        assert not save(opened, "k0", phone="", score="")
    assert path.read_bytes().decode("cp1252") == (
        "Año;score;bridge_key;phone\r\n2024;1;k0;\r\nPeña €;9;k1;+34600112233\r\n"
    )


def test_what_the_files_encoding_lacks_is_kept_readable(tmp_path: Path) -> None:
    path = tmp_path / "survey.csv"
    path.write_bytes("bridge_key,name\nk0,Pe\xf1a\n".encode("cp1252"))
    with connector(tmp_path, **KEPT) as opened:
        save(opened, "k1", name="Łódź")
    assert path.read_bytes().decode("cp1252").splitlines()[-1] == "k1,\\u0141ód\\u017a"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
def test_a_new_file_is_written_as_configured_and_goes_on_like_that(tmp_path: Path, encoding: str) -> None:
    kept: dict[str, Any] = {"tables": {"survey": {"file": "survey.csv", "encoding": encoding, "delimiter": ";"}}}
    for key in ("k1", "k2"):
        with connector(tmp_path, **kept) as opened:
            assert save(opened, key, name="Peña")
            assert not save(opened, key, name="Peña")
    rows = table(tmp_path / "survey.csv", encoding, ";")
    assert rows == [{"bridge_key": "k1", "name": "Peña"}, {"bridge_key": "k2", "name": "Peña"}]


def test_columns_that_are_new_go_to_the_end_of_the_header(tmp_path: Path) -> None:
    path = tmp_path / "survey.csv"
    path.write_text('name,note\nEva,"a\nb"\n')
    with connector(tmp_path, **KEPT) as opened:
        save(opened, "k1", name="Ana", score="9")
        save(opened, "k2", mood="good")
    assert path.read_text() == ('name,note,bridge_key,score,mood\nEva,"a\nb"\nAna,,k1,9\n,,k2,,good\n')


@pytest.mark.parametrize(
    ("value", "written"),
    [
        ("=1+1", "'=1+1"),
        ("+", "'+"),
        ("-x", "'-x"),
        ("@x", "'@x"),
        ("\tx", "'\tx"),
        ("\rx", "'\rx"),
        ("\n=x", "'\n'=x"),
        ("+34 600", "'+34 600"),
        ("+34600112233 or so", "'+34600112233 or so"),
        ("\uff1d1+1", "'\uff1d1+1"),
        ("x;=cmd|' /C calc'!A0", "x;'=cmd|' /C calc'!A0"),
        ("x; =1", "x;' =1"),
        ('x";"=1', 'x";\'"=1'),
        ("a,@b\t\uff0bc|-d\n- e\r=f", "a,'@b\t'\uff0bc|'-d\n'- e\r'=f"),
        ("a;\tb", "a;'\tb"),
        ("+34600112233;+x", "+34600112233;'+x"),
    ],
)
def test_what_a_spreadsheet_would_compute_is_made_text(tmp_path: Path, value: str, written: str) -> None:
    with connector(tmp_path, **KEPT) as opened:
        save(opened, "k1", value=value)
        save(opened, value, value="x")
        assert not save(opened, value, value="x"), "a key is known again, however it is written"
    assert table(tmp_path / "survey.csv")[0]["value"] == written
    assert table(tmp_path / "survey.csv")[1]["bridge_key"] == written


@pytest.mark.parametrize("key", ["=1", "a;=b", "a\n-b"])
def test_a_row_whose_key_an_earlier_version_wrote_is_found_and_corrected(tmp_path: Path, key: str) -> None:
    path = tmp_path / "survey.csv"
    there = f"'{key}" if key.startswith("=") else key
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([["bridge_key", "note"], [there, "old"]])
    output = Output(path, None, None, logging.getLogger("test"))
    assert not output.append(key, {"note": "new"}, Deadline.after(SOON))
    assert not output.correct(key, {"note": "better"}, Deadline.after(SOON))
    assert table(path) == [{"bridge_key": there, "note": "better"}]


def test_guarding_takes_no_longer_than_the_text_is_long() -> None:
    for text in (";" * 262_144, ';"' * 131_072, "; " * 131_072, "\n-1" * 87_000, "-" + "1" * 262_144, "-1.1" * 65_000):
        began = time.process_time()
        plain(cell(text))
        assert time.process_time() - began < 1.0


@pytest.mark.parametrize(
    ("value", "written"),
    [
        ("+34600112233", "+34600112233"), (parse("600112233", "ES"), "+34600112233"), (None, ""), (True, "true"),
        (-5, "-5"), (Decimal("-0.50"), "-0.50"), ("00077", "00077"), ("a=b", "a=b"), ("x\0y", "x y"),
        (datetime(2024, 5, 2, 10, tzinfo=UTC), "2024-05-02T10:00:00+00:00"),
    ],
)  # fmt: skip
def test_numbers_phones_and_times_are_written_plainly(tmp_path: Path, value: object, written: str) -> None:
    with connector(tmp_path, **KEPT) as opened:
        save(opened, "k1", value=value)
    assert table(tmp_path / "survey.csv")[0]["value"] == written


@settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow], max_examples=50, deadline=None
)
@given(st.lists(st.text(max_size=30), min_size=1, max_size=4))
def test_any_text_comes_back_and_is_one_row(tmp_path: Path, texts: list[str]) -> None:
    (tmp_path / "survey.csv").unlink(missing_ok=True)
    with connector(tmp_path, **KEPT) as opened:
        for number, text in enumerate(texts):
            assert save(opened, f"k{number}", value=text)
            assert not save(opened, f"k{number}", value=text)
    rows = table(tmp_path / "survey.csv")
    assert [row["bridge_key"] for row in rows] == [f"k{number}" for number in range(len(texts))]
    for row, text in zip(rows, texts, strict=True):
        assert plain(row["value"]) == plain(text.replace("\0", " "))


def test_a_link_stays_a_link(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "real.csv").write_text("bridge_key\n")
    (tmp_path / "survey.csv").symlink_to(tmp_path / "elsewhere" / "real.csv")
    with connector(tmp_path, **KEPT) as opened:
        save(opened, "k1", score="9")
    assert (tmp_path / "survey.csv").is_symlink()
    assert table(tmp_path / "elsewhere" / "real.csv") == [{"bridge_key": "k1", "score": "9"}]


def test_a_field_may_not_pose_as_the_key(tmp_path: Path) -> None:
    with connector(tmp_path, **KEPT) as opened, pytest.raises(Rejected, match="bridge_key"):
        opened.save(NewRecord("survey", "k", {"bridge_key": "other"}), Deadline.after(SOON))


# people have the file meanwhile


def test_a_person_may_sort_shorten_and_delete_the_file(tmp_path: Path) -> None:
    path = tmp_path / "survey.csv"
    with connector(tmp_path, **KEPT) as opened:
        for number in range(5):
            save(opened, f"k{number}", score=str(number))
        header, *rows = path.read_text().splitlines()
        path.write_text("\n".join([header, *reversed(rows)]) + "\n")
        assert not save(opened, "k0", score="0")
        path.write_text("\n".join([header, *rows[:3]]))  # and no line break at the end
        assert not save(opened, "k2", score="2")
        assert save(opened, "k5", score="5")
        assert [row["bridge_key"] for row in table(path)] == ["k0", "k1", "k2", "k5"]
        path.unlink()
        assert save(opened, "k6", score="6")
        assert table(path) == [{"bridge_key": "k6", "score": "6"}]


def test_a_header_alone_without_line_break_is_ended_first(tmp_path: Path) -> None:
    path = tmp_path / "survey.csv"
    path.write_text("bridge_key,score")
    with connector(tmp_path, **KEPT) as opened:
        save(opened, "k1", score="9")
    assert path.read_text() == "bridge_key,score\nk1,9\n"


def test_an_editors_quote_that_never_closes_is_closed_before_a_row_is_added(tmp_path: Path) -> None:
    path = tmp_path / "survey.csv"
    path.write_text('bridge_key,score\n,"half')
    with connector(tmp_path, **KEPT) as opened:
        save(opened, "k1", score="9")
    assert [row["score"] for row in table(path)] == ["half", "9"]


def test_rows_in_another_encoding_than_the_rest_are_no_loss(tmp_path: Path) -> None:
    path = tmp_path / "survey.csv"
    path.write_bytes("bridge_key,name\nk0,Peña\n".encode() + b"k1,Pe\xf1a\n")
    with connector(tmp_path, tables={"survey": {"file": "survey.csv"}}) as opened:
        assert not save(opened, "k1", name="x")
        save(opened, "k2", name="x", score="9")
    assert b"k0,Pe\xc3\xb1a\nk1,Pe\xf1a\nk2,x,9\n" in path.read_bytes()


# what is saved is found, and forgotten


def test_what_is_saved_in_a_table_is_found_there(tmp_path: Path) -> None:
    (tmp_path / "contacts.csv").write_text("name,phone\nEva,911222333\n")
    with connector(tmp_path) as opened:
        assert save(opened, "k1", "contact", name="Ana", phone="+34600112233")
        eventually(lambda: names(opened) == ["Ana"], "the saved contact")
        assert names(opened, "911222333") == ["Eva"]


def test_forgetting_takes_out_a_persons_rows_and_nobody_elses(tmp_path: Path) -> None:
    survey = tmp_path / "survey.csv"
    survey.write_text("name,phone\nby hand,600112233\n")
    with connector(tmp_path, **KEPT) as opened:
        save(opened, "k1", phone="+34600112233")
        save(opened, "k2", note="Please ring 600 11 22 33 after 10:30")
        save(opened, "k3", phone="0034600112233 / 911222333")
        save(opened, "k4", phone="911222333", note="order 1600112233")
        opened.log_activity(activity(), Deadline.after(SOON))
        opened.log_activity(activity("other", caller=parse("911222333", "ES")), Deadline.after(SOON))
        assert opened.forget(parse("600112233", "ES")) == 4
        assert opened.forget(parse("600112233", "ES")) == 0
        assert save(opened, "k1", phone="")
    assert [row["bridge_key"] for row in table(tmp_path / "activities.csv")] == ["other"]
    rows = table(survey)
    assert [row["bridge_key"] or row["name"] for row in rows] == ["by hand", "k4", "k1"]
    assert os.listdir(tmp_path).count(".survey.csv.tmp") == 0


def test_forgetting_nobody_touches_nothing(tmp_path: Path) -> None:
    with connector(tmp_path, **KEPT) as opened:
        save(opened, "k1", phone="")
        before = (tmp_path / "survey.csv").stat()
        assert opened.forget(parse("", "ES")) == 0
        assert opened.forget(parse("600112233", "ES")) == 0
        assert (tmp_path / "survey.csv").stat().st_ino == before.st_ino


def test_nothing_is_written_after_the_deadline(tmp_path: Path) -> None:
    with connector(tmp_path, **KEPT) as opened, pytest.raises((TimedOut, Unavailable)):
        opened.save(NewRecord("survey", "k1", {}), Deadline.after(-1))
    assert not (tmp_path / "survey.csv").exists()

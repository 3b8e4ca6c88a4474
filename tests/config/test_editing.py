"""The configuration's file as text that a person changes: real files, real modes, real processes."""

from __future__ import annotations

import codecs
import os
import stat
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path

import pytest

from bridge.config import editing
from bridge.config.differences import as_text, difference, without_secrets
from bridge.config.editing import ChangedMeanwhile, NotSaved, checked, obstacle, read_text, replace, taken_up
from bridge.config.load import attempt, load_to_serve
from bridge.config.versions import FOLDER, MOST, Versions
from tests.config.files import ENVIRONMENT, LINES, write
from tests.nobody import give, own_folder, without_rights

NOW = datetime(2026, 11, 30, 9, tzinfo=UTC)
NOBODY = 65534


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return write(tmp_path, f"# ours\n{LINES}language: es   # ${{WHY}} in a comment\n")


def test_the_text_is_as_it_is_written(file: Path) -> None:
    current = read_text(file)
    assert current.text == file.read_text()
    assert "${PASSWORD}" in current.text
    assert current.fault is None
    assert current.encoded(current.text) == file.read_bytes()


@pytest.mark.parametrize(
    ("data", "text", "line"),
    [
        ("lines: [] # año".encode("cp1252"), "lines: [] # año", 1),
        ("a: 1\nlines: [] # ñ".encode("utf-16"), "a: 1\nlines: [] # ñ", 1),
        (b"a: 1\nb: \x00", "a: 1\nb: \x00", 2),
    ],
)
def test_another_charset_is_told_and_read_all_the_same(file: Path, data: bytes, text: str, line: int) -> None:
    file.write_bytes(data)
    current = read_text(file)
    assert current.text == text
    assert current.fault is not None
    assert current.fault.line == line


def test_windows_lines_and_a_byte_order_mark_stay(file: Path) -> None:
    file.write_bytes(codecs.BOM_UTF8 + b"a: 1\r\nb: 2\r\n")
    current = read_text(file)
    assert current.text == "a: 1\nb: 2\n"
    assert current.encoded("a: 1\r\nb: 3") == codecs.BOM_UTF8 + b"a: 1\r\nb: 3\r\n"


@pytest.mark.parametrize(
    "text", ["a: \ud800\n", "lines: [\n", "", "\x00", "{{{{", "a: &a [*a]", "- 1", "%YAML 9.9\n---\n"]
)
def test_a_text_is_checked_without_being_written(file: Path, text: str) -> None:
    before = file.read_bytes()
    read = checked(file, read_text(file).encoded(text), ENVIRONMENT)
    assert read.loaded is None
    assert read.faults
    assert file.read_bytes() == before
    assert [path.name for path in file.parent.iterdir()] == [file.name]


def test_the_check_is_that_of_the_file(file: Path) -> None:
    text = file.read_text() + "qeries: {}\nserver: {port: many}\n"
    faults = checked(file, text.encode(), ENVIRONMENT).faults
    file.write_text(text)
    assert faults == attempt(file, ENVIRONMENT).faults
    assert [(fault.line, fault.path) for fault in faults] == [(6, "qeries"), (7, "server.port")]


def test_aliases_that_unfold_without_end_are_a_fault_at_once(file: Path) -> None:
    bomb = 'a: &a ["x","x","x","x","x","x","x","x","x"]\n'
    for last, this in pairwise("abcdefghi"):
        bomb += f"{this}: &{this} [{','.join([f'*{last}'] * 9)}]\n"
    [fault] = checked(file, bomb.encode(), ENVIRONMENT).faults
    assert "unfold" in fault.text


def test_a_huge_text_is_refused(file: Path) -> None:
    [fault] = checked(file, b"#" * (editing.MOST_KEPT + 1), ENVIRONMENT).faults
    assert "larger than 1024 KiB" in fault.text


def test_what_was_out_of_order_before_keeps_nothing_from_being_taken_up(file: Path) -> None:
    broken = "connectors:\n  a: {type: csv, tables: {contact: {file: gone.csv, phones: [p]}}}\n"
    file.write_text(file.read_text() + broken)
    in_force = load_to_serve(file, ENVIRONMENT)
    same = checked(file, f"{file.read_text()}# more\n".encode(), ENVIRONMENT)
    assert same.faults
    assert taken_up(same, in_force)
    worse = checked(file, file.read_text().replace("gone.csv", "lost.csv").encode(), ENVIRONMENT)
    assert not taken_up(worse, in_force)


def test_mode_and_link_stay_when_it_is_replaced(file: Path) -> None:
    file.chmod(0o640)
    link = file.with_name("link.yaml")
    link.symlink_to(file.name)
    digest = replace(link, b"a: 1\n", expected=read_text(link).digest)
    assert link.is_symlink()
    assert file.read_bytes() == b"a: 1\n"
    assert stat.S_IMODE(file.stat().st_mode) == 0o640
    assert digest == read_text(file).digest
    assert sorted(path.name for path in file.parent.iterdir()) == ["bridge.yaml", "link.yaml"]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may give files away")
def test_the_owner_stays(file: Path) -> None:
    os.chown(file, NOBODY, NOBODY)
    replace(file, b"a: 1\n", expected=read_text(file).digest)
    assert (file.stat().st_uid, file.stat().st_gid) == (NOBODY, NOBODY)


def test_a_file_that_changed_meanwhile_is_left_alone(file: Path) -> None:
    digest = read_text(file).digest
    file.write_text("theirs: 1\n")
    with pytest.raises(ChangedMeanwhile):
        replace(file, b"ours: 1\n", expected=digest)
    assert file.read_text() == "theirs: 1\n"
    assert [path.name for path in file.parent.iterdir()] == [file.name]


@pytest.mark.parametrize(
    ("mode", "folder_mode", "reason"),
    [(0o444, 0o700, "may not write .*bridge.yaml"), (0o600, 0o500, "may not write the folder")],
)
def test_who_may_not_replace_it_is_told_why(mode: int, folder_mode: int, reason: str) -> None:
    with own_folder() as folder:
        file = write(folder, LINES)
        give(file)
        digest = read_text(file).digest
        with without_rights():
            assert obstacle(file) is None
            file.chmod(mode)
            folder.chmod(folder_mode)
            with pytest.raises(NotSaved, match=reason):
                replace(file, b"a: 1\n", expected=digest)
            folder.chmod(0o700)
        assert file.read_text().startswith("lines:")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root makes files of others")
def test_a_file_of_somebody_else_would_change_hands(tmp_path: Path) -> None:
    with own_folder() as folder:
        file = write(folder, LINES)
        file.chmod(0o666)
        with without_rights():
            assert "belongs to another user" in str(obstacle(file))
        assert obstacle(file) is None


def test_a_file_that_is_gone_or_a_folder_can_not_be_replaced(file: Path) -> None:
    assert obstacle(file.parent) is not None
    file.unlink()
    with pytest.raises(NotSaved, match="can't be read"):
        replace(file, b"a: 1\n", expected="")


def test_every_version_is_kept_with_who_wrote_it(file: Path, tmp_path: Path) -> None:
    versions = Versions(tmp_path)
    assert versions.all() == []
    first = file.read_bytes()
    second = versions.save(file, b"a: 2\n", expected=read_text(file).digest, who="ana", now=NOW + timedelta(days=9000))
    file.write_bytes(b"by: vi\n")
    third = versions.save(file, b"a: 3\n", expected=read_text(file).digest, who="luis", now=NOW)  # a clock set back
    kept = versions.all()
    assert [(version.who, version.digest == third) for version in kept] == [
        ("luis", True), ("", False), ("ana", False), ("", False),
    ]  # fmt: skip
    assert kept[2].digest == second
    named = versions.named(kept[3].id)
    assert named is not None
    assert named[1] == first
    assert stat.S_IMODE((tmp_path / FOLDER).stat().st_mode) == 0o700
    assert {stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / FOLDER).iterdir()} == {0o600}


def test_the_oldest_versions_go(file: Path, tmp_path: Path) -> None:
    versions = Versions(tmp_path)
    for number in range(MOST + 5):
        versions.save(file, f"a: {number}\n".encode(), expected=read_text(file).digest, who="ana", now=NOW)
    assert len(versions.all()) == MOST


@pytest.mark.parametrize("name", ["", "..", "../bridge.yaml", "lock", "20261130T090000000000-000000000000", "\x00"])
def test_no_name_leads_out_of_the_versions(file: Path, tmp_path: Path, name: str) -> None:
    versions = Versions(tmp_path)
    versions.save(file, b"a: 1\n", expected=read_text(file).digest, who="ana", now=NOW)
    assert versions.named(name) is None


def test_what_is_no_version_is_passed_over(file: Path, tmp_path: Path) -> None:
    versions = Versions(tmp_path)
    versions.save(file, b"a: 1\n", expected=read_text(file).digest, who="ana", now=NOW)
    (tmp_path / FOLDER / "20990101T000000000000-0123456789ab").write_bytes(b"\xff\xfe not ours")
    assert len(versions.all()) == 2


def test_a_difference_is_told_with_its_place() -> None:
    lines = difference("a\nb\nc\n", "a\nB\nc\n")
    assert [(line.kind, line.text) for line in lines] == [
        ("place", "@@ -1,3 +1,3 @@"), ("same", "a"), ("removed", "b"), ("added", "B"), ("same", "c"),
    ]  # fmt: skip
    assert difference("a\n", "a\n") == []
    assert as_text(lines, 20) == "@@ -1,3 +1,3 @@\n a\n-\n…"


def test_no_secret_that_is_written_out_is_in_what_is_kept_of_a_difference(file: Path) -> None:
    text = (
        'lines: [{number: "912345678", password: "3956"}]\n'
        "database: postgresql://b:hunter2hunter2@h/n\n"
        "server: {url_key: letmeinplease}\n"
        "connectors:\n  c:\n    type: rest\n    base_url: https://h\n    auth: {type: bearer, token: tok-123456}\n"
        "    records: {contact: {search: {path: /x}, items: data, fields: {id: id}}}\n"
        "  # api_key: old-one-here\n"
    )
    read = checked(file, text.encode(), ENVIRONMENT)
    assert {"3956", "letmeinplease", "tok-123456"} <= read.secrets
    shown = without_secrets(text, read.secrets)
    for secret in ("3956", "hunter2", "letmein", "tok-1"):
        assert secret not in shown
    assert '"912345678"' in shown
    broken = "lines: [\n    password: hunter2\n  api_token: ${TOKEN}\n  url_key: ${KEY:-hunter3}\n"
    assert without_secrets(broken, checked(file, broken.encode(), ENVIRONMENT).secrets) == (
        "lines: [\n    password: •••\n  api_token: ${TOKEN}\n  url_key: ${KEY:-•••}\n"
    )

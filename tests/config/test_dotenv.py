from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from bridge.config.dotenv import parse
from bridge.config.environment import CREDENTIAL
from bridge.config.load import Loaded, attempt, load
from bridge.config.watch import Watched
from tests.config.files import LINES, told, write
from tests.nobody import give, own_folder, without_rights

SECRET = "nobody-sees-this"


@pytest.mark.parametrize(
    ("line", "value"),
    [
        ("A=plain", "plain"),
        ("  A = spaced out  ", "spaced out"),
        ("A=", ""),
        ("A=''", ""),
        ('A=""', ""),
        ("A=a=b==", "a=b=="),
        ("A=pass#word", "pass#word"),
        ("A=#word", "#word"),
        ("A='# no comment'", "# no comment"),
        ("A='$HOME ${HOME} \\n'", "$HOME ${HOME} \\n"),
        ('A="$HOME"', "$HOME"),
        ("A=$HOME", "$HOME"),
        (r'A="say \"so\" \\ \$ \`"', 'say "so" \\ $ `'),
        ("A='two\nlines'", "two\nlines"),
        ('A="joined\\\nup"', "joinedup"),
        ("A=it's", "it's"),
        ("A=ñandú €", "ñandú €"),
        ("A=first\nA=last", "last"),
        ("# A=no\n; A=no\n\n \t\nA=yes\r\n", "yes"),
    ],
)
def test_a_value_is_what_systemd_and_docker_take_it_for(line: str, value: str) -> None:
    found = parse(line)
    assert (found.values, found.broken, found.odd) == ({"A": value}, [], [])


@pytest.mark.parametrize(
    ("line", "value", "said"),
    [
        ("A=value # comment", "value", "comment"),
        ("A= # comment", "", "comment"),
        ("A='value' # comment", "value", "comment"),
        ("export A=value", "value", "export"),
        ("A=back\\slash", "back\\slash", "backslash"),
        (r'A="new\nline"', r"new\nline", "backslash"),
        ("A=${HOME}", "${HOME}", "expands"),
    ],
)
def test_a_line_that_the_two_read_differently_is_warned_of(line: str, value: str, said: str) -> None:
    found = parse(f"\n{line}\nB=2")
    assert (found.values, found.broken) == ({"A": value, "B": "2"}, [])
    [(at, text)] = found.odd
    assert (at, said in text) == (2, True)


@pytest.mark.parametrize("line", ["A", "A: b", "1A=b", "A-B=c", "=b", "A='open", 'A="open', "A='b'c", 'A="b"#c', "é=1"])
def test_a_broken_line_is_told_with_its_number_and_costs_no_other_line(line: str) -> None:
    found = parse(f"FIRST='1\n2'\n{line}\nLAST=9\n")
    assert (found.values, found.odd) == ({"FIRST": "1\n2", "LAST": "9"}, [])
    assert [at for at, _ in found.broken] == [3]
    assert "open" not in str(found.broken)


def test_a_file_as_large_as_may_be_is_read_at_once() -> None:
    began = time.process_time()
    for line in ("A='", 'A="\\', "A=" + " #" * 400, "A" * 500, "A=" + "\\" * 500):
        parse((line + "\n") * (64 * 1024 // len(line)))
    assert time.process_time() - began < 5


def beside(folder: Path, text: str, mode: int = 0o600) -> Path:
    path = folder / ".env"
    path.write_text(text, encoding="utf-8")
    path.chmod(mode)
    return path


def password(loaded: Loaded) -> str:
    return loaded.configuration.lines[0].password.get_secret_value()


def test_what_the_environment_lacks_is_taken_from_the_file_beside_the_configuration(tmp_path: Path) -> None:
    beside(tmp_path, f"PASSWORD='{SECRET}'\nLANGUAGE=en\n")
    path = write(tmp_path, LINES + "language: ${LANGUAGE:-es}\ndatabase: ${DATABASE:-sqlite:///other.db}\n")
    loaded = load(path, {})
    assert (password(loaded), loaded.configuration.language, loaded.warnings) == (SECRET, "en", ())
    assert SECRET not in repr(loaded)
    assert password(load(path, {"PASSWORD": "3956"})) == "3956"


def test_a_credential_of_systemd_stands_in_for_a_file_that_is_not_ours_to_read() -> None:
    with own_folder() as folder, own_folder() as credentials:
        path = write(folder, LINES)
        give(path)
        credential = credentials / CREDENTIAL
        credential.write_text(f"PASSWORD='{SECRET}'\n")
        credential.chmod(0o440)  # as systemd's own list of rights makes it look
        environ = {"CREDENTIALS_DIRECTORY": str(credentials)}
        loaded = load(path, environ)
        assert (password(loaded), loaded.warnings) == (SECRET, ())
        assert {folder / ".env", credential} <= loaded.files.keys(), "both are watched"

        file = beside(folder, "PASSWORD=3956\n")
        assert password(load(path, environ)) == "3956", "one that can be read is the fresher one"
        credential.chmod(0o444)
        with without_rights():  # the file is root's alone
            if not os.access(file, os.R_OK, effective_ids=True):
                assert password(load(path, environ)) == SECRET


def test_nothing_is_read_where_the_environment_lacks_nothing(tmp_path: Path) -> None:
    path = beside(tmp_path, "broken\n", 0o644)
    assert load(write(tmp_path, LINES), {"PASSWORD": "3956"}).warnings == ()
    assert path not in load(tmp_path / "bridge.yaml", {"PASSWORD": "3956"}).files


def test_warnings_name_the_file_and_the_line(tmp_path: Path) -> None:
    path = beside(tmp_path, f"PASSWORD=3956\n{SECRET}\nX='{SECRET}' # it\n", 0o640)
    file, broken, odd = map(str, load(write(tmp_path, LINES), {}).warnings)
    assert file == f"{path}: others than its owner may use this file, which holds secrets: chmod 600 .env"
    assert broken.startswith(f"{path}:2:1: is not NAME=value: ")
    assert odd.startswith(f"{path}:3:1: systemd takes a comment")
    assert SECRET not in broken + odd


def test_a_missing_variable_says_when_the_file_could_not_be_read_whole(tmp_path: Path) -> None:
    beside(tmp_path, f"FINE=1\nPASSWORD='{SECRET}\n")
    [fault] = told(tmp_path, LINES, {})
    assert "PASSWORD is not set (.env beside the configuration can't be read whole: line 2): set it" in fault
    (tmp_path / ".env").write_bytes(b"FINE=1\nPASSWORD=\xff\n")
    assert "can't be read whole: line 2)" in told(tmp_path, LINES, {})[0]


def test_a_file_that_may_not_be_read_keeps_nothing_from_running_that_needs_none_of_it() -> None:
    with own_folder() as folder:
        path = write(folder, 'lines: [{number: "912345678", password: "${PASSWORD:-3956}"}]')
        give(path)
        beside(folder, "PASSWORD=1111", 0)
        with without_rights():
            loaded = load(path, {})
    assert password(loaded) == "3956"
    assert "the file may not be read by this user" in str(loaded.warnings[0])


def test_the_file_is_watched_also_before_it_is_there(tmp_path: Path) -> None:
    heard: list[str] = []
    path = write(tmp_path, 'lines: [{number: "912345678", password: "${PASSWORD:-3956}"}]')
    watched = Watched(load(path, {}), lambda loaded: heard.append(password(loaded)), lambda _: None, environ={})
    for text in ("PASSWORD=1111", "PASSWORD=2222"):
        beside(tmp_path, text)
        watched.look()
        watched.look()
    (tmp_path / ".env").unlink()
    watched.look()
    watched.look()
    assert heard == ["1111", "2222", "3956"]


def test_a_faulty_file_has_its_fingerprint_too(tmp_path: Path) -> None:
    beside(tmp_path, "PASSWORT=1")
    assert attempt(write(tmp_path, LINES), {}).files[tmp_path / ".env"] != ""

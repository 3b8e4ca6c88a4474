"""`--version` says whether the configured database is of this version; it changes nothing in it."""

from __future__ import annotations

import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest
from sqlalchemy import text

from bridge.store.schema import connect
from bridge.store.tables import REVISION
from bridge.store.version import revision
from tests.cli.conftest import Said, said_by
from tests.store.made import at_revision

FORMER = f"{int(REVISION) - 1:04}"
OURS = f"infocaller-bridge, version {version('infocaller-bridge')}\n"


def configured(folder: Path, url: str) -> Path:
    path = folder / "config.yaml"
    path.write_text(f'language: en\nlines: [{{number: "912345678", password: "3956"}}]\ndatabase: "{url}"\n')
    return path


def test_without_a_configuration_there_is_nothing_to_ask(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LC_ALL", "en_US.UTF-8")
    assert said_by(capsys, "--version") == Said(0, OURS, "")
    code = "import sys; from bridge.cli import main\n"
    code += "try: main(['--version'])\nfinally: print('sqlalchemy' in sys.modules)"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout == f"{OURS}False\n"


def test_a_database_of_the_former_version_is_brought_up_to_date_by_the_next_start(
    empty_database_url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    at_revision(FORMER, empty_database_url, tmp_path).close()
    config = configured(tmp_path, empty_database_url)
    for arguments in (["--version", "-c", str(config)], ["-c", str(config), "--version"]):
        said = said_by(capsys, *arguments)
        assert (said.code, said.err) == (0, "")
        assert said.out.startswith(OURS)
        assert f"of an earlier version (schema {FORMER}, this program has {REVISION}): the next `serve`" in said.out
    database = connect(empty_database_url, tmp_path)
    try:
        with database.read() as connection:
            assert revision(connection) == REVISION
        assert f"is of this version (schema {REVISION})" in said_by(capsys, "--version", "-c", str(config)).out
        with database.write() as connection:
            connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
        assert "is of a newer version (schema 9999" in said_by(capsys, "--version", "-c", str(config)).out
    finally:
        database.close()


def test_a_database_that_is_not_there_or_empty_is_said_to_be(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], empty_database_url: str
) -> None:
    config = configured(tmp_path, "sqlite:///none.db")
    assert "is not there yet; `serve` makes it" in said_by(capsys, "--version", "-c", str(config)).out
    assert not (tmp_path / "none.db").exists()
    (tmp_path / "empty.db").touch()
    config = configured(tmp_path, "sqlite:///empty.db")
    assert "is empty; `serve` makes its tables" in said_by(capsys, "--version", "-c", str(config)).out


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("postgresql://someone:hunter2@127.0.0.1:1/name", "127.0.0.1:1"),
        ("mysql://root@host/name", "which database is meant"),
        ("bridge.db", "which database is meant"),
    ],
)
def test_one_that_cant_be_asked_is_no_reason_to_fail(
    url: str, why: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LC_ALL", "en_US.UTF-8")
    said = said_by(capsys, "--version", "-c", str(configured(tmp_path, url)))
    assert (said.code, said.err, "it can't be asked: " in said.out and why in said.out) == (0, "", True), said
    assert "hunter2" not in said.out


def test_a_faulty_configuration_is_no_reason_to_fail(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LC_ALL", "en_US.UTF-8")
    config = tmp_path / "config.yaml"
    config.write_text("lines: [\n")
    said = said_by(capsys, "--version", "-c", str(config))
    assert (said.code, said.out.startswith(OURS)) == (0, True)

"""A bridge that has worked: a configuration, a database with calls and jobs, and the commands on both."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from bridge.cli import main
from tests.fakes.connector import Handheld
from tests.fakes.exchange import Exchange

CONFIGURATION = """
lines:
  - {number: "912345678", password: "3956"}
connectors:
  crm:
    type: csv
    tables:
      contact: {file: contacts.csv, phones: [phone]}
      survey: {file: survey.csv}
    activities: {file: activities.csv}
activities:
  - in: crm
"""


class Said(NamedTuple):
    """What a command said. `code`: its exit code."""

    code: int
    out: str
    err: str


Run = Callable[..., Said]


def said_by(capsys: pytest.CaptureFixture[str], *arguments: str) -> Said:
    """What a command of these arguments says, as the installed program would."""
    capsys.readouterr()
    with pytest.raises(SystemExit) as ended:
        main(list(arguments))
    said = capsys.readouterr()
    assert isinstance(ended.value.code, int)
    return Said(ended.value.code, said.out, said.err)


@pytest.fixture
def config(tmp_path: Path) -> Path:
    (tmp_path / "contacts.csv").write_text("phone,name\n600111222,Ana\n", encoding="utf-8")
    file = tmp_path / "config.yaml"
    file.write_text(CONFIGURATION, encoding="utf-8")
    return file


@pytest.fixture
def crm() -> Handheld:
    return Handheld("crm")


@pytest.fixture
def exchange(config: Path, crm: Handheld) -> Iterator[Exchange]:
    """On the database of the configuration."""
    exchange = Exchange(config.parent, crm)
    yield exchange
    exchange.close()


@pytest.fixture
def run(config: Path, capsys: pytest.CaptureFixture[str]) -> Run:
    """Run a command with this configuration, as the installed program would."""

    def command(*arguments: object) -> Said:
        return said_by(capsys, *map(str, arguments), "-c", str(config))

    return command

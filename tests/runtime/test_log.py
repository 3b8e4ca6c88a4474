"""One line for each thing, without secrets, without whole numbers, without lines of a stranger's making."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest
from pydantic import BaseModel, SecretStr

from bridge.runtime import log

_LOG = logging.getLogger("tests.log")


@dataclass
class Lines:
    """What was logged."""

    written: list[bytes] = field(default_factory=list)

    def last(self) -> str:
        line = self.written[-1].decode()
        assert line.endswith("\n")
        assert line.count("\n") == 1
        return line[:-1]


@pytest.fixture
def lines() -> Iterator[Lines]:
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    lines = Lines()
    log.start("text", lines.written.append)
    yield lines
    logging.captureWarnings(False)
    root.handlers[:] = handlers
    root.setLevel(level)


def test_a_line_has_its_parts_as_keys(lines: Lines) -> None:
    _LOG.info("it went %s", "well", extra={"fields": {"ms": 1.5, "query": "A B", "none": None}})
    line = lines.last()
    assert line.startswith("time=20")
    assert line.endswith('level=info at=tests.log message="it went well" ms=1.5 query="A B"')


@pytest.mark.parametrize(
    "text",
    [
        "600111222",
        "+34600111222",
        "0034 600 111 222",
        "600-11-22-33",
        "tel:+34 600 11 12 22.",
        "%2B34600111222",
        "caller=600111222&x",
        "id600111222x",
        "[600111222]",
        "123456789012345678901234567890",
    ],
)
def test_whole_numbers_are_masked(lines: Lines, text: str) -> None:
    _LOG.info("from %s", text)
    digits = "".join(filter(str.isdigit, lines.last().partition("message=")[2]))
    assert len(digits) <= 5


@pytest.mark.parametrize(
    "text", ["2026-11-23 19:20:48", "127.0.0.1:8080", "192.168.100.123", "1234567", "v1.2.3", "took 1500 ms at 12:30"]
)
def test_what_is_no_phone_number_stays(lines: Lines, text: str) -> None:
    _LOG.info("it is %s.", text)
    assert f"it is {text}." in lines.last()


@pytest.mark.parametrize("ending", ["\n", "\r", "\r\n", "\x85", "\u2028", "\x1b[2J", "\x00", '"', "\u202e"])
def test_no_stranger_ends_hides_or_reorders_a_line(lines: Lines, ending: str) -> None:
    _LOG.info("query %s", f"A{ending}level=error", extra={"fields": {"call": f"1{ending}2"}})
    line = lines.last()
    assert line.splitlines() == [line]
    assert ending == '"' or ending not in line


def test_what_no_charset_can_hold_is_escaped(lines: Lines) -> None:
    ours = next(each for each in logging.getLogger().handlers if isinstance(each.formatter, log.Formatter))
    ours.emit(logging.LogRecord("tests", logging.INFO, "", 0, "half a character: \ud800.", None, None))
    assert "\\ud800." in lines.last()


def test_secrets_do_not_come_out_nor_as_they_are_spelled_in_a_url(lines: Lines) -> None:
    log.hide(["the/secret key"])
    log.hide(["another-secret"])
    _LOG.info("%s", "/infocaller/the%2Fsecret%20key/query, the/secret key, another-secret.")
    assert lines.last().endswith('message="/infocaller/•••/query, •••, •••."')


def test_what_goes_wrong_is_one_masked_line_too(lines: Lines) -> None:
    log.hide(["hunter2-and-more"])
    try:
        raise ValueError("could not ring 600111222\nwith hunter2-and-more")
    except ValueError:
        _LOG.exception("failed")
    line = lines.last()
    assert "ValueError: could not ring •••222" in line
    assert "600111222" not in line
    assert "hunter2" not in line


def test_json_lines_hold_the_same(lines: Lines) -> None:
    log.start("json", lines.written.append)
    _LOG.warning("from %s\n", "600111222", extra={"fields": {"status": 200, "ok": True}})
    said = json.loads(lines.last())
    assert {key: said[key] for key in ("level", "message", "status", "ok")} == {
        "level": "warning",
        "message": "from •••222\n",
        "status": 200,
        "ok": True,
    }


def test_a_reader_that_is_gone_stops_nobody(lines: Lines) -> None:
    def gone(_line: bytes) -> None:
        raise BrokenPipeError

    log.start("text", gone)
    _LOG.info("anything")


def test_every_secret_of_a_configuration_is_known_and_the_password_of_its_urls() -> None:
    class Inner(BaseModel):
        token: SecretStr

    class Outer(BaseModel, extra="allow"):
        plain: str
        url: SecretStr
        many: dict[str, list[Inner]]

    outer = Outer(
        plain="x",
        url=SecretStr("postgresql://user:pa%3Ass@host/db"),
        many={"a": [Inner(token=SecretStr("t1"))]},
        more=Inner(token=SecretStr("t2")),
    )
    assert set(log.secrets_in(outer)) == {"postgresql://user:pa%3Ass@host/db", "pa%3Ass", "t1", "t2"}

"""A case that is put into `tests:`: comments, quotes and order of all that stands there stay."""

from __future__ import annotations

from typing import Any

import pytest

from bridge.config.casetext import with_case
from bridge.config.nodes import Unreadable
from bridge.config.source import read

CASE = {
    "ask": "DESVIO",
    "caller": "600111222",
    "vars": {"PIN": "007"},
    "at": "2026-12-24T21:30",
    "answer": {"X": 'a "q" ñ', "Y": "l1\nl2", "Z": ""},
    "result": 3,
}
COMMENTS = "tests:\n- ask: A  # why\n\n# of alerts\nalerts: []\n"
BLOCK = "tests:\n  - ask: A\n    caller: |\n      # text\nx: 1\n"
LAST = """ask: DESVIO
caller: "600111222"
vars: {PIN: "007"}
at: "2026-12-24T21:30"
answer: {X: "a \\"q\\" ñ", Y: "l1\\nl2", Z: ""}
result: 3
"""


def values(text: str) -> Any:
    return read(text, lambda written: written).value


def item(column: int) -> str:
    pad = " " * column
    return "".join(f"{pad}{'- ' if not n else '  '}{line}\n" for n, line in enumerate(LAST.splitlines()))


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("lines: []\n", "lines: []\n\ntests:\n" + item(2)),
        ("lines: []", "lines: []\n\ntests:\n" + item(2)),
        (COMMENTS, COMMENTS.replace("why\n", "why\n" + item(0))),
        ("tests:\n    - ask: A\n      line: ${X}\n", "tests:\n    - ask: A\n      line: ${X}\n" + item(4)),
        (BLOCK, BLOCK.replace("text\n", "text\n" + item(2))),
    ],
)
def test_lines_are_added_and_nothing_else(before: str, after: str) -> None:
    assert with_case(before, CASE) == after


@pytest.mark.parametrize(
    "before",
    [
        "tests: [{ask: A}]  # few\nlines: []\n",
        "# head\ntests: {ask: A}\n",
        "tests:\n# none yet\nlines: []\n",
        "tests: []\n",
        "{lines: [], language: es}\n",
    ],
)
def test_a_file_of_another_layout_is_written_anew_with_its_comments(before: str) -> None:
    after = with_case(before, CASE)
    cases = values(after)["tests"]
    assert cases[-1]["answer"] == CASE["answer"]
    for comment in ("# few", "# head", "# none yet"):
        assert (comment in before) == (comment in after)


@pytest.mark.parametrize("text", ["", "lines: [", "- 1\n", "a: &a [{ask: B}]\ntests: *a\n", "\x00"])
def test_what_can_not_be_done_is_told(text: str) -> None:
    with pytest.raises(Unreadable):
        with_case(text, CASE)

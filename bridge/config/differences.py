"""What differs between two texts of the configuration, for people; secrets that are written out can be left out."""

from __future__ import annotations

import difflib
import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Literal

from bridge.config.faults import hidden
from connectors.masking import GONE, SENSITIVE_NAMES

_SECRET_VALUE = re.compile(
    rf"""((?:{SENSITIVE_NAMES})[\w.-]{{0,40}}["']?[ \t]{{0,9}}:[ \t]{{1,9}}["']?)(?=[^\s#$"'])[^\n]+""", re.IGNORECASE
)
_DEFAULT = re.compile(r"(\$\{\w{1,99}:-)[^{}\n]+")
_CONTEXT = 3
_MOST_LINES = 20_000

Kind = Literal["same", "added", "removed", "place"]


@dataclass(frozen=True, slots=True)
class DiffLine:
    """One line of a diff. `kind` place: where the lines that follow stand."""

    kind: Kind
    text: str


def difference(before: str, after: str) -> list[DiffLine]:
    """Return a unified diff, empty where nothing differs."""
    return list(_lines(before, after))


def _lines(before: str, after: str) -> Iterator[DiffLine]:
    if max(before.count("\n"), after.count("\n")) > _MOST_LINES:
        if before != after:
            yield DiffLine("place", f"@@ more than {_MOST_LINES} lines: not compared @@")
        return
    kinds: dict[str, Kind] = {" ": "same", "+": "added", "-": "removed"}
    texts = difflib.unified_diff(before.splitlines(), after.splitlines(), n=_CONTEXT, lineterm="")
    for number, line in enumerate(texts):
        if line.startswith("@@"):
            yield DiffLine("place", line)
        elif number > 1:  # the two names of the files
            yield DiffLine(kinds[line[0]], line[1:])


def as_text(lines: Collection[DiffLine], longest: int) -> str:
    """Return a diff as text of at most so many characters."""
    signs = {"same": " ", "added": "+", "removed": "-", "place": ""}
    text = "\n".join(f"{signs[line.kind]}{line.text}" for line in lines)
    return text if len(text) <= longest else f"{text[:longest]}\n…"


def without_secrets(text: str, secrets: Collection[str]) -> str:
    """Return a configuration's text without these secrets, nor whatever stands under a key that is called like one, nor
    the defaults of `${NAME:-default}`."""
    text = _DEFAULT.sub(rf"\1{GONE}", hidden(text, dict.fromkeys(secrets, GONE)))
    return _SECRET_VALUE.sub(rf"\1{GONE}", text)

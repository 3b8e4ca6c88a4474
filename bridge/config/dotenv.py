"""The file `.env`: one `NAME=value` a line, read as systemd's `EnvironmentFile=` and Docker Compose read it. Nothing in
a value is expanded. A line that the two read differently is warned of."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass, field

_NAME = re.compile(r"[ \t]*(?P<export>export[ \t]+)?(?P<name>[A-Za-z_][A-Za-z0-9_]*)[ \t]*=[ \t]*")
_QUOTED = re.compile(r"'(?P<single>[^']*)'|\"(?P<double>(?:[^\"\\]|\\.)*)\"", re.DOTALL)
_REST = re.compile(r"[ \t]*(?P<comment>[ \t]#.*)?")
_COMMENT = re.compile(r"(?<=[ \t])#")
_PLAIN = re.compile(r"[A-Za-z0-9_./:@%+,=-]*")
_TO_ESCAPE = re.compile(r"[\"\\`$]")
_ESCAPED = re.compile(r"\\(?:\n|([\"\\`$]))")
_OTHER_ESCAPE = re.compile(r"(?:[^\\]|\\[\n\"\\`$])*+\\.")


@dataclass(frozen=True)
class DotEnv:
    """What a file holds: `values` by name, the lines that can't be read (`broken`), and those that are worth a word
    (`odd`). Lines are numbered from 1; the texts show nothing of a value."""

    values: dict[str, str] = field(default_factory=dict)
    broken: list[tuple[int, str]] = field(default_factory=list)
    odd: list[tuple[int, str]] = field(default_factory=list)


def parse(text: str) -> DotEnv:
    """Read the text of a file. A broken line is left out; of a name that stands twice the last one counts."""
    text = text.replace("\r\n", "\n")
    pairs = DotEnv()
    position, line = 0, 1
    while position < len(text):
        end = _end_of_line(text, position)
        content = text[position:end].strip()
        if content and content[0] not in "#;":
            end = _pair(text, position, line, pairs)
        line += text.count("\n", position, end + 1)
        position = end + 1
    return pairs


def written(name: str, value: str) -> str:
    """Return the line that gives a name this value, the same to us, Docker, systemd and a shell. Raises ValueError for
    what a file can't hold: line breaks and other control characters."""
    if any(unicodedata.category(character) in ("Cc", "Cs", "Zl", "Zp") for character in value):
        raise ValueError("line breaks and control characters can't stand here")
    if _PLAIN.fullmatch(value):
        return f"{name}={value}"
    if "'" not in value and "\\" not in value:
        return f"{name}='{value}'"
    escaped = _TO_ESCAPE.sub(r"\\\g<0>", value)
    return f'{name}="{escaped}"'


def _end_of_line(text: str, position: int) -> int:
    end = text.find("\n", position)
    return len(text) if end < 0 else end


def _pair(text: str, position: int, line: int, pairs: DotEnv) -> int:
    """Read the pair that begins here; where its last line ends."""
    end = _end_of_line(text, position)
    named = _NAME.match(text, position, end)
    if named is None:
        problem = "is not NAME=value: write one pair a line, a NAME of letters, digits and _, and # before a comment"
        pairs.broken.append((line, problem))
        return end
    start = named.end()
    if text[start:end].startswith(("'", '"')):
        quoted = _QUOTED.match(text, start)
        last = _end_of_line(text, quoted.end()) if quoted is not None else end
        rest = _REST.fullmatch(text, quoted.end(), last) if quoted is not None else None
        if quoted is None or rest is None:
            pairs.broken.append((line, "a quote is not closed, or something follows the closing quote"))
            return end
        end = last
        single = quoted["single"]
        value = _ESCAPED.sub(r"\1", quoted["double"]) if single is None else single
        escapes = single is None and _OTHER_ESCAPE.match(quoted["double"]) is not None
        commented = rest["comment"] is not None
        expanded = single is None and "${" in _ESCAPED.sub("", quoted["double"])
    else:
        comment = _COMMENT.search(text, start, end)
        value = text[start : comment.start() if comment else end].strip()
        escapes, expanded, commented = "\\" in value, "${" in value, comment is not None
    pairs.values[named["name"]] = value
    exported = named["export"] is not None
    pairs.odd.extend((line, oddity) for oddity in _odd(exported, escapes, expanded, commented))
    return end


def _odd(exported: bool, escapes: bool, expanded: bool, commented: bool) -> Iterator[str]:
    if exported:
        yield "systemd does not know `export`: leave it out"
    if escapes:
        yield "a backslash is kept here, while systemd or Docker read it otherwise: put the value in single quotes"
    if expanded:
        yield "${ } is kept as it is written, while Docker expands it: put the value in single quotes"
    if commented:
        yield "systemd takes a comment after a value for a part of it: put it on a line of its own"

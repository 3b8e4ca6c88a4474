"""Small files, read whole: with a bound, and with one clear line for each way in which that can fail."""

from __future__ import annotations

import codecs
import hashlib
import os
import re
import stat
from pathlib import Path

LARGEST = 1024 * 1024
_ENCODINGS = {
    codecs.BOM_UTF16_LE: "UTF-16",
    codecs.BOM_UTF16_BE: "UTF-16",
}
# control characters but tab and line breaks, and what is no character
_FORBIDDEN = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x84\x86-\x9f\ufffe\uffff]")


ABSENT = "does not exist"


class NotUsable(Exception):
    """A file can't be used; the message goes on after its name (`is a folder`)."""


class NotText(Exception):
    """What is in a file is no text: `line` and `column`, from 1, are where."""

    def __init__(self, line: int, column: int, text: str) -> None:
        super().__init__(text)
        self.line = line
        self.column = column


def content(path: Path, largest: int = LARGEST) -> bytes:
    """Return all that is in a file. Raises `NotUsable`."""
    try:
        about = path.stat()
        if stat.S_ISDIR(about.st_mode):
            raise NotUsable("is a folder: name the file in it")
        if not stat.S_ISREG(about.st_mode):
            raise NotUsable("is not a plain file")
        with path.open("rb") as file:
            data = file.read(largest + 1)
    except (OSError, ValueError) as error:
        raise NotUsable(_reason(error)) from None
    if len(data) > largest:
        raise NotUsable(f"is larger than {largest // 1024} KiB: is it the right file?")
    return data


def _reason(error: OSError | ValueError) -> str:
    if isinstance(error, FileNotFoundError):
        return ABSENT
    if isinstance(error, PermissionError):
        return "may not be read by this user: check its owner and mode"
    return f"can't be read: {getattr(error, 'strerror', None) or error}"


def text(data: bytes) -> str:
    """Return the text of a file in UTF-8, with or without a byte order mark. Raises `NotText`."""
    for mark, name in _ENCODINGS.items():
        if data.startswith(mark):
            raise NotText(1, 1, f"the file is {name}: save it as UTF-8")
    data = data.removeprefix(codecs.BOM_UTF8)
    try:
        decoded = data.decode()
    except UnicodeDecodeError as error:
        raise NotText(*_position(data[: error.start]), "the file is not UTF-8 from here on: save it as UTF-8") from None
    forbidden = _FORBIDDEN.search(decoded)
    if forbidden:
        where = _position(decoded[: forbidden.start()].encode())
        raise NotText(*where, f"the character U+{ord(forbidden[0]):04X} can't stand in a configuration: remove it")
    return decoded


def _position(before: bytes) -> tuple[int, int]:
    last = before.decode(errors="replace").split("\n")
    return len(last), len(last[-1]) + 1


def fingerprint(data: bytes | None) -> str:
    """Return what tells one content of a file from another; empty for one that could not be read (None)."""
    return "" if data is None else hashlib.sha256(data).hexdigest()


def fingerprint_now(path: Path, largest: int = LARGEST) -> str:
    """Return the fingerprint of what is in a file now."""
    try:
        return fingerprint(content(path, largest))
    except NotUsable:
        return ""


def open_to_others(path: Path) -> bool:
    """Return whether every user of the machine may read it."""
    return bool(mode_of(path) & stat.S_IROTH)


def mode_of(path: Path) -> int:
    """Return the permissions of a file; 0 where they can't be told."""
    try:
        return stat.S_IMODE(path.stat().st_mode) if os.name == "posix" else 0
    except OSError:
        return 0

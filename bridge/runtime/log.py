"""The log: one line for each thing that happened, `key=value` or JSON, on standard error.

Whatever reaches it, no secret of the configuration, no whole phone number and no line break of a stranger's making
comes out of it. Modules log as usual (`logging.getLogger(__name__)`); `extra={"fields": {...}}` adds keys to a line.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import re
import time
import traceback
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import UTC, datetime
from urllib.parse import quote, urlsplit

from pydantic import BaseModel, SecretStr

from connectors.phone import mask

_Write = Callable[[bytes], object]
_SHORTEST_SECRET = 6
"""Shorter ones (the four digits of a telephone password) can't be told from other numbers; nothing ever logs them."""
_LONGEST_LINE = 16_000
_MOST_KEPT, _LONGEST_KEPT = 4096, 100
# without spaces, quotes, `=`, backslashes, control characters and those of _ODD
_PLAIN = re.compile("[!#-<>-\\[\\]-~\xa1-\u200a\u2010-\u2027\u202f-\u2065\u206a-\ufefe\uff00-\uffef]+")
_ODD = re.compile("[\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2066-\u2069\ufeff]")
_NUMBER = re.compile(r"(?<![\w.-])(?!\d{4}-\d\d-\d\d\b)(?:\+|%2B|00)?\d(?:[ \-]?\d){8,}|\d{9,}", re.I)
_UNMASKED = frozenset({"time", "call", "address", "error", "job"})
"""Fields whose whole point is to be found again, and that hold no phone number by their nature."""


def secrets_in(value: object) -> Iterator[str]:
    """Yield every secret among a configuration's values, and the password inside each that is a URL."""
    if isinstance(value, SecretStr):
        text = value.get_secret_value()
        yield text
        with contextlib.suppress(ValueError):  # not a URL
            if password := urlsplit(text).password:
                yield password
    elif isinstance(value, BaseModel):
        for name in (*type(value).model_fields, *(value.model_extra or ())):
            yield from secrets_in(getattr(value, name, None))
    elif isinstance(value, Mapping):
        for inner in value.values():
            yield from secrets_in(inner)
    elif isinstance(value, (list, tuple, set, frozenset)):
        for inner in value:
            yield from secrets_in(inner)


def escape(text: str) -> str:
    """Text in quotes, with whatever could end, hide or reorder a line escaped."""
    return _ODD.sub(lambda match: f"\\u{ord(match[0]):04x}", json.dumps(text, ensure_ascii=False))


class Formatter(logging.Formatter):
    """Writes a record as one line. `style`: `text` (`key=value`) or `json`."""

    def __init__(self, style: str = "text") -> None:
        super().__init__()
        self._json = style == "json"
        self._secrets: frozenset[str] = frozenset()
        self._hidden: re.Pattern[str] | None = None
        self._written: dict[str, str] = {}
        """Values that come again and again (paths, outcomes), masked and quoted."""
        self._second = 0, ""
        """The last second of which a line was written, and how it is spelled."""

    def hide(self, secrets: Iterable[str]) -> None:
        """From now on none of these comes out, nor spelled as in a URL. What was hidden before stays hidden."""
        spelled = {form for secret in secrets for form in (secret, quote(secret, safe=""))}
        self._secrets |= {secret for secret in spelled if len(secret) >= _SHORTEST_SECRET}
        longest_first = sorted(self._secrets, key=len, reverse=True)
        self._hidden = re.compile("|".join(map(re.escape, longest_first))) if longest_first else None
        self._written = {}

    def masked(self, text: str) -> str:
        """Return the text without secrets and without whole numbers: runs of nine digits and more keep their last
        three. Of a very long text the start alone."""
        if self._hidden is not None:
            text = self._hidden.sub("•••", text)
        if len(text) > _LONGEST_LINE:
            text = f"{text[:_LONGEST_LINE]}…"
        return _NUMBER.sub(lambda match: mask(match[0]), text)

    def format(self, record: logging.LogRecord) -> str:
        """Return the record as one line, without its line break."""
        fields: Mapping[str, object] = getattr(record, "fields", {})
        if record.exc_info and record.exc_info[1] is not None:
            trace = "".join(traceback.format_exception(record.exc_info[1]))[-_LONGEST_LINE:]
            fields = {**fields, "traceback": trace}
        return self.line(record.created, record.levelname.lower(), record.name, record.getMessage(), fields)

    def line(self, moment: float, level: str, name: str, message: str, fields: Mapping[str, object]) -> str:
        """Return what `name` says at `moment` (Unix time) as one line, without its line break."""
        when = self._when(moment)
        if self._json:
            whole = {"time": when, "level": level, "at": name, "message": message, **fields}
            safe = {key: self._safe(key, value) for key, value in whole.items() if value is not None}
            return _ODD.sub(lambda match: f"\\u{ord(match[0]):04x}", json.dumps(safe, ensure_ascii=False))
        written = self._written.get
        line = (
            f"time={when} level={level} at={written(name) or self._text('at', name)} "
            f"message={written(message) or self._text('message', message)}"
        )
        for key, value in fields.items():
            if isinstance(value, str):  # nearly all are known: what comes for each Query takes no call
                shown = _quoted(value) if key in _UNMASKED else written(value) or self._text(key, value)
                line += f" {key}={shown}"
            elif value is not None:
                line += f" {key}={self._text(key, value)}"
        return line

    def _when(self, moment: float) -> str:
        """ISO 8601 with milliseconds, in UTC."""
        second, spelled = self._second
        whole = int(moment)
        if whole != second:
            spelled = datetime.fromtimestamp(whole, UTC).isoformat()[:-6]
            self._second = whole, spelled
        return f"{spelled}.{int((moment - whole) * 1000):03}+00:00"

    def _safe(self, key: str, value: object) -> object:
        if isinstance(value, (bool, int, float)):
            return value
        text = str(value)
        return text if key in _UNMASKED else self.masked(text)

    def _text(self, key: str, value: object) -> str:
        if isinstance(value, (int, float)):
            return str(value)
        text = value if isinstance(value, str) else str(value)
        if key in _UNMASKED:
            return _quoted(text)
        written = self._written.get(text)
        if written is None:
            written = _quoted(self.masked(text))
            if len(self._written) < _MOST_KEPT and len(text) < _LONGEST_KEPT:
                self._written[text] = written
        return written


def _quoted(text: str) -> str:
    return text if _PLAIN.fullmatch(text) else escape(text)


def standard_error(line: bytes) -> None:
    """Write to standard error in one call, so that lines of several processes do not mix."""
    while line:
        line = line[os.write(2, line) :]


class _Lines(logging.Handler):
    def __init__(self, formatter: Formatter, write: _Write, later: _Write) -> None:
        super().__init__()
        self.setFormatter(formatter)
        self._write, self._later = write, later

    def createLock(self) -> None:  # noqa: N802 - the name is logging's
        """None: a line is written in one call, and a lock held across it would make threads wait for the disk."""
        self.lock = None

    def inform(self, name: str, message: str, fields: Mapping[str, object]) -> None:
        """Write a line that only informs."""
        assert isinstance(self.formatter, Formatter)  # noqa: S101 - it was made with one
        line = self.formatter.line(time.time(), "info", name, message, fields)
        try:
            self._later(f"{line}\n".encode("utf-8", "backslashreplace"))
        except OSError:  # standard error is gone: there is nobody left to tell
            return

    def emit(self, record: logging.LogRecord) -> None:
        with contextlib.suppress(OSError):  # standard error is gone: there is nobody left to tell
            write = self._write if record.levelno > logging.INFO else self._later
            write(f"{self.format(record)}\n".encode("utf-8", "backslashreplace"))


def start(style: str = "text", write: _Write = standard_error, later: _Write | None = None) -> Formatter:
    """Make this the process's log, in place of whatever there was. `write` takes each line, with its line break;
    `later`, where it is given, those that only inform."""
    formatter = Formatter(style)
    root = logging.getLogger()
    for handler in list(root.handlers):
        root.removeHandler(handler)
    root.addHandler(_Lines(formatter, write, later or write))
    root.setLevel(logging.INFO)
    for chatty in ("urllib3", "werkzeug", "_granian", "alembic", "procrastinate"):
        logging.getLogger(chatty).setLevel(logging.WARNING)
    logging.captureWarnings(True)
    # no line shows these, and finding them out for each takes a good part of a record's time
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False
    return formatter


def inform(logger: logging.Logger, message: str, fields: Mapping[str, object]) -> None:
    """Log what only informs, with `fields`. Where the log is ours alone, without a record of the library's, which takes
    longer to make than the line."""
    if not logger.isEnabledFor(logging.INFO):
        return
    handlers = logger.root.handlers
    if len(handlers) == 1 and isinstance(handlers[0], _Lines):
        handlers[0].inform(logger.name, message, fields)
    else:
        logger.info(message, extra={"fields": fields})


def hide(secrets: Iterable[str]) -> None:
    """Keep these secrets out of the process's log. Nothing happens where `start` was not called."""
    for handler in logging.getLogger().handlers:
        if isinstance(handler.formatter, Formatter):
            handler.formatter.hide(secrets)

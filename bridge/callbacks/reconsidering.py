"""What waits is judged anew when the rules changed by which it was put off: hours, holidays, limits, lists.

Which rules a source's callbacks were judged by last is noted in the state folder, so a change that comes with a restart
counts as well, and each host goes by what it did itself. Only a change costs anything, a piece at a time.
"""

from __future__ import annotations

import hashlib
import json
import logging
import time
from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path

from bridge.callbacks import gates, states
from bridge.callbacks.gates import MENDED, Facts, Gate
from bridge.callbacks.parts import Book, Parts
from bridge.callbacks.tasks import Rules, UnusableTask, restored
from bridge.queue.base import LINE, line_key
from bridge.store import callbacks
from bridge.store.callbacks import Callback, Change
from bridge.texts import Language

_log = logging.getLogger("bridge.callbacks")

_FILE = "judged.json"
_PIECE = 500
_LONGEST = 2.0
"""Seconds that one look may take; the rest waits for the next."""
_BY_RULES = frozenset(
    {Gate.HOURS, Gate.COMMERCIAL_HOURS, Gate.BY_HAND, Gate.PER_NUMBER, Gate.LIST_AWAY, "line", *MENDED}
)
"""The gates that a changed configuration may open. What waits for a CRM, the platform or a person goes on waiting."""
_SAID_AGAIN = frozenset({Gate.HOURS, Gate.COMMERCIAL_HOURS, Gate.BY_HAND, *MENDED, ""})
"""Those of them that may say the same again at once, with the next moment at which they may open."""


class Reconsidering:
    """Sees which sources' rules changed, and to what waits of them. `state`: the bridge's own folder."""

    def __init__(self, parts: Parts, state: Path) -> None:
        self._database = parts.database
        self._queue = parts.queue
        self._book = parts.book
        self._clock = parts.clock
        self._file = state / _FILE
        self._judged = self._read()
        self._seen: Book | None = None
        self._left: dict[str, list[int]] = {}
        """What is still to be judged anew, by source: ids of callbacks."""

    def look(self) -> None:
        """See whether the rules changed, and to a part of what there is to do. Raises `StoreUnavailable`."""
        book = self._book()
        if self._seen is not book:
            self._begin(book)
            self._seen = book
        end = time.monotonic() + _LONGEST
        for title in list(self._left):
            while ids := self._left[title][:_PIECE]:
                if time.monotonic() > end:
                    return
                self._piece(book, book.rules[title], ids)
                self._left[title] = self._left[title][len(ids) :]
            del self._left[title]
            self._judged[title] = _digest(book.rules[title])
            self._write(book)

    def _begin(self, book: Book) -> None:
        changed = [title for title, rules in book.rules.items() if self._judged.get(title) != _digest(rules)]
        if not changed:
            self._left = {}
            return
        now = self._clock()
        with self._database.write() as connection:
            self._left = {title: callbacks.put_off(connection, title, now) for title in changed}
            for line in {book.rules[title].line.number for title in changed}:  # its pace may be another
                self._queue.wake(connection, LINE, line_key(line, now))

    def _piece(self, book: Book, rules: Rules, ids: Sequence[int]) -> None:
        now, language, moved = self._clock(), book.configuration.language, 0
        with self._database.write() as connection:
            for callback in callbacks.waiting(connection, ids):
                change = again(rules, callback, now, language)
                if change is not None:
                    moved += callbacks.change(connection, callback.id, change, now)
            if moved:
                self._queue.wake(connection, LINE, line_key(rules.line.number, now))
        if moved:
            _log.info("the rules of %s changed: %d callbacks that wait were given another time", rules.title, moved)

    def _read(self) -> dict[str, str]:
        try:
            digests = json.loads(self._file.read_text("utf-8"))
        except FileNotFoundError:
            return {}
        except (OSError, ValueError) as error:
            _log.warning("%s can't be read, so all that waits is judged anew: %s", self._file, error)
            return {}
        return digests if isinstance(digests, dict) else {}

    def _write(self, book: Book) -> None:
        self._judged = {title: digest for title, digest in self._judged.items() if title in book.rules}
        beside = self._file.with_name(f"{_FILE}.new")
        try:
            beside.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            beside.write_text(json.dumps(self._judged), "utf-8")
            beside.replace(self._file)
        except OSError as error:  # the next start judges anew, which is all that is lost
            _log.warning("%s can't be written: %s", self._file, error)


def again(rules: Rules, callback: Callback, now: datetime, language: Language) -> Change | None:
    """Return what the rules as they are now make of one that waits; None where that is nothing new."""
    task, asked = restored(callback.task_id, callback.task), gates.candidate(rules, callback)
    try:
        due, data = rules.due(task, asked.customer), rules.data(task)
    except UnusableTask:  # said when it has its turn
        return None
    if data.fault is not None:
        return None
    values: dict[str, object] = {}
    if due != callback.due:  # a date alone means the opening of that day's hours
        late = timedelta(seconds=rules.source.expires)
        values = {"due": due, "expires_at": max(due or now, callback.created_at) + late}
    held = callback.gate not in _BY_RULES and not (rules.source.dial == "by_hand" and not callback.gate)
    if callback.next_at is not None and (not held or (values and not callback.gate)):
        at, gate, reason = now, "", ""
        decision = gates.admit(asked, Facts(rules=rules, now=now, data=data))
        by_hand = decision.gate is Gate.BY_HAND
        kept_back = decision.gate is not None and (by_hand or callback.gate in _SAID_AGAIN)
        if due is not None and due > now and rules.source.schedule == "bridge" and not by_hand:
            at = due
        elif kept_back and decision.until is not None:  # what ends for good does so in its turn
            at, gate, reason = decision.until, str(decision.gate), decision.text(language)
        if (at, gate) != (callback.next_at, callback.gate):
            values |= {"next_at": at, "gate": gate, "reason": reason}
    return states.renew(**values) if values else None


def _digest(rules: Rules) -> str:
    """Tells rules from others by all that decides when something is called."""
    source, line = rules.source, rules.line
    deciding = (
        *(
            rules.configuration.times_of(source),
            source.holidays,
            source.of,
            source.at,
            source.schedule,
            source.expires,
            source.max_wait,
        ),
        *(source.retries, source.per_number, source.do_not_call, line.number, line.country, line.timezone, line.dial),
        line.emission,
        *((source.dial, source.after) if source.dial != "automatic" or source.after else ()),
        *(
            (
                source.aim,
                source.consent,
                source.automatic,
                source.exclusion_max_age,
                rules.configuration.commercial,
                rules.lawbook,
            )
            if source.purpose
            else ()
        ),
    )
    return hashlib.sha256(repr(deciding).encode()).hexdigest()

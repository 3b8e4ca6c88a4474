"""The platform's own record: every emission request that came, and which of them rang a phone."""

from __future__ import annotations

import json
import threading
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True)
class Entry:
    """One request. `at`, aware, when it was read; `rang` whether the platform calls because of it; `result` the
    Resultado, None where none was answered; `fault` what went wrong on purpose, empty for nothing. Where the request
    was not read, or not understood, the rest is empty. The signature is never kept."""

    at: datetime
    rang: bool
    result: int | None = None
    fault: str = ""
    idcall: str = ""
    line: str = ""
    number: str = ""
    rule_group: str = ""
    format: str = ""
    call_at: str = ""
    max_wait: int = 0
    retries: int = 0
    variables: Mapping[str, str] = field(default_factory=dict)


class EmissionLedger:
    """All entries in order. With a `file` each is appended to it, one JSON object a line, before it is answered; what
    the file holds already is read first. Any number of threads may use one."""

    def __init__(self, file: Path | None = None) -> None:
        self._lock = threading.Lock()
        self._entries = _load(file) if file is not None and file.exists() else []
        self._file = file.open("a", encoding="utf-8") if file is not None else None

    def add(self, entry: Entry) -> None:
        """Keep it; when this returns it outlives the process."""
        with self._lock:
            self._entries.append(entry)
            if self._file is not None:
                self._file.write(json.dumps({**asdict(entry), "at": entry.at.isoformat()}) + "\n")
                self._file.flush()

    @property
    def entries(self) -> list[Entry]:
        """Everything so far."""
        with self._lock:
            return list(self._entries)

    @property
    def rung(self) -> list[Entry]:
        """What rang a phone."""
        return [entry for entry in self.entries if entry.rang]

    def twice(self) -> dict[str, int]:
        """Return the numbers that were rung more than once, with how often."""
        counted = Counter(entry.number for entry in self.rung)
        return {number: times for number, times in counted.items() if times > 1}

    def close(self) -> None:
        """Close the file; nothing may be added afterwards."""
        if self._file is not None:
            self._file.close()


def _load(file: Path) -> list[Entry]:
    """A last line that was cut by a crash was answered to nobody."""
    text = file.read_text("utf-8")
    whole, _, cut = text.rpartition("\n")
    if cut:
        file.write_text(f"{whole}\n" if whole else "", "utf-8")
    return [_entry(json.loads(line)) for line in whole.splitlines() if line]


def _entry(values: dict[str, Any]) -> Entry:
    return Entry(**{**values, "at": datetime.fromisoformat(values["at"]).astimezone(UTC)})

"""What the pretended CRM does wrong when it is told to."""

from __future__ import annotations

import gzip
import threading
from dataclasses import dataclass, field
from functools import cache

KINDS = (
    "hang", "trickle", "trickle_header", "reset", "lose_answer", "truncated", "login_page", "redirect",
    "redirect_host", "redirect_host_for_good", "huge", "huge_unsaid", "gzip_bomb", "bad_gzip", "too_many",
    "too_many_date", "error", "down", "given_up", "wrong_type", "invalid_json", "not_utf8", "latin1", "cp1252", "deep",
    "empty", "null", "drop_idle", "refused",
)  # fmt: skip
LOGIN_PAGE = b"<!DOCTYPE html><html><head><title>Log in</title></head><body><form>Password</form></body></html>"


@dataclass
class Fault:
    """One thing that goes wrong with requests whose path begins so, this many times (None: always), after so many that
    went right."""

    kind: str
    path: str = "/"
    times: int | None = None
    seconds: float = 1.0
    to: str = "http://elsewhere.example/login"
    after: int = 0


@dataclass
class Faults:
    """The faults to come."""

    waiting: list[Fault] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def add(self, kind: str, path: str = "/", *, times: int | None = None, **more: object) -> Fault:
        """Have something go wrong."""
        assert kind in KINDS, kind
        fault = Fault(kind, path, times, **more)  # type: ignore[arg-type]  # a test's own words
        with self.lock:
            self.waiting.append(fault)
        return fault

    def clear(self) -> None:
        """Everything goes right again."""
        with self.lock:
            self.waiting.clear()

    def next(self, path: str) -> Fault | None:
        """What goes wrong with a request to this path."""
        with self.lock:
            fault = next((one for one in self.waiting if path.startswith(one.path)), None)
            if fault is not None and fault.after:
                fault.after -= 1
                return None
            if fault is not None and fault.times is not None:
                fault.times -= 1
                if fault.times <= 0:
                    self.waiting.remove(fault)
            return fault


@cache
def bomb() -> bytes:
    """50 MB of nothing, in 50 kB."""
    return gzip.compress(b" " * 50_000_000, 6)

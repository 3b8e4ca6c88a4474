"""A request as it came, and what becomes of one that is not served."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from urllib.parse import parse_qsl

from bridge.web.entry import AccessLogEntry

RAW = "bridge.request"
"""Where a request as it came stands in the WSGI environment of a page."""


class Refused(Exception):
    """A request that is not served: the HTTP status and the reason, which goes to the sender and holds no secret.
    `retry_after`: seconds, None where trying again does not help. `allow`: the methods that would do, for a 405."""

    def __init__(self, status: int, reason: str, *, retry_after: float | None = None, allow: str = "") -> None:
        super().__init__(reason)
        self.status, self.reason, self.retry_after, self.allow = status, reason, retry_after, allow

    def __reduce__(self) -> tuple[object, ...]:  # a request goes to another process with its fault
        return partial(Refused, retry_after=self.retry_after, allow=self.allow), (self.status, self.reason)


@dataclass(slots=True)
class RawRequest:
    """A request as it came. `path` is decoded, `query` not; `headers` have their names in small letters; `remote`: the
    other end of the connection; `arrived` is on the monotonic clock; `entry` is for the access log.

    `body` is what was read of it (the start alone, where `fault` says why the rest was not); empty until it was read.
    """

    method: str
    path: str
    query: bytes
    headers: Mapping[bytes, bytes]
    remote: str
    arrived: float
    entry: AccessLogEntry
    body: bytes = b""
    fault: Refused | None = None

    def header(self, name: bytes) -> str:
        """Return a header by its name in small letters, empty where it is absent."""
        value = self.headers.get(name)
        return value.decode("iso-8859-1") if value else ""

    @property
    def parameters(self) -> dict[str, str]:
        """The URL's parameters; of several with one name, the first."""
        parameters: dict[str, str] = {}
        if self.query:
            for name, value in parse_qsl(self.query.decode("iso-8859-1"), keep_blank_values=True):
                parameters.setdefault(name, value)
        return parameters

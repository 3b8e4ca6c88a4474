"""What the access log says of a request, gathered while it is answered."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field

_log = logging.getLogger("bridge.web.access")


@dataclass(slots=True)
class AccessLogEntry:
    """`route` names the kind of request, `path` is what may be shown of it: no key, no parameters. `fields` are added
    to the line."""

    method: str
    path: str
    address: str
    route: str = "other"
    fields: dict[str, object] = field(default_factory=dict)

    def write(self, status: int, seconds: float) -> None:
        """Log that it was answered by `status`, `seconds` after it came."""
        if not _log.isEnabledFor(logging.INFO):
            return
        record = logging.LogRecord(_log.name, logging.INFO, "", 0, "request", None, None)  # its place tells nothing
        record.fields = {
            "method": self.method[:16],
            "path": self.path[:200],
            "status": status,
            "ms": round(seconds * 1000, 1),
            "address": self.address,
            **self.fields,
        }
        _log.handle(record)

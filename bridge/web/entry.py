"""What the access log says of a request, gathered while it is answered."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field

from bridge.runtime import log

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
        fields = {
            "method": self.method[:16],
            "path": self.path[:200],
            "status": status,
            "ms": int(seconds * 1e4) / 10,
            "address": self.address,
            **self.fields,
        }
        log.inform(_log, "request", fields)

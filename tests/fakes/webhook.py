"""A server on loopback that takes webhooks."""

from __future__ import annotations

import json
from typing import Any

from tests.fakes.loopback import HttpLoopback, HttpRequest


class Hook(HttpLoopback):
    """`status` answers each POST; `hang` answers none. `taken`: what was answered with 200."""

    def __init__(self) -> None:
        super().__init__()
        self.status, self.hang = 200, False
        self.taken: list[dict[str, Any]] = []
        self.asked: list[tuple[str, str]] = []

    def take(self, request: HttpRequest) -> None:
        """Keep what it says, and answer."""
        self.asked.append((request.path, request.headers["Content-Type"]))
        if self.hang:
            self.over.wait()
            return
        if self.status == 200:
            self.taken.append(json.loads(request.body))
        request.reply(status=self.status, headers={"Location": "/elsewhere"} if 300 <= self.status < 400 else None)

    @property
    def url(self) -> str:
        return f"{self.address}/services/T000SECRET/B000"

"""Every way to sign in that the pretended CRM knows."""

from __future__ import annotations

import base64
import itertools
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

USER, PASSWORD = "bridge", "s3cret-pässword"
TOKEN = "tok-0123456789abcdef"
CLIENT_ID, CLIENT_SECRET, REFRESH_TOKEN = "client-1", "client-s3cret-value", "refresh-s3cret-0"


class SignIns:
    """The door. `way`: none, basic, bearer, header, param, oauth2, session, cookie or jsonrpc. `count` are the logins
    and token requests that came, `lifetime` the seconds that a token is good, by `clock`."""

    def __init__(self) -> None:
        self.way = "none"
        self.count = 0
        self.lifetime = 3600.0
        self.clock: Callable[[], float] = time.monotonic
        self.says_lifetime = True
        self.rotates = False
        self.password = PASSWORD
        self.forms: list[dict[str, str]] = []
        self._refresh = REFRESH_TOKEN
        self._valid: dict[str, float] = {}
        self._numbers = itertools.count(1)
        self._lock = threading.Lock()

    def revoke(self) -> None:
        """Every token is over."""
        with self._lock:
            self._valid.clear()

    def open(self, headers: Mapping[str, str], query: Mapping[str, str]) -> bool:
        """Whether a request may come in."""
        given = headers.get("Authorization", "")
        if self.way == "basic":
            return given == "Basic " + base64.b64encode(f"{USER}:{self.password}".encode()).decode()
        fixed = {"bearer": given == f"Bearer {TOKEN}", "header": headers.get("X-Api-Key") == TOKEN,
                 "param": query.get("api_key") == TOKEN, "none": True}  # fmt: skip
        if self.way in fixed:
            return fixed[self.way]
        if self.way == "cookie":
            return self._is_valid(headers.get("Cookie", "").removeprefix("sid="))
        if self.way == "session":
            token = given.removeprefix("Session ")
            return self._is_valid(base64.b64decode(token + "==").decode("utf-8", "replace").partition(":")[2])
        return self._is_valid(given.removeprefix("Bearer "))

    def token(self, form: Mapping[str, str], headers: Mapping[str, str]) -> tuple[int, dict[str, Any]]:
        """The answer of OAuth 2's token endpoint."""
        self.count += 1
        self.forms.append(dict(form))
        basic = "Basic " + base64.b64encode(f"{CLIENT_ID}:{CLIENT_SECRET}".encode()).decode()
        client = (form.get("client_id"), form.get("client_secret")) == (CLIENT_ID, CLIENT_SECRET)
        if not (client or headers.get("Authorization") == basic):
            return 401, {"error": "invalid_client", "error_description": "unknown client"}
        grant = form.get("grant_type")
        right = {
            "client_credentials": True,
            "refresh_token": form.get("refresh_token") == self._refresh,
            "password": (form.get("username"), form.get("password")) == (USER, self.password),
        }.get(str(grant), False)
        if not right:
            return 400, {"error": "invalid_grant", "error_description": "refused"}
        answer: dict[str, Any] = {"access_token": self._new(), "token_type": "Bearer"}
        if self.says_lifetime:
            answer["expires_in"] = self.lifetime
        if self.rotates:
            self._refresh = f"refresh-s3cret-{self.count}"
            answer["refresh_token"] = self._refresh
        return 200, answer

    def login(self, given: Mapping[str, Any]) -> dict[str, Any] | None:
        """The answer of the CRM's own login, None for a wrong password."""
        self.count += 1
        if (given.get("user"), given.get("password")) != (USER, self.password):
            return None
        return {"user": USER, "token": self._new(), "expires_in": self.lifetime}

    def _new(self) -> str:
        with self._lock:
            token = f"issued-token-{next(self._numbers):04}"
            self._valid[token] = self.clock() + self.lifetime
            return token

    def _is_valid(self, token: str) -> bool:
        with self._lock:
            return self.clock() < self._valid.get(token, 0.0)

"""A bridge with a console and somebody for each role, and a browser without a script to open it with."""

from __future__ import annotations

import re
from collections.abc import Mapping
from html import unescape
from typing import Any

import requests
from werkzeug.security import generate_password_hash

from bridge.web.console.sections import Role
from tests.web.bridge_process import Bridge

PASSWORDS = {
    Role.VIEWER: ("vera", "vera-secret-1"),
    Role.OPERATOR: ("turno", "turno-secret-1"),
    Role.ADMIN: ("ana", "ana-secret-1"),
}
# To check a password takes long, by design. These hashes say of themselves that they are cheap. The viewer has a plain
# password, which takes as long as any.
_HASHED = {
    role: generate_password_hash(PASSWORDS[role][1], method="scrypt:128:8:1") for role in (Role.OPERATOR, Role.ADMIN)
}
USERS = f"""
console:
  users:
    - {{name: ana, password_hash: "{_HASHED[Role.ADMIN]}", role: admin}}
    - {{name: turno, password_hash: "{_HASHED[Role.OPERATOR]}", role: operator}}
    - {{name: vera, password: vera-secret-1, role: viewer}}
"""
CONFIGURATION = f"""
server: {{url_key: unguessable-part-of-the-url, workers: 1, threads: 40}}
lines:
  - {{number: "912345678", password: "3956"}}
  - {{number: "934567890", password: "3957"}}
connectors:
  shop:
    type: rest
    base_url: http://127.0.0.1:9
    records:
      contact: {{search: {{path: /c, params: {{q: "{{{{ phone }}}}"}}}}, items: data}}
    activity: {{create: {{path: /calls, json: {{key: "{{{{ activity.key }}}}"}}}}}}
activities: [{{in: shop}}]
queries:
  ECO: {{answer: {{X: "1"}}}}
{USERS}
"""
_TOKEN = re.compile(r'name="csrf" value="([0-9a-f]{64})"')


class Browser:
    """Keeps cookies, follows no redirect, runs no script. `language` is its Accept-Language."""

    def __init__(self, bridge: Bridge, language: str = "en") -> None:
        self._base = f"http://127.0.0.1:{bridge.port}"
        self._session = requests.Session()
        self._session.headers["Accept-Language"] = language
        self.token = ""

    @property
    def cookies(self) -> Mapping[str, str]:
        return self._session.cookies.get_dict()

    def forget_language(self) -> None:
        """As before somebody chose a language: that of Accept-Language counts."""
        for cookie in [each for each in self._session.cookies if each.name == "console_language"]:
            self._session.cookies.clear(cookie.domain, cookie.path, cookie.name)

    def get(self, path: str, **headers: str) -> requests.Response:
        """GET; the token of its forms is remembered."""
        return self._noted(self._session.get(self._base + path, headers=headers, allow_redirects=False, timeout=60))

    def post(
        self, path: str, fields: Mapping[str, Any] | None = None, *, token: str | None = None, **headers: str
    ) -> requests.Response:
        """POST a form with the token of the last page, or with another one (empty: none)."""
        given = self.token if token is None else token
        data = {**(fields or {}), **({"csrf": given} if given else {})}
        return self._noted(
            self._session.post(self._base + path, data=data, headers=headers, allow_redirects=False, timeout=60)
        )

    def upload(self, path: str, fields: Mapping[str, Any], name: str, content: bytes) -> requests.Response:
        """POST a form with a file."""
        data = {**fields, "csrf": self.token}
        files = {"file": (name, content)}
        return self._session.post(self._base + path, data=data, files=files, allow_redirects=False, timeout=60)

    def sign_in(self, role: Role) -> Browser:
        """Sign in as who has this role."""
        name, password = PASSWORDS[role]
        self.get("/console/login")
        answer = self.post("/console/login", {"name": name, "password": password})
        assert answer.status_code == 303, answer.text
        self.get(answer.headers["Location"])
        return self

    def move_to(self, bridge: Bridge) -> None:
        """From now on, open this one, with the cookies that there are."""
        self._base = f"http://127.0.0.1:{bridge.port}"

    def set_cookie(self, name: str, value: str) -> None:
        self._session.cookies.set(name, value, path="/console/", domain="127.0.0.1")

    def _noted(self, answer: requests.Response) -> requests.Response:
        token = _TOKEN.search(answer.text)
        if token:
            self.token = token[1]
        return answer


def words(answer: requests.Response) -> str:
    """What a page says, without its markup."""
    return " ".join(unescape(re.sub(r"<[^>]*+>", " ", answer.text)).split())

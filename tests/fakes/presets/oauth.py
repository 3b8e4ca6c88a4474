"""Tokens as the pretended CRMs hand them out."""

from __future__ import annotations

from tests.fakes.presets.base import PresetApi, Refused, Row
from tests.fakes.rest_crm.api import Asked, Reply


class OAuthApi(PresetApi):
    """A CRM that is signed in to at `token_path` with the `form` (`SECRET` is the client's secret)."""

    token_path = "/oauth/token"
    scheme = "Bearer"
    refused_with = 401

    def form(self) -> Row:
        """What has to be in the request for a token."""
        return {"grant_type": "client_credentials", "client_id": "bridge", "client_secret": self.secret}

    def signing_in(self, asked: Asked, /) -> Reply | None:
        if asked.path != self.token_path:
            return None
        if asked.method != "POST" or not asked.headers["Content-Type"].startswith("application/x-www-form-urlencoded"):
            return Reply(400, {"error": "invalid_request", "error_description": "send a form"})
        if asked.values != self.form():
            return Reply(self.refused_with, {"error": "invalid_client", "error_description": "Invalid client secret"})
        self.tokens.append(f"token-{len(self.tokens)}-of-the-crm-0123456789")
        return Reply(200, {"token_type": "Bearer", "expires_in": 3600, "access_token": self.tokens[-1]})

    def let_in(self, asked: Asked) -> bool:
        return bool(self.tokens) and asked.headers.get("Authorization") == f"{self.scheme} {self.tokens[-1]}"

    def expire(self) -> None:
        """The token that was handed out last is good no more."""
        self.tokens.append("expired")


def guarded(condition: object, text: str, status: int = 400) -> None:
    """Raise `Refused` unless the condition holds."""
    if not condition:
        raise Refused(status, text)

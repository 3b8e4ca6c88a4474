"""The ways to sign in that the configuration may name."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Discriminator, Field, model_validator

from connectors.expression import Template
from connectors.rest.requests import ErrorRule, Matches, Request
from connectors.rest.values import JmesPath, RestSection, Secret, Text
from connectors.units import Duration


class NoAuth(RestSection):
    """No sign-in."""

    type: Literal["none"] = Field("none", description="No sign-in")


class Basic(RestSection):
    """User name and password with each request."""

    type: Literal["basic"] = Field(description="HTTP Basic")
    username: Text = Field(description="User name")
    password: Secret = Field(description="Password")


class Bearer(RestSection):
    """A token in Authorization with each request."""

    type: Literal["bearer"] = Field(description="A token that the CRM gave out")
    token: Secret = Field(description="The token")
    scheme: Text = Field("Bearer", description="The word before it")


class ApiKey(RestSection):
    """A key in a header or in the query with each request."""

    type: Literal["api_key"] = Field(description="A key in a header or in the query")
    header: Text | None = Field(None, description="The header's name")
    param: Text | None = Field(None, description="The query parameter's name")
    value: Secret = Field(description="The key")

    @model_validator(mode="after")
    def _one_place(self) -> Self:
        if (self.header is None) == (self.param is None):
            raise ValueError("say where the key goes: header: NAME or param: NAME")
        return self


class OAuth2(RestSection):
    """A token fetched with OAuth 2."""

    type: Literal["oauth2"] = Field(description="A token fetched with OAuth 2")
    grant: Literal["client_credentials", "refresh_token", "password"] = Field(
        "client_credentials", description="What the token is given for"
    )
    token_url: Text = Field(description="Where it is fetched; may be another host")
    client_id: Text | None = Field(None, description="The client's id")
    client_secret: Secret | None = Field(None, description="The client's secret")
    client_auth: Literal["body", "basic"] = Field("body", description="Where the two go: the form, or HTTP Basic")
    scope: Text | None = Field(None, description="What is asked for, separated by spaces")
    refresh_token: Secret | None = Field(None, description="For grant: refresh_token")
    username: Text | None = Field(None, description="For grant: password")
    password: Secret | None = Field(None, description="For grant: password")
    params: dict[Text, Secret] = Field({}, description="More form fields, such as audience or resource")
    scheme: Text = Field("Bearer", description="The word before the token in Authorization")
    error: ErrorRule | None = Field(None, description="Errors inside an answer of token_url")
    expires: Duration | None = Field(None, description="How long a token is good where the answer does not say")
    renew: Matches = Field([], description="Answers besides 401 that mean: sign in again")

    @model_validator(mode="after")
    def _complete(self) -> Self:
        needed = {
            "client_credentials": ("client_id", "client_secret"),
            "refresh_token": ("refresh_token",),
            "password": ("username", "password"),
        }[self.grant]
        missing = [name for name in needed if getattr(self, name) is None]
        if missing:
            raise ValueError(f"grant {self.grant} needs {' and '.join(missing)}")
        if not self.token_url.startswith(("http://", "https://")):
            raise ValueError("token_url is a whole URL: https://…")
        return self


class LoginRequest(Request):
    """The request that signs in."""


class SessionAuth(RestSection):
    """A login whose answer goes with each request."""

    type: Literal["session"] = Field(description="A login of the CRM's own")
    login: LoginRequest = Field(description="The request that signs in")
    headers: dict[Text, Template] = Field({}, description="Headers of each request; login is the answer's body")
    params: dict[Text, Template] = Field({}, description="Query parameters of each request; login as above")
    cookies: bool = Field(False, description="Whether the login's cookies go with each request")
    expires: JmesPath | None = Field(None, description="JMESPath in the login's answer to the seconds that it is good")
    renew: Matches = Field([], description="Answers besides 401 that mean: sign in again")


Auth = Annotated[
    NoAuth | Basic | Bearer | ApiKey | OAuth2 | SessionAuth,
    Discriminator("type"),
]

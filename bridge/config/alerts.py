"""The sections of the configuration that say who is told of troubles, and how."""

from __future__ import annotations

import re
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr, model_validator

from bridge.config.emission import loopback
from bridge.config.kinds import Incomplete, Integer, OptionalSecret, Secret, Section, Text, listed, or_none
from connectors.units import Duration

_ADDRESS = re.compile(r"[^\s@<>,;:\"()\[\]\\]+@[A-Za-z0-9_-][A-Za-z0-9._-]*")
_RULE = "write an address such as ana@example.com"
_LEAST_REMIND = 60
_PORTS = {"tls": 465, "starttls": 587, "none": 25}

Tls = Literal["starttls", "tls", "none"]


def _address(value: str) -> str:
    if not _ADDRESS.fullmatch(value) or not value.isascii() or not value.isprintable():
        raise ValueError(_RULE)
    return value


def _hook(value: SecretStr) -> SecretStr:
    """The address may hold a secret, so nothing of it is repeated."""
    rule = "write the address that takes a POST, such as https://hooks.example.com/x"
    text = value.get_secret_value()
    try:
        parts = urlsplit(text)
        good = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        good = False
    if not good or not text.isascii() or not text.isprintable() or " " in text:
        raise ValueError(rule)
    return value


def _remind(value: Duration | None) -> Duration | None:
    if value is not None and value < _LEAST_REMIND:
        raise ValueError("write 1m or more, or none")
    return value


MailAddress = Annotated[Text, AfterValidator(_address)]


class Alert(Section):
    """Who is told of troubles: by e-mail, by a webhook, or both."""

    email: Annotated[
        list[MailAddress], BeforeValidator(listed, json_schema_input_type=MailAddress | list[MailAddress])
    ] = Field([], description="Addresses that get a mail; needs `smtp`", examples=[["ana@example.com"]])
    webhook: Annotated[Secret, AfterValidator(_hook)] | None = Field(
        None, description="Gets a POST with JSON for each trouble", examples=["https://hooks.example.com/x"]
    )
    severity: Literal["error", "warning"] = Field(
        "error", description="From which severity on; warning: both. error: something is lost until a person acts"
    )
    after: Duration = Field(Duration(180), description="How long a trouble lasts before it is told")
    remind: Annotated[
        Duration | None,
        BeforeValidator(or_none, json_schema_input_type=Duration | Literal["none"]),
        AfterValidator(_remind),
    ] = Field(Duration(4 * 3600), description="How often one that lasts is told again, 1m or more; or none")
    resolved: bool = Field(True, description="Whether the end of a trouble that was told is told, too")

    @model_validator(mode="after")
    def _somebody(self) -> Alert:
        if not self.email and self.webhook is None:
            raise Incomplete("write whom to tell: email: [ana@example.com], or webhook: https://…", "email", "webhook")
        return self


class ReportRule(Section):
    """Who gets the figures of each month or week by e-mail."""

    email: Annotated[
        list[MailAddress], BeforeValidator(listed, json_schema_input_type=MailAddress | list[MailAddress])
    ] = Field(description="Addresses that get them; needs `smtp`", min_length=1, examples=[["ana@example.com"]])
    every: Literal["month", "week"] = Field("month", description="How often: once the month, or the week, is over")


class Smtp(Section):
    """The mail server that takes the bridge's alerts and reports."""

    host: Text = Field(description="The mail server's name", min_length=1, examples=["localhost"])
    port: Integer | None = Field(
        None, ge=1, le=65535, description="Its port; default by `tls`: 587 for starttls, 465 for tls, 25 for none"
    )
    from_: MailAddress = Field(alias="from", description="The sender's address", examples=["bridge@example.com"])
    tls: Tls | None = Field(
        None,
        description="starttls, tls (from the first byte on) or none; default: none on this machine, else tls on port "
        "465 and starttls on any other",
    )
    username: Text | None = Field(None, description="Who signs in; without it nobody does")
    password: OptionalSecret = Field(None, description="With username", examples=["${SMTP_PASSWORD}"])
    ca_file: Text | None = Field(None, description="Certificates (PEM) that are trusted instead of the public ones")
    timeout: Duration = Field(Duration(20), description="How long a mail may take")

    @property
    def security(self) -> Tls:
        """`tls` with its default."""
        if self.tls is not None:
            return self.tls
        if loopback(self.host):
            return "none"
        return "tls" if self.port == _PORTS["tls"] else "starttls"

    @property
    def port_or_default(self) -> int:
        """`port` with its default."""
        return self.port or _PORTS[self.security]

    @model_validator(mode="after")
    def _sign_in(self) -> Smtp:
        if (self.username is None) != (self.password is None):
            raise Incomplete("username: and password: go together: write both, or neither", "username", "password")
        if self.password is not None and self.security == "none" and not loopback(self.host):
            raise Incomplete("the password would go out readable for anybody: write tls: starttls or tls", "tls")
        return self

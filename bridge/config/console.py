"""The section of the configuration that says who may open the console, and what they may do there."""

from __future__ import annotations

import re
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, SecretStr, model_validator

from bridge.config.kinds import Incomplete, OptionalSecret, Section, Text
from connectors.units import Duration

_HASH = re.compile(r"scrypt:\d{1,9}:\d{1,3}:\d{1,3}\$[A-Za-z0-9./]{8,64}\$[0-9a-f]{128}")
_LONGEST_NAME = 64

ConsoleRole = Literal["viewer", "operator", "admin"]


def _hash(value: SecretStr | None) -> SecretStr | None:
    if value is not None and not _HASH.fullmatch(value.get_secret_value()):
        raise ValueError("write what `infocaller-bridge console hash` prints, whole, in quotes")
    return value


def _name(value: str) -> str:
    if not value.strip() or value != value.strip() or not value.isprintable() or len(value) > _LONGEST_NAME:
        raise ValueError(f"write a name of 1 to {_LONGEST_NAME} characters, without spaces around it")
    return value


def _public(value: str) -> str:
    rule = "write the address under which a browser reaches the bridge, such as https://bridge.example.com"
    try:
        parts = urlsplit(value)
        good = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        good = False
    if not good or parts.query or parts.fragment or parts.username or not value.isprintable() or " " in value:
        raise ValueError(rule)
    return value.rstrip("/").removesuffix("/console")


class ConsoleUser(Section):
    """Somebody who may sign in to the console."""

    name: Annotated[Text, AfterValidator(_name)] = Field(description="What they sign in as", examples=["ana"])
    password: OptionalSecret = Field(None, description="Their password", examples=["${CONSOLE_ANA}"])
    password_hash: Annotated[OptionalSecret, AfterValidator(_hash)] = Field(
        None, description="Instead of password: what `infocaller-bridge console hash` prints", examples=["scrypt:…"]
    )
    role: ConsoleRole = Field(
        description="viewer: sees all but configuration and audit log, numbers and names masked. operator: sees them "
        "plain, retries, discards, confirms, calls, cancels, pauses. admin: also configuration and audit log"
    )

    @model_validator(mode="after")
    def _one_password(self) -> ConsoleUser:
        if (self.password is None) == (self.password_hash is None):
            which = "is empty" if self.password is None else "and password_hash: are two"
            raise Incomplete(f"password: {which}: write one of password and password_hash", "password", "password_hash")
        return self


class ConsoleSettings(Section):
    """The console: the admin's web pages."""

    users: list[ConsoleUser] = Field(
        [], description="Who may sign in; server.console_password instead makes one user, admin. Neither: no console"
    )
    url: Annotated[Text, AfterValidator(_public)] | None = Field(
        None,
        description="The public address of the bridge, for links in alerts; without it they have none",
        examples=["https://bridge.example.com"],
    )
    edit: bool = Field(
        True, description="Whether an admin may change this file in the console; false: it is only shown there"
    )
    audit_retention: Duration = Field(
        Duration(365 * 86400), description="How long the audit log keeps who changed what in the console"
    )

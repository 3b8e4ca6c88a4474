"""The sections of the configuration that say how and when a line calls out."""

from __future__ import annotations

import ipaddress
import re
from datetime import time
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Field, WithJsonSchema, model_validator

from bridge.config.kinds import Incomplete, OptionalSecret, Section, Text, as_written, listed
from bridge.hours.calendar import MIDNIGHT
from bridge.infocaller.messages import Format
from connectors.units import Duration

_NAMES = {
    **dict(zip(("mon", "tue", "wed", "thu", "fri", "sat", "sun"), range(7), strict=True)),
    **dict(zip(("lun", "mar", "mie", "jue", "vie", "sab", "dom"), range(7), strict=True)),
}
_TIME = re.compile(r"(\d{1,2}):(\d{2})")
_XML_NAME = r"^[A-Za-z_][A-Za-z0-9_.-]*$"

_DAYS_RULE = "write days such as mon-fri, sat or mon,wed,fri (also lun-vie)"
_TIME_RULE = 'write a time such as "09:00", up to "24:00"'


def loopback(host: str) -> bool:
    """Whether a host name or address is this machine's own."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _endpoint(value: str) -> str:
    rule = "write the address of the emission API, such as https://apicall.infoe.es"
    try:
        parts = urlsplit(value)
        host, port = parts.hostname, parts.port
    except ValueError:
        raise ValueError(rule) from None
    if not host or port == 0 or parts.scheme not in ("http", "https") or parts.fragment:
        raise ValueError(rule)
    if not value.isascii() or not value.isprintable() or " " in value or "@" in parts.netloc:
        raise ValueError(f"{rule}, in ASCII, without spaces, user or password")
    if parts.scheme == "http" and not loopback(host):
        raise ValueError("the request is signed with the telephone password: use https:// (http:// only to loopback)")
    return value


def _proxy(value: object) -> object:
    """The address may hold a password, so nothing of it is repeated."""
    rule = "write the proxy's address, such as http://proxy.example.com:3128"
    text = as_written(value)
    if not text:
        return None
    if not isinstance(text, str):
        raise ValueError(rule)
    try:
        parts = urlsplit(text)
        good = parts.scheme == "http" and bool(parts.hostname) and parts.port != 0
    except ValueError:
        good = False
    if not good or not text.isascii() or not text.isprintable() or parts.path not in ("", "/"):
        raise ValueError(rule)
    return text


class Emission(Section):
    """How a line's emission requests go out (manual, API de Emisión)."""

    url: Annotated[Text, AfterValidator(_endpoint)] = Field(
        "https://apicall.infoe.es", description="Where requests are sent; nowhere else, redirects are not followed"
    )
    format: Format = Field(Format.JSON, description="How requests are written: json or xml")
    xml_root: Text = Field("CallRequest", pattern=_XML_NAME, description="Root of XML requests; the manual has two")
    per_minute: int = Field(30, ge=1, le=6000, description="Emissions a minute at most, evenly spread")
    at_once: int = Field(10, ge=1, le=1000, description="Emitted calls at most that have not ended yet")
    timeout: Duration = Field(
        Duration(10), gt=0.1, le=120, description="By when a request is answered; after that it may have rung"
    )
    proxy: Annotated[OptionalSecret, BeforeValidator(_proxy)] = Field(
        None, description="HTTP proxy to go through; none by default, whatever HTTPS_PROXY says"
    )
    ca_file: Path | None = Field(
        None, description="Certificates (PEM) that the platform's is checked against; default: the public authorities"
    )


def _weekdays(value: object) -> object:
    """`mon-fri`, `sat`, `mon,wed`, `fri-mon`, or a list of these: weekdays by number, Monday 0."""
    if isinstance(value, frozenset):
        return value
    found: set[int] = set()
    for part in ",".join(str(one) for one in listed(value)).split(","):
        first, _, last = part.strip().lower().replace("é", "e").replace("á", "a").partition("-")
        start, end = _NAMES.get(first.strip()[:3]), _NAMES.get((last or first).strip()[:3])
        if start is None or end is None:
            raise ValueError(_DAYS_RULE)
        found |= {(start + step) % 7 for step in range((end - start) % 7 + 1)}
    return frozenset(found)


def _time(value: object) -> object:
    if isinstance(value, time):
        return value
    found = _TIME.fullmatch(str(value).strip())
    hour, minute = (int(found[1]), int(found[2])) if found else (99, 99)
    if (hour, minute) == (24, 0):
        return MIDNIGHT
    if hour > 23 or minute > 59:
        raise ValueError(_TIME_RULE)
    return time(hour, minute)


_CLOCK = WithJsonSchema({"type": "string", "pattern": r"^\s*\d{1,2}:\d{2}\s*$", "examples": ["09:00"]})
_WEEK = WithJsonSchema({"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}]})


class Opening(Section):
    """Hours on some days of the week. Hours that end before they begin (22:00 to 06:00) end on the next day."""

    days: Annotated[frozenset[int], BeforeValidator(_weekdays), _WEEK] = Field(
        description="Days of the week: mon-fri, sat, or a list", examples=["mon-fri"]
    )
    from_: Annotated[time, BeforeValidator(_time), _CLOCK] = Field(alias="from", description="When calling begins")
    to: Annotated[time, BeforeValidator(_time), _CLOCK] = Field(description="When calling ends")

    @model_validator(mode="after")
    def _some_time(self) -> Opening:
        if self.from_ in (self.to, MIDNIGHT):
            raise Incomplete('these hours are empty: for a whole day write from: "00:00", to: "24:00"', "from", "to")
        return self


DAYTIME = Opening.model_validate({"days": "mon-fri", "from": "09:00", "to": "20:00"})
"""The hours where none are written."""


def _openings(value: object) -> object:
    return value if value == "always" else listed(value)


_Openings = Annotated[list[Opening], Field(min_length=1)]
Hours = Annotated[
    Literal["always"] | _Openings,
    BeforeValidator(_openings, json_schema_input_type=Literal["always"] | Opening | _Openings),
]
"""Calling hours: one block, a list of blocks, or `always`."""


class Holidays(Section):
    """Whose public holidays are kept: no calls on them."""

    country: Text = Field(description="Two-letter country", examples=["ES"])
    region: Text | None = Field(None, description="Part of the country, as ISO 3166-2 has it after the hyphen: MD")

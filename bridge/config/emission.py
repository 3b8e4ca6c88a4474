"""The section of the configuration that says how a line calls out."""

from __future__ import annotations

import ipaddress
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Field

from bridge.config.kinds import OptionalSecret, Section, Text, as_written
from bridge.infocaller.messages import Format
from connectors.units import Duration

_XML_NAME = r"^[A-Za-z_][A-Za-z0-9_.-]*$"


def loopback(host: str) -> bool:
    """Return whether a host name or address is this machine's own."""
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
    at_once: int = Field(10, ge=1, le=1000, description="Maximum outbound calls in progress")
    timeout: Duration = Field(
        Duration(10), gt=0.1, le=120, description="Timeout; after it the call counts as may_have_rung"
    )
    proxy: Annotated[OptionalSecret, BeforeValidator(_proxy)] = Field(
        None, description="HTTP proxy to go through; none by default, whatever HTTPS_PROXY says"
    )
    ca_file: Path | None = Field(
        None, description="Certificates (PEM) that the platform's is checked against; default: the public authorities"
    )

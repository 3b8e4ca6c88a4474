"""The sections that say how and when a line calls out."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from bridge.config.emission import Emission, loopback
from bridge.config.hours import Holidays, Hours
from bridge.infocaller.messages import Format


def test_the_defaults_are_the_manuals_address_and_json() -> None:
    section = Emission()
    assert (section.url, section.format, section.xml_root) == ("https://apicall.infoe.es", Format.JSON, "CallRequest")
    assert (section.per_minute, section.at_once, float(section.timeout)) == (30, 10, 10.0)
    assert section.proxy is None


@pytest.mark.parametrize(
    "url",
    ["https://apicall.infoe.es", "https://x.example:8443/a?b=c", "http://127.0.0.1:9/", "http://[::1]/", "http://localhost"],
)  # fmt: skip
def test_addresses_that_may_be_sent_to(url: str) -> None:
    assert Emission(url=url).url == url


@pytest.mark.parametrize(
    "url",
    [
        "",
        "apicall.infoe.es",
        "ftp://apicall.infoe.es",
        "https://",
        "https://x:99999/",
        "https://x:0/",
        "https://[::1",
        "https://user:hush-hush@x.example/",
        "https://x.example/#a",
        "https://x.example/a b",
        "https://x.example/\r\nHost: y",
        "https://ñ.example/",
        "http://apicall.infoe.es",
        "http://127.0.0.1.example/",
    ],
)
def test_addresses_that_may_not_be_sent_to_are_faults(url: str) -> None:
    with pytest.raises(ValidationError) as fault:
        Emission(url=url)
    assert "https://" in fault.value.errors()[0]["msg"]


@pytest.mark.parametrize("proxy", ["https://p:1", "p:3128", "http://", "http://u:hush-hush@p:99999", "http://p/x", [1]])
def test_a_proxy_that_is_no_address_is_a_fault_that_tells_no_password(proxy: object) -> None:
    with pytest.raises(ValidationError) as fault:
        Emission.model_validate({"proxy": proxy})
    assert "hush" not in fault.value.errors()[0]["msg"]


def test_a_proxy_never_prints_and_an_empty_one_is_none() -> None:
    section = Emission.model_validate({"proxy": "http://u:hush-hush@p:3128"})
    assert "hush" not in repr(section)
    assert section.proxy is not None
    assert section.proxy.get_secret_value() == "http://u:hush-hush@p:3128"
    assert Emission.model_validate({"proxy": ""}).proxy is None


@pytest.mark.parametrize(
    "wrong",
    [
        {"format": "yaml"},
        {"xml_root": "1x"},
        {"xml_root": "a b"},
        {"per_minute": 0},
        {"at_once": 0},
        {"timeout": "0s"},
        {"timeout": "1h"},
        {"pace": 3},
    ],
)
def test_values_out_of_range_are_faults(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Emission.model_validate(wrong)


def test_only_this_machine_is_loopback() -> None:
    assert [loopback(host) for host in ("localhost", "127.9.9.9", "::1", "10.0.0.1", "localhost.example")] == [
        True,
        True,
        True,
        False,
        False,
    ]


def test_editors_get_a_schema() -> None:
    assert "per_minute" in Emission.model_json_schema()["properties"]
    assert "region" in Holidays.model_json_schema()["properties"]
    shapes = TypeAdapter(Hours).json_schema()["anyOf"]
    assert {"const": "always", "type": "string"} in shapes
    assert len(shapes) == 3

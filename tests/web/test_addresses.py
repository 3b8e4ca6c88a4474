"""Who sent a request, and whether a list covers it."""

from __future__ import annotations

import tracemalloc
from pathlib import Path

import pytest

from bridge.service.composition import Current, Service
from bridge.web.addresses import client, covered, neighbourhood, networks, parse
from bridge.web.gate import AccessPolicies
from tests.config.files import loaded

PROXIES = ["127.0.0.1", "10.0.0.0/8", "2001:db8:1::/48"]


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("192.0.2.1", "192.0.2.1"),
        (" 192.0.2.1 ", "192.0.2.1"),
        ("192.0.2.1:8080", "192.0.2.1"),
        ("2001:db8::1", "2001:db8::1"),
        ("[2001:db8::1]:8080", "2001:db8::1"),
        ('"[2001:db8::1]"', "2001:db8::1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("[::ffff:192.0.2.1]:1", "192.0.2.1"),
        ("", "None"),
        ("unknown", "None"),
        ("192.0.2.256", "None"),
        ("192.0.2", "None"),
        ("a" * 10_000, "None"),
        ("[", "None"),
        ("\x00", "None"),
    ],
)
def test_addresses_are_read_as_proxies_write_them(text: str, address: str) -> None:
    assert str(parse(text)) == address


@pytest.mark.parametrize(
    ("remote", "forwarded", "found"),
    [
        ("192.0.2.1", "", "192.0.2.1"),
        ("192.0.2.1", "203.0.113.9", "192.0.2.1"),
        ("127.0.0.1", "203.0.113.9", "203.0.113.9"),
        ("::ffff:127.0.0.1", "203.0.113.9", "203.0.113.9"),
        ("127.0.0.1", "198.51.100.1, 203.0.113.9", "203.0.113.9"),
        ("127.0.0.1", "198.51.100.1, 203.0.113.9, 10.1.2.3", "203.0.113.9"),
        ("127.0.0.1", "203.0.113.9,10.1.2.3:99,[2001:db8:1::5]:1", "203.0.113.9"),
        ("127.0.0.1", "10.0.0.1, 10.0.0.2", "10.0.0.1"),
        ("127.0.0.1", "203.0.113.9, garbage", "None"),
        ("127.0.0.1", "203.0.113.9, , 10.0.0.1", "None"),
        ("127.0.0.1", "garbage, 203.0.113.9", "203.0.113.9"),
        ("127.0.0.1", "," * 5_000, "None"),
        ("", "203.0.113.9", "None"),
    ],
)
def test_only_what_trusted_proxies_wrote_counts(remote: str, forwarded: str, found: str) -> None:
    assert str(client(remote, forwarded, networks(PROXIES))) == found


def test_nobody_is_believed_without_trusted_proxies() -> None:
    assert str(client("127.0.0.1", "203.0.113.9", ())) == "127.0.0.1"


def test_networks_cover_both_families_and_mapped_addresses() -> None:
    lists = networks(["192.0.2.0/24", "::ffff:198.51.100.0/120", "2001:db8::/32", "203.0.113.7/24"])
    inside = ("192.0.2.9", "198.51.100.9", "2001:db8::9", "203.0.113.200")
    outside = ("192.0.3.9", "198.51.101.9", "2001:db9::9", "garbage")
    assert [covered(parse(text), lists) for text in (*inside, *outside)] == [True] * 4 + [False] * 4


def test_an_ipv6_customer_is_one_sender_whatever_address_it_takes() -> None:
    assert neighbourhood(parse("2001:db8::1")) == neighbourhood(parse("2001:db8::ffff:1"))
    assert neighbourhood(parse("2001:db8::1")) != neighbourhood(parse("2001:db8:0:1::1"))
    assert neighbourhood(parse("192.0.2.1")) != neighbourhood(parse("192.0.2.2"))
    assert neighbourhood(None) == "None"


def test_long_headers_of_strangers_fill_no_memory(tmp_path: Path) -> None:
    proxied = loaded(tmp_path, """
server: {trusted_proxies: ["127.0.0.1"]}
lines: [{number: "912345678", password: "3956"}]
queries: {ECO: {answer: {X: "1"}}}
""")  # fmt: skip
    current = Current(Service.open(proxied))
    policy = AccessPolicies(current).now()
    tracemalloc.start()
    try:
        for number in range(100):
            forwarded = f"{number}{'x' * 50_000}"
            assert policy.client("127.0.0.1", forwarded).address is None
            assert policy.client("127.0.0.1", f"{forwarded}, 203.0.113.9").text == "203.0.113.9"
            assert policy.client("203.0.113.9", forwarded).text == "203.0.113.9"
        kept, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
        current.close()
    assert kept < 2_000_000

"""Where a request comes from, in truth: an address behind proxies, and whether a list of networks covers it."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Sequence
from functools import lru_cache

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network


def networks(texts: Iterable[str]) -> tuple[Network, ...]:
    """Return the networks that a configuration lists; an IPv4-mapped one (`::ffff:192.0.2.0/120`) is the IPv4
    network."""
    return tuple(_plain_network(ipaddress.ip_network(text, strict=False)) for text in texts)


def _plain_network(network: Network) -> Network:
    mapped = getattr(network.network_address, "ipv4_mapped", None)
    if mapped is None or network.prefixlen < 96:
        return network
    return ipaddress.IPv4Network((mapped, network.prefixlen - 96))


_LONGEST = 100
"""Characters of an address, its zone and port included: nothing longer is one, or is remembered."""


def parse(text: str) -> Address | None:
    """Return an address as proxies write it: bare, with a port, in brackets, IPv4-mapped; None for anything else."""
    text = text.strip()
    return _parsed(text) if len(text) <= _LONGEST else None


@lru_cache(maxsize=4096)
def _parsed(text: str) -> Address | None:
    text = text.strip('"')
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address


def is_loopback(host: str) -> bool:
    """Return whether a Host header names this machine by a name or an address that leads nowhere else."""
    name = host[1:].partition("]")[0] if host.startswith("[") else host.partition(":")[0].rstrip(".").lower()
    address = parse(f"[{name}]")
    return name == "localhost" or name.endswith(".localhost") or (address is not None and address.is_loopback)


def covered(address: Address | None, by: Sequence[Network]) -> bool:
    """Return whether one of the networks holds the address; an unknown address is in none."""
    return address is not None and any(address in network for network in by)


def client(remote: str, forwarded: str, trusted: Sequence[Network]) -> Address | None:
    """Return who sent the request. `remote` is the other end of the connection, `forwarded` its X-Forwarded-For, if
    any.

    The header counts only as far as trusted proxies wrote it: read from the right, the first address that is not a
    trusted proxy is the client, whatever stands to the left of it. None: it can't be known, for a trusted proxy wrote
    something that is no address.
    """
    address = parse(remote)
    if not forwarded or not trusted:
        return address
    for hop in reversed(forwarded.split(",")):
        if not covered(address, trusted):
            return address
        address = parse(hop)
    return address


def neighbourhood(address: Address | None) -> str:
    """Return what counts as one sender for a rate limit: an IPv4 address, or the /64 that one IPv6 customer has
    whole."""
    if isinstance(address, ipaddress.IPv6Address):
        return str(ipaddress.IPv6Network((int(address) >> 64 << 64, 64)))
    return str(address)

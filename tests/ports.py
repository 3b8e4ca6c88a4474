"""Ports of this machine that a test listens at later, or lets go of and comes back to."""

from __future__ import annotations

import random
import socket
from pathlib import Path

_GIVEN_OUT = Path("/proc/sys/net/ipv4/ip_local_port_range")
_LOWEST = 10_240  # what is below belongs to services
_ENOUGH = 10_000
_ours: set[int] = set()
_chance = random.SystemRandom()  # every test process has the same seed


def free_port() -> int:
    """Return a port of 127.0.0.1 at which nobody listens, another one each time. It is none of those that the system
    gives to whoever asks for any, where it leaves some: of these it could be somebody else's by the time that it is
    wanted."""
    try:
        end = max(int(_GIVEN_OUT.read_text().split()[0]), _LOWEST + _ENOUGH)
    except OSError:
        end = 32_768
    while True:
        port = _chance.randrange(_LOWEST, end)
        if port not in _ours and _is_free(port):
            _ours.add(port)
            return port


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True

"""How long the processes of `serve` have to end what is in hand, by the configuration that they started with."""

from __future__ import annotations

from bridge.config.model import Configuration

_USUAL = 15.0
_SETTLE = 5.0
"""Seconds to send an answer, or to keep what came of an emission."""
SLACK = 10.0
"""Seconds that a process has, beyond its own bound, until whoever started it ends it: what it has not done by then, it
leaves in order."""


def of_requests(configuration: Configuration) -> float:
    """Return the seconds for requests in flight: no Query is cut off before its deadline."""
    return max([_USUAL, *(query.deadline + _SETTLE for query in configuration.queries.values())])


def of_work(configuration: Configuration) -> float:
    """Return the seconds for the background work: an emission that is cut off may have rung."""
    return max([_USUAL, *(line.emission.timeout + _SETTLE for line in configuration.lines)])

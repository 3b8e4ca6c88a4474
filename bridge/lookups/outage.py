"""Connectors that are out of order because their section of the configuration is at fault. They stand where the real
ones would: whoever asks is told why, and what has to reach them waits.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from bridge.errors import Fault
from connectors.base import Connector, ConnectorOptions, Context, Deadline, Misconfigured, ProbeResult


class OutOfOrder(Misconfigured):
    """The connector's section is at fault, so it was not opened. What has to reach it waits, however long it takes."""


class Out(Connector):
    """A connector that is out of order: whatever is asked of it raises `OutOfOrder`."""

    immediate = True

    def __init__(self, name: str, faults: Sequence[Fault], context: Context) -> None:
        super().__init__(name, ConnectorOptions(type="out"), context)
        more = f", and {len(faults) - 1} more (`infocaller-bridge check` says all)" if len(faults) > 1 else ""
        self.reason = f"connector {name} is out of order until its configuration is mended: {faults[0]}{more}"

    def probe(self, deadline: Deadline) -> Iterator[ProbeResult]:  # noqa: ARG002 - nothing is asked
        """Yield that it is out of order."""
        yield ProbeResult("configuration", False, self.reason)

    def _cannot(self, what: str) -> OutOfOrder:  # noqa: ARG002 - the same for everything
        return OutOfOrder(self.reason)


def heed(connector: Connector) -> None:
    """Raise `OutOfOrder` where the connector is."""
    if isinstance(connector, Out):
        raise OutOfOrder(connector.reason)

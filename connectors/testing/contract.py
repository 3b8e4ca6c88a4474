"""The whole suite."""

from connectors.testing.finding import FindingContract
from connectors.testing.outages import OutageContract
from connectors.testing.upkeep import UpkeepContract
from connectors.testing.writing import WritingContract


class ConnectorContract(FindingContract, OutageContract, WritingContract, UpkeepContract):
    """All that a connector must hold to. A derived class has a fixture `harness` that yields its `Harness`."""

"""The contract that every connector must hold to, as a pytest suite for the authors of connectors.

Derive from `ConnectorContract` and give it a `Harness`, which puts records into a test copy of your CRM and reads back
what was written:

    from connectors.testing import ConnectorContract, Contact, Harness, Order

    class MyHarness(Harness):
        connector = MyConnector
        ...

    class TestMyConnector(ConnectorContract):
        @pytest.fixture
        def harness(self, tmp_path):
            with contextlib.closing(MyHarness(tmp_path)) as harness:
                yield harness

The suite knows three kinds of records: contacts (found by phone), orders (found by key) and surveys (saved), with the
fields `name`, `status`, `phone` and `score`. A harness keeps them in its CRM's own words. What a CRM can't do, its
harness says by a flag such as `can_save = False`; the suite then skips those tests, and checks that the options claim
no more.

pytest comes with the extra `testing` (`pip install 'infocaller-bridge[testing]'`). `examples/connector` in the
repository is a whole package that uses the suite.
"""

import pytest

_PARTS = ("finding", "outages", "writing", "upkeep", "fixtures")
pytest.register_assert_rewrite(*(f"{__name__}.{part}" for part in _PARTS))

from connectors.testing.contract import ConnectorContract  # noqa: E402 - its assertions are to explain themselves
from connectors.testing.fixtures import Seen, activity, eventually, open_connector  # noqa: E402
from connectors.testing.harness import GENEROUS, SPELLINGS, Contact, Harness, Order  # noqa: E402

__all__ = [
    "GENEROUS",
    "SPELLINGS",
    "ConnectorContract",
    "Contact",
    "Harness",
    "Order",
    "Seen",
    "activity",
    "eventually",
    "open_connector",
]

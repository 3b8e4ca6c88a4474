"""A pretended Salesforce org: a real HTTPS server with the wire behaviour that the connector has to live with.

It is no judge of what Salesforce does, only of what its documentation says: see docs/connectors/salesforce.md.
"""

from tests.fakes.salesforce.org import Org
from tests.fakes.salesforce.server import FakeSalesforce

__all__ = ["FakeSalesforce", "Org"]

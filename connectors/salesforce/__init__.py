"""Salesforce: people by phone, records by key, calls as Tasks, Tasks that ask for a call.

Facts about Salesforce that the code rests on stand where they are used; set-up and options in
docs/connectors/salesforce.md.
"""

from connectors.salesforce.connector import SalesforceConnector
from connectors.salesforce.options import SalesforceOptions

__all__ = ["SalesforceConnector", "SalesforceOptions"]

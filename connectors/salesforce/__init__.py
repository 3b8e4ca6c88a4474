"""Salesforce: people by phone, records by key, calls as Tasks, Tasks that ask for a call.

Facts about Salesforce that the code rests on stand where they are used; set-up and options in
docs/connectors/salesforce.md.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from connectors.salesforce.connector import SalesforceConnector
    from connectors.salesforce.options import SalesforceOptions

__all__ = ["SalesforceConnector", "SalesforceOptions"]


def __getattr__(name: str) -> object:
    """Load the connector when it is first asked for: whoever reads an Outbound Message does without its libraries."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from connectors.salesforce import connector, options  # noqa: PLC0415

    return getattr(connector if name == "SalesforceConnector" else options, name)

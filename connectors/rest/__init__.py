"""The connector `rest`: any CRM with a REST API, by YAML alone. docs/connectors/rest.md tells how."""

from connectors.rest.connector import RestConnector
from connectors.rest.options import RestOptions

__all__ = ["RestConnector", "RestOptions"]

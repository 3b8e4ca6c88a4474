"""The connector `rest`: any CRM with a REST API, by YAML alone. docs/connectors/rest.md tells how."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from connectors.rest.connector import RestConnector
    from connectors.rest.options import RestOptions

__all__ = ["RestConnector", "RestOptions"]


def __getattr__(name: str) -> object:
    """Load the connector when it is first asked for: whoever reads the presets does without its libraries."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from connectors.rest import connector, options  # noqa: PLC0415

    return getattr(connector if name == "RestConnector" else options, name)

"""A list of tasks that lost its column of numbers: a fault of the list, not of each task in it."""

from __future__ import annotations

from bridge.config.checks.callbacks import no_number
from bridge.config.model import Configuration
from connectors.base import Connector, Misconfigured


def check_list(configuration: Configuration, connector: Connector) -> None:
    """Raise `Misconfigured` where the tasks of a connector, as its list is now, have no field that a source takes the
    number from; `ConnectorError` where the list can't be read."""
    fields = connector.task_fields()
    if fields is None:
        return
    for source in configuration.callbacks:
        text = no_number(source, fields) if source.from_ == connector.name else None
        if text is not None:
            raise Misconfigured(f"{connector.name}: {text}")

"""What can go wrong on the bridge's own side. Each message says what to do about it; none holds a secret.

    BridgeError
    ├── ProtocolError       a document of the platform can't be read
    ├── ConfigurationFaults the configuration is wrong; holds every fault
    └── StoreUnavailable    the database can't be reached or written

What a CRM does wrong is `connectors.base.ConnectorError`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


class BridgeError(Exception):
    """Anything that the bridge itself reports to a person."""


class ProtocolError(BridgeError):
    """A document can't be read: the message says which part and where."""


class StoreUnavailable(BridgeError):
    """The database can't be reached or written now."""


@dataclass(frozen=True, slots=True, order=True)
class Fault:
    """One thing wrong in a configuration file. `line` and `column` count from 1, 0 where there is no place to point at;
    `path` is dotted (`queries.DESVIO.find.contact`), `text` says what is wrong and what to write instead."""

    file: str
    line: int
    column: int
    path: str
    text: str

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}:{self.column}" if self.line else self.file
        return f"{place}: {self.path}: {self.text}" if self.path else f"{place}: {self.text}"


class ConfigurationFaults(BridgeError):
    """The configuration can't be used. `faults` are all that was found, in the order of the file."""

    def __init__(self, faults: Sequence[Fault]) -> None:
        super().__init__("\n".join(str(fault) for fault in faults))
        self.faults = tuple(faults)

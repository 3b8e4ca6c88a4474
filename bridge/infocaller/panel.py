"""What is pasted into the platform's panel: the addresses of the four events and of each Query."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Literal, NamedTuple
from urllib.parse import quote

from bridge.infocaller.events import EVENTS, placeholders


class PanelAddress(NamedTuple):
    """One address: of an event, or of the Query of this name."""

    kind: Literal["event", "query"]
    name: str
    url: str


def panel_addresses(base: str, key: str, queries: Iterable[str]) -> Iterator[PanelAddress]:
    """Yield the addresses of a bridge that is reached at `base`; `key` is its URL key, empty for none. Manual: API
    Informativa I, API de Integración."""
    root = f"{base.rstrip('/')}/infocaller" + (f"/{key}" if key else "")
    for event in EVENTS:
        parameters = "&".join(f"{name}={text}" for name, text in placeholders(event).items())
        yield PanelAddress("event", event, f"{root}/event/{event}?{parameters}")
    for name in queries:
        yield PanelAddress("query", name, f"{root}/query/{quote(name, safe='')}")

"""Times of PostgreSQL that Python has none for: `infinity`, which databases write for never, years before Christ,
24:00. They are read as text, so that one of them does not make the whole answer an error."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from psycopg import DataError
from psycopg.abc import Buffer
from psycopg.adapt import Loader
from psycopg.types.datetime import (
    DateLoader,
    IntervalLoader,
    TimeLoader,
    TimestampLoader,
    TimestamptzLoader,
    TimetzLoader,
)


def _or_text(loader: type[Loader]) -> type[Loader]:
    """Return a loader that reads what the given one can't as text."""

    class OrText(loader):  # type: ignore[valid-type, misc]  # made for each
        def load(self, data: Buffer) -> Any:
            try:
                return super().load(data)
            except DataError:
                return bytes(data).decode("utf-8", "replace")

    return OrText


LOADERS: Mapping[str, type[Loader]] = {
    "date": _or_text(DateLoader),
    "time": _or_text(TimeLoader),
    "timetz": _or_text(TimetzLoader),
    "timestamp": _or_text(TimestampLoader),
    "timestamptz": _or_text(TimestamptzLoader),
    "interval": _or_text(IntervalLoader),
}
"""By the type's name."""

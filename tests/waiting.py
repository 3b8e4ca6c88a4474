"""Waiting for what happens in other threads and processes."""

from __future__ import annotations

import time
from collections.abc import Callable

PATIENCE = 4
"""How many times as long a slow or busy machine may take as the tests say."""


def until(condition: Callable[[], object], seconds: float = 30.0) -> None:
    """Return when the condition holds; fail when it still does not after so long."""
    end = time.monotonic() + seconds * PATIENCE
    while not condition():
        assert time.monotonic() < end, f"not within {seconds * PATIENCE:g} s"
        time.sleep(0.02)

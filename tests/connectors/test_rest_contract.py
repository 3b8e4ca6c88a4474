"""The REST connector holds to the contract of all connectors."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from connectors.testing import ConnectorContract
from tests.connectors.rest_harness import RestHarness


class TestRest(ConnectorContract):
    @pytest.fixture
    def harness(self, tmp_path: Path) -> Iterator[RestHarness]:
        with contextlib.closing(RestHarness(tmp_path)) as harness:
            yield harness

"""Salesforce holds to the contract: by SOSL and by SOQL, with an external id and without."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from connectors.testing import ConnectorContract
from tests.connectors.salesforce_harness import SalesforceHarness


class TestSalesforceBySosl(ConnectorContract):
    @pytest.fixture
    def harness(self, tmp_path: Path) -> Iterator[SalesforceHarness]:
        with contextlib.closing(SalesforceHarness(tmp_path)) as harness:
            yield harness


class TestSalesforceBySoqlWithoutExternalId(ConnectorContract):
    @pytest.fixture
    def harness(self, tmp_path: Path) -> Iterator[SalesforceHarness]:
        with contextlib.closing(SalesforceHarness(tmp_path, search="soql", activity={})) as harness:
            yield harness

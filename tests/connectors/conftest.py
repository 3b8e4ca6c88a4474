"""CRMs that are pretended."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.connectors.rest_case import filled
from tests.fakes.rest_crm import RestCrm
from tests.fakes.salesforce import FakeSalesforce


@pytest.fixture
def fake(tmp_path: Path) -> Iterator[FakeSalesforce]:
    """A pretended Salesforce org."""
    with contextlib.closing(FakeSalesforce(tmp_path)) as server:
        yield server


@pytest.fixture
def crm() -> Iterator[RestCrm]:
    """A pretended CRM with a REST API, and a few people in it."""
    with RestCrm() as server:
        yield filled(server)

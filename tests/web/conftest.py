"""One bridge for all tests of a file that only talk to it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.web.bridge_process import Bridge, query, running, written


@pytest.fixture(scope="module")
def bridge(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bridge]:
    with running(tmp_path_factory.mktemp("bridge")) as bridge:
        assert bridge.post("query", *written(query())).status == 200  # so that no wrong signature closes this address
        yield bridge

"""One bridge with a console for all tests of a file that only look at it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from bridge.web.console.sections import Role
from tests.web.bridge_process import Bridge, running
from tests.web.console.case import CONFIGURATION, Browser


@pytest.fixture(scope="module")
def console(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bridge]:
    folder = tmp_path_factory.mktemp("console")
    two_processes = CONFIGURATION.replace("workers: 1", "workers: 2")  # whichever answers knows who is signed in
    (folder / "config.yaml").write_text(two_processes, encoding="utf-8")
    with running(folder) as bridge:
        yield bridge


@pytest.fixture(scope="module")
def viewer(console: Bridge) -> Browser:
    return Browser(console).sign_in(Role.VIEWER)


@pytest.fixture(scope="module")
def operator(console: Bridge) -> Browser:
    return Browser(console).sign_in(Role.OPERATOR)


@pytest.fixture(scope="module")
def admin(console: Bridge) -> Browser:
    return Browser(console).sign_in(Role.ADMIN)


@pytest.fixture(autouse=True)
def _each_test_begins_in_english(request: pytest.FixtureRequest) -> None:
    """Whatever language another test chose in the browsers that all share."""
    for name in {"viewer", "operator", "admin"} & set(request.fixturenames):
        request.getfixturevalue(name).forget_language()

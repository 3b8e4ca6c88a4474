"""Where the bridge keeps its own when `state:` can't be written."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from bridge.config.load import Loaded, load
from bridge.runtime.state import NoStateFolder, existing_state_folder, state_folder
from tests.config.files import ENVIRONMENT, LINES, write
from tests.nobody import give, own_folder, without_rights


@pytest.fixture
def temporary(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    with own_folder() as folder:
        folder.chmod(0o1777)
        monkeypatch.setattr(tempfile, "tempdir", str(folder))
        yield folder


@pytest.fixture
def loaded(temporary: Path) -> Loaded:
    """A configuration whose state folder can't be made by a user without rights."""
    closed = temporary / "closed"
    closed.mkdir()
    path = write(closed, LINES)
    give(path)
    return load(path, ENVIRONMENT)


def instead(loaded: Loaded) -> Path:
    """The name that anybody can foretell."""
    with without_rights():
        folder = state_folder(loaded)
        folder.rmdir()
    return folder


def refused(loaded: Loaded, why: str) -> None:
    with without_rights():
        with pytest.raises(NoStateFolder, match=why) as caught:
            state_folder(loaded)
        assert existing_state_folder(loaded) == loaded.folder / ".infocaller-bridge"
    assert "set state: to a folder that the bridge's user can write" in str(caught.value)


pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="takes root, who makes what another user would")


def test_a_folder_of_its_own_takes_its_place(loaded: Loaded) -> None:
    with without_rights():
        folder = state_folder(loaded)
        assert state_folder(loaded) == existing_state_folder(loaded) == folder
    assert folder.stat().st_mode & 0o777 == 0o700


def test_another_users_folder_is_refused(loaded: Loaded) -> None:
    instead(loaded).mkdir(mode=0o777)  # root's here
    refused(loaded, "belongs to another user")


def test_a_link_is_refused_wherever_it_leads(loaded: Loaded, temporary: Path) -> None:
    elsewhere = temporary / "elsewhere"
    elsewhere.mkdir(mode=0o700)
    give(elsewhere)
    instead(loaded).symlink_to(elsewhere)
    refused(loaded, "is no folder but a link")
    elsewhere.rmdir()
    refused(loaded, "is no folder but a link")


def test_a_folder_that_others_may_use_is_refused(loaded: Loaded) -> None:
    folder = instead(loaded)
    folder.mkdir()
    give(folder)
    folder.chmod(0o770)
    refused(loaded, "is open to others .mode 770 instead of 700")

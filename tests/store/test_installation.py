"""The installation's id: one for each state folder, whoever asks first, however the asker dies."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from bridge.errors import StoreUnavailable
from bridge.store.installation import installation_id
from tests.nobody import own_folder, without_rights

_ASK = """
import sys
from pathlib import Path
from bridge.store.installation import installation_id
print(installation_id(Path(sys.argv[1])))
"""


def test_a_folder_keeps_its_id_and_another_has_another(tmp_path: Path) -> None:
    one, other = tmp_path / "one", tmp_path / "other"
    one.mkdir()
    other.mkdir()
    made = installation_id(one)
    assert len(made) == 16
    assert installation_id(one) == made
    assert installation_id(other) != made
    assert (one / "installation").stat().st_mode & 0o777 == 0o600


def test_processes_that_ask_at_once_get_the_same(tmp_path: Path) -> None:
    command = [sys.executable, "-c", _ASK, str(tmp_path)]
    asking = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(6)]
    answers = {process.communicate(timeout=60)[0] for process in asking}
    assert answers == {f"{installation_id(tmp_path)}\n"}


@pytest.mark.parametrize("left", ["", "not an id\n", "\x00" * 17])
def test_a_file_that_holds_no_id_is_replaced(tmp_path: Path, left: str) -> None:
    (tmp_path / "installation").write_text(left, encoding="ascii")
    (tmp_path / "installation.new").write_text("half", encoding="ascii")  # somebody was killed while making one
    made = installation_id(tmp_path)
    assert installation_id(tmp_path) == made


def test_a_folder_that_is_not_there_or_can_t_be_written_says_so(tmp_path: Path) -> None:
    with pytest.raises(StoreUnavailable, match="gone/installation"):
        installation_id(tmp_path / "gone")
    with own_folder() as folder, without_rights():
        folder.chmod(0o500)
        with pytest.raises(StoreUnavailable, match="Permission denied"):
            installation_id(folder)
        folder.chmod(0o700)
        assert installation_id(folder)

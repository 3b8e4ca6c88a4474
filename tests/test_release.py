"""The notes of a release come from the change log."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parent.parent / ".ci" / "notes"
CHANGES = "# Changes\n\n## Unreleased\n\n## 1.2.0 (2027-01-31)\n\n### Added\n\n- One.\n\n## 1.1.0\n\n- Two.\n"


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project of version 1.2.0."""
    (tmp_path / ".ci").mkdir()
    shutil.copy(SCRIPT, tmp_path / ".ci")
    (tmp_path / "pyproject.toml").write_text('[project]\nversion = "1.2.0"\n')
    (tmp_path / "CHANGELOG.md").write_text(CHANGES)
    return tmp_path


def _notes(project: Path, tag: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, project / ".ci" / "notes", tag], capture_output=True, text=True, check=False
    )  # fmt: skip


def test_a_tag_has_the_section_of_its_version(project: Path) -> None:
    run = _notes(project, "v1.2.0")
    assert (run.returncode, run.stdout) == (0, "### Added\n\n- One.\n")


def test_a_tag_of_another_version_is_refused(project: Path) -> None:
    run = _notes(project, "v1.1.0")
    assert run.returncode == 1
    assert "pyproject.toml says 1.2.0" in run.stderr


@pytest.mark.parametrize(
    "changes", ["# Changes\n\n## Unreleased\n\n- One.\n", "# Changes\n\n## 1.2.0\n\n## 1.1.0\n\n- Two.\n"]
)
def test_a_version_without_notes_is_refused(project: Path, changes: str) -> None:
    (project / "CHANGELOG.md").write_text(changes)
    run = _notes(project, "v1.2.0")
    assert run.returncode == 1
    assert "no section 1.2.0" in run.stderr

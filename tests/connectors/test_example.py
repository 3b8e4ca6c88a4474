"""The example of a connector that somebody else wrote: its tests pass, its package is found, and its README's
configuration works."""

from __future__ import annotations

import os
import re
import sqlite3
import subprocess
import sys
import tomllib
from collections.abc import Sequence
from contextlib import closing
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType

import pytest

EXAMPLE = Path(__file__).parents[2] / "examples" / "connector"
PROJECT = tomllib.loads((EXAMPLE / "pyproject.toml").read_text("utf-8"))["project"]
LINE = 'lines:\n  - {number: "911000001", password: "0123456789"}\n'


def _loaded(name: str) -> ModuleType:
    """A module of the example. Its folder is not on the path: pip may have left the package's metadata there, which
    would install it for all other tests."""
    spec = spec_from_file_location(name, EXAMPLE / f"{name}.py")
    assert spec
    assert spec.loader
    module = sys.modules[name] = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


_loaded("sqlite_connector")
TestSqlite = _loaded("test_sqlite_connector").TestSqlite


@pytest.fixture
def installed(tmp_path: Path) -> Path:
    """A folder for packages, with the example in it as pip leaves a package: its module and its metadata."""
    module = "sqlite_connector.py"
    (tmp_path / module).write_text((EXAMPLE / module).read_text("utf-8"), "utf-8")
    metadata = tmp_path / f"{PROJECT['name'].replace('-', '_')}-{PROJECT['version']}.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text(
        f"Metadata-Version: 2.1\nName: {PROJECT['name']}\nVersion: {PROJECT['version']}\n"
    )
    points = [
        f"[{group}]\n" + "".join(f"{n} = {v}\n" for n, v in ours.items())
        for group, ours in PROJECT["entry-points"].items()
    ]
    (metadata / "entry_points.txt").write_text("\n".join(points))
    return tmp_path


def _bridge(arguments: Sequence[str], packages: Path, folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "bridge", *arguments],
        cwd=folder, env={**os.environ, "PYTHONPATH": f"{packages}:{Path(__file__).parents[2]}"},
        capture_output=True, text=True, check=False,
    )  # fmt: skip


def test_the_configuration_of_its_readme_works_with_it(installed: Path, tmp_path: Path) -> None:
    [section] = re.findall(r"```yaml\n(.*?)```", (EXAMPLE / "README.md").read_text("utf-8"), re.S)
    folder = tmp_path / "bridge"
    folder.mkdir()
    (folder / "config.yaml").write_text(LINE + section, "utf-8")
    with closing(sqlite3.connect(folder / "crm.db")) as database:
        database.execute(
            "CREATE TABLE people (id INTEGER PRIMARY KEY, name TEXT, phone TEXT, mobile TEXT, changed TEXT)"
        )
    run = _bridge(["check", "--connect"], installed, folder)
    assert "contact: 0 rows" in run.stdout + run.stderr
    assert "order: crm.db: no such table: orders" in run.stdout + run.stderr
    assert run.returncode == 1

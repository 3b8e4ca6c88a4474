"""Configuration files for tests: what a good one needs, and what is said of a text."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from textwrap import dedent

from bridge.config.load import Loaded, attempt, load

LINES = '\nlines:\n  - {number: "912345678", password: "${PASSWORD}"}\n'
ENVIRONMENT = {"PASSWORD": "3956"}


def write(folder: Path, text: str, name: str = "bridge.yaml") -> Path:
    """A file with this text."""
    path = folder / name
    path.write_text(dedent(text).lstrip("\n"), encoding="utf-8")
    return path


def loaded(folder: Path, text: str, environ: Mapping[str, str] = ENVIRONMENT) -> Loaded:
    """What a text that is good comes to."""
    return load(write(folder, text), environ)


def told(folder: Path, text: str, environ: Mapping[str, str] = ENVIRONMENT) -> list[str]:
    """The faults of a text, without the file's name."""
    path = write(folder, text)
    return [str(fault).removeprefix(f"{path}:") for fault in attempt(path, environ).faults]


def warned(folder: Path, text: str, environ: Mapping[str, str] = ENVIRONMENT) -> list[str]:
    """The warnings about a text that is good, without the file's name."""
    path = write(folder, text)
    return [str(warning).removeprefix(f"{path}:") for warning in load(path, environ).warnings]

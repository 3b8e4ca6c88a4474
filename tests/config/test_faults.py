"""Golden tests: each faulty file with exactly what is said of it.

After a change that is meant: `python -m tests.config.test_faults` writes what is said now; read the difference.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from bridge.config.load import attempt, load
from bridge.errors import ConfigurationFaults
from connectors.registry import installed

FOLDER = Path(__file__).parent / "faulty"
SECRET = "s3cr-et value"  # neither a key for URLs, a number nor an expression
ENVIRONMENT = {"SECRET": SECRET, "PORT": "8080", "EMPTY": ""}


def said(path: Path) -> str:
    """What is said of a file, without its folder and the list of connectors that happen to be installed."""
    text = "".join(f"{fault}\n" for fault in attempt(path, ENVIRONMENT).faults).replace(f"{FOLDER}/", "")
    types = ", ".join(installed().names)
    for before in ("one of", "there are"):
        text = text.replace(f"{before} {types}\n", f"{before} (TYPES)\n")
    return text


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.yaml")), ids=lambda path: path.stem)
def test_every_fault_is_told_as_expected(path: Path) -> None:
    assert said(path) == path.with_suffix(".expected").read_text(encoding="utf-8")


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.yaml")), ids=lambda path: path.stem)
def test_faults_are_in_the_order_of_the_file_and_hold_no_secret(path: Path) -> None:
    with pytest.raises(ConfigurationFaults) as caught:
        load(path, ENVIRONMENT)
    places = [(fault.line, fault.column) for fault in caught.value.faults]
    assert places == sorted(places)
    assert len(set(caught.value.faults)) == len(places)
    for secret in (SECRET, "s3cr", "pl41n"):
        assert secret not in str(caught.value)


def test_every_faulty_file_has_its_expected_faults_and_every_expectation_its_file() -> None:
    assert {path.stem for path in FOLDER.glob("*.yaml")} == {path.stem for path in FOLDER.glob("*.expected")}


if __name__ == "__main__":
    for faulty in sorted(FOLDER.glob("*.yaml")):
        faulty.with_suffix(".expected").write_text(said(faulty), encoding="utf-8")

"""What an installation needs is declared: a package that only comes along with another may go with it."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path

ROOT = Path(__file__).parent.parent
NOT_DECLARED = {
    "_typeshed",  # for type checkers alone
    "pydantic_core",  # one with pydantic, which demands its exact version
}


def _imported() -> set[str]:
    """Top-level packages that are imported when the program runs, not for type checkers alone."""
    found: set[str] = set()
    for file in [*(ROOT / "bridge").rglob("*.py"), *(ROOT / "connectors").rglob("*.py")]:
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                found |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                found.add(node.module.partition(".")[0])
    return found - set(sys.stdlib_module_names) - {"bridge", "connectors"} - NOT_DECLARED


def _name(requirement: str) -> str:
    return re.split(r"[\[<>=; ]", requirement)[0].lower().replace("_", "-")


def test_everything_imported_is_declared() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = project["optional-dependencies"]
    declared = {
        _name(each)
        for each in [
            *project["dependencies"],
            *(each for extra in ("distributed", "otel", "testing") for each in extras[extra]),
        ]
    }
    distributions = packages_distributions()
    missing = {
        package: distributions.get(package, [])
        for package in _imported()
        if not {_name(each) for each in distributions.get(package, [])} & declared
    }
    assert missing == {}


def test_serving_never_imports_the_suite_for_authors_of_connectors() -> None:
    code = (
        "import sys, bridge.cli; from connectors.registry import installed; installed().options_types(); "
        "print('pytest' in sys.modules)"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout == "False\n"


def test_a_bridge_loads_no_connector_that_it_does_not_use() -> None:
    """Nor HTTP, if no table lies at an address, nor OpenTelemetry, if nobody asks for traces: each process would take a
    tenth longer to start."""
    code = (
        "import sys, bridge.server.process; from connectors.registry import installed; installed().connector('csv'); "
        "print(sorted({'simple_salesforce', 'connectors.rest', 'connectors.salesforce.options', 'opentelemetry', "
        "'requests'} & sys.modules.keys()))"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout == "[]\n"

"""The environment is read in one place, so that `.env` beside the configuration holds for everything."""

from __future__ import annotations

import ast
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
READS = {
    "bridge/config/load.py",
    "bridge/cli/language.py",  # the language of the terminal, which no file beside the configuration changes
}


def test_the_environment_is_read_in_one_place() -> None:
    for folder in ("bridge", "connectors"):
        for path in sorted((ROOT / folder).rglob("*.py")):
            reads = [
                node
                for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
                if isinstance(node, ast.Attribute)
                and node.attr in {"environ", "getenv"}
                and isinstance(node.value, ast.Name)
                and node.value.id == "os"
            ]
            assert not reads or str(path.relative_to(ROOT)) in READS, path

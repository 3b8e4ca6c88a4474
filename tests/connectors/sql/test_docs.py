"""The documentation's examples are configurations."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from connectors.sql.options import SqlOptions

DOCS = Path(__file__).parents[3] / "docs" / "connectors"
BLOCKS = [
    (page, number, block)
    for page in ("sql.md", "sql-tutorial.md")
    for number, block in enumerate(
        re.findall(r"^```yaml\n(.*?)^```", (DOCS / page).read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)
    )
]


@pytest.mark.parametrize(("page", "number", "block"), BLOCKS, ids=[f"{page}-{number}" for page, number, _ in BLOCKS])
def test_each_example_is_a_section_without_a_fault(page: str, number: int, block: str, tmp_path: Path) -> None:
    (tmp_path / "facturas.db").touch()
    section: dict[str, Any] = YAML(typ="safe").load(block)["connectors"]["erp"]
    section["url"] = section["url"].replace("${ERP_URL}", "postgresql://bridge:secret@10.0.0.5/erp")
    options = SqlOptions.model_validate(section)
    assert [problem.text for problem in options.problems(tmp_path)] == []
    can = options.abilities()
    assert can.by_phone | can.by_key

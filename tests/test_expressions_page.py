"""The page on the time in expressions can't lie: what its tables say is what comes out."""

from __future__ import annotations

import re
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from connectors import dates
from connectors.expression import Template
from tests.config.files import LINES, told

DOCS = Path(__file__).parents[1] / "docs"
PAGE, SPANISH = ((DOCS / name).read_text("utf-8") for name in ("expressions.md", "expressions.es.md"))
MADRID = ZoneInfo("Europe/Madrid")


def table(heading: str, page: str = PAGE) -> list[list[str]]:
    """The rows of a section's table, without its head."""
    section = page.partition(f"## {heading}")[2].partition("\n## ")[0]
    lines = [line for line in section.splitlines() if line.startswith("|")]
    return [[cell.strip().replace("\\|", "|") for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in lines[2:]]


@pytest.mark.parametrize(("expression", "gives"), table("Write a time"))
def test_what_date_writes(expression: str, gives: str) -> None:
    scope = dates.timed(datetime(2026, 12, 24, 21, 30, tzinfo=MADRID), "es")
    assert Template(f"{{{{ {expression.strip('`')} }}}}").text(scope) == gives


@pytest.mark.parametrize(("time", "spanish", "english"), table("Say a time in words"))
def test_what_spoken_says(time: str, spanish: str, english: str) -> None:
    for language, words in (("es", spanish), ("en", english)):
        scope = dates.timed(datetime(2026, 11, 27, 9, tzinfo=MADRID), language)
        assert Template("{{ time | spoken }}").text({**scope, "time": time}) == words


def test_the_page_in_spanish_says_the_same() -> None:
    assert table("Escribir una hora", SPANISH) == table("Write a time")
    assert table("Decir una hora en palabras", SPANISH) == table("Say a time in words")


def test_its_configuration_is_good(tmp_path: Path) -> None:
    [block] = re.findall(r"```yaml\n(.*?)```", PAGE, re.S)
    assert told(tmp_path, LINES + block) == []

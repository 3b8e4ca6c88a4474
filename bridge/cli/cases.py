"""`test`: the cases that the configuration keeps under `tests:`."""

from __future__ import annotations

from pathlib import Path

import click

from bridge.cli.ask import as_text
from bridge.cli.bilingual import Command
from bridge.cli.language import say, words
from bridge.cli.options import config_option
from bridge.config.load import load
from bridge.service.cases import run
from bridge.service.composition import Service
from bridge.texts import Text


@click.command(cls=Command)
@config_option
def test(config: Path) -> int:
    """Run the cases that the configuration keeps under `tests:`; exit 1 if an answer differs. A case with `replay:`
    plays kept answers and asks no CRM."""
    loaded = load(config)
    failed = 0
    service = Service.open(loaded)
    try:
        for tried in run(service):
            if tried.differences:
                failed += 1
                differences = "; ".join(words(difference) for difference in tried.differences)
                say(Text("FAIL {title}: {differences}", title=tried.title, differences=differences))
                for text in as_text(tried.answered)[1:]:
                    click.echo(f"     {text}")
    finally:
        service.close()
    count = len(loaded.configuration.tests)
    if count:
        say(Text("{passed} passed, {failed} failed", passed=count - failed, failed=failed))
    else:
        say(Text("there are no tests: in the configuration"))
    return 1 if failed else 0

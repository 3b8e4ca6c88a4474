"""`test`: the cases that the configuration keeps under `tests:`."""

from __future__ import annotations

from pathlib import Path

import click

from bridge.cli.ask import as_text
from bridge.cli.options import config_option
from bridge.config.load import load
from bridge.service.cases import run
from bridge.service.composition import Service


@click.command()
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
                click.echo(f"FAIL {tried.title}: {'; '.join(map(str, tried.differences))}")
                for text in as_text(tried.answered)[1:]:
                    click.echo(f"     {text}")
    finally:
        service.close()
    count = len(loaded.configuration.tests)
    click.echo(f"{count - failed} passed, {failed} failed" if count else "there are no tests: in the configuration")
    return 1 if failed else 0

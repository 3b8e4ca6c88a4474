"""`check`, `schema` and `urls`: what the configuration says, before anything runs by it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import click

from bridge.cli.options import config_option, terminal_language
from bridge.config.checks.commercial import law_of
from bridge.config.commercial import COMMERCIAL
from bridge.config.load import Loaded, load
from bridge.config.model import Configuration
from bridge.infocaller.panel import panel_addresses
from bridge.texts import Text
from connectors.base import Connector, Deadline, ProbeResult
from connectors.http.cassette_file import Answers, CassetteFault

_PATIENCE = 30.0  # seconds that `--connect` gives each CRM


@click.command()
@config_option
@click.option("--connect", is_flag=True, help="Also sign in to every connector and try one lookup.")
@click.option("--trace", is_flag=True, help="With --connect: show each request and answer, secrets masked.")
def check(config: Path, connect: bool, trace: bool) -> int:
    """Say everything that is wrong with the configuration."""
    loaded = load(config)
    if trace and not connect:
        raise click.UsageError("--trace goes with --connect: without it no CRM is asked")
    for warning in loaded.warnings:
        click.echo(f"warning: {warning}", err=True)
    playable = _playable(loaded)
    click.echo(f"{config}: {'good: ' * playable}{_contents(loaded.configuration)}")
    for text in _laws(loaded.configuration):
        click.echo(str(text))
    connected = not connect or _connect(loaded, trace)
    return 0 if playable and connected else 1


def _playable(loaded: Loaded) -> bool:
    """Whether each file of kept answers can be played; the server does without them, so they are no faults to it."""
    good = True
    for number, case in enumerate(loaded.configuration.tests):
        try:
            if case.replay is not None:
                Answers.read(loaded.folder / case.replay)
        except CassetteFault as fault:
            good = False
            click.echo(f"{loaded.path}: tests[{number}].replay: {fault}", err=True)
    return good


def _contents(configuration: Configuration) -> str:
    counts = [
        (len(configuration.lines), "line", "lines"),
        (len(configuration.connectors), "connector", "connectors"),
        (len(configuration.queries), "Query", "Queries"),
        (len(configuration.activities), "activity rule", "activity rules"),
        (len(configuration.callbacks), "source of callbacks", "sources of callbacks"),
        (len(configuration.tests), "test", "tests"),
    ]
    return ", ".join(f"{count} {singular if count == 1 else plural}" for count, singular, plural in counts)


def _laws(configuration: Configuration) -> Iterator[Text]:
    """Which rules hold for commercial calls today, by the countries whose lines make them."""
    selling = [source.line for source in configuration.callbacks if source.aim == COMMERCIAL]
    laws = {line.country: law_of(line) for line in configuration.lines if line.number in selling}
    for law in filter(None, laws.values()):
        yield Text(
            "commercial calls: rules {version}, last compared with their sources on {checked}; {count} in force, "
            "{doubtful} of them open (docs/commercial-calls.md)",
            version=law.version, checked=str(law.book.checked), count=len(law.rules),
            doubtful=sum(rule.sure == "open" for rule in law.rules),
        )  # fmt: skip


def _connect(loaded: Loaded, trace: bool) -> bool:
    from bridge.cli.trace import Trace  # noqa: PLC0415 - only --connect needs it
    from bridge.service.composition import Service  # noqa: PLC0415 - likewise

    service = Service.open(loaded, see=Trace(click.echo).see if trace else None)
    try:
        good = [_probed(name, source.connector) for name, source in service.sources.items()]
    finally:
        service.close()
    return all(good)


def _probed(name: str, connector: Connector) -> bool:
    """Whether all that a connector tries goes well; says each as it comes."""
    good, tried = True, False
    for finding in connector.probe(Deadline.after(_PATIENCE)):
        click.echo(_line(name, finding))
        tried, good = True, good and finding.ok
    if not tried:
        click.echo(f"ok   {name}: there is nothing to try: it looks nothing up")
    return good


def _line(connector: str, finding: ProbeResult) -> str:
    return f"{'ok  ' if finding.ok else 'FAIL'} {connector}: {finding.what}: {finding.text}"


@click.command()
@config_option
def schema(config: Path) -> None:  # noqa: ARG001 - every command takes --config, so that scripts need no exception
    """Print the configuration's JSON Schema, for editors; it is the same for every configuration, in your language."""
    from bridge.config.schema import json_schema  # noqa: PLC0415 - only this command needs it

    click.echo(json.dumps(json_schema(terminal_language()), indent=2, ensure_ascii=False))


@click.command()
@config_option
@click.option("--base", required=True, metavar="URL", help="Where the platform reaches the bridge, https://…")
def urls(config: Path, base: str) -> None:
    """Print the URLs to paste into the platform's panel (section API of the line's start tab)."""
    configuration = load(config).configuration
    for text in panel_urls(configuration, base):
        click.echo(text.render(configuration.language) if isinstance(text, Text) else text)
    if not base.startswith("https://"):
        warning = Text("warning: without https:// anyone on the way can read the calls")
        click.echo(warning.render(configuration.language), err=True)


def panel_urls(configuration: Configuration, base: str) -> Iterator[Text | str]:
    """Yield the URLs to paste into the platform's panel, a line each below their headings."""
    keys = configuration.server.url_key
    addresses = list(panel_addresses(base, keys[0].get_secret_value() if keys else "", configuration.queries))
    yield Text("Events (INICIO, DESVIO CORRECTO, DESVIO FALLIDO, FIN):")
    yield from (f"  {address.name.upper():16} {address.url}" for address in addresses if address.kind == "event")
    yield Text("Queries:") if configuration.queries else Text("Queries: none in the configuration")
    yield from (f"  {address.name:16} {address.url}" for address in addresses if address.kind == "query")

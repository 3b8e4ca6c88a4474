"""`check`, `schema` and `urls`: what the configuration says, before anything runs by it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import click

from bridge.cli.bilingual import Command
from bridge.cli.language import fault_words, language, say, words
from bridge.cli.options import config_option
from bridge.config.checks.commercial import law_of
from bridge.config.commercial import COMMERCIAL
from bridge.config.load import Loaded, load
from bridge.config.model import Configuration
from bridge.infocaller.panel import panel_addresses
from bridge.texts import Plural, Text
from connectors.base import Connector, Deadline, ProbeResult

_PATIENCE = 30.0  # seconds that `--connect` gives each CRM


@click.command(cls=Command)
@config_option
@click.option("--connect", is_flag=True, help="Also sign in to every connector and try one lookup.")
@click.option("--trace", is_flag=True, help="With --connect: show each request and answer, secrets masked.")
def check(config: Path, connect: bool, trace: bool) -> int:
    """Say everything that is wrong with the configuration."""
    loaded = load(config)
    if trace and not connect:
        raise click.UsageError(words(Text("--trace goes with --connect: without it no CRM is asked")))
    for warning in loaded.warnings:
        say(Text("warning: {warning}", warning=fault_words(warning)), err=True)
    playable = _playable(loaded)
    contents = ", ".join(map(words, _contents(loaded.configuration)))
    if playable:
        say(Text("{file}: good: {contents}", file=config, contents=contents))
    else:
        click.echo(f"{config}: {contents}")
    for text in _laws(loaded.configuration):
        say(text)
    connected = not connect or _connect(loaded, trace)
    return 0 if playable and connected else 1


def _playable(loaded: Loaded) -> bool:
    """Whether each file of kept answers can be played; the server does without them, so they are no faults to it."""
    good = True
    replayed = [
        (number, case.replay) for number, case in enumerate(loaded.configuration.tests) if case.replay is not None
    ]
    if replayed:
        from connectors.http.cassette_file import Answers, CassetteFault  # noqa: PLC0415 - a tenth of a second
    for number, replay in replayed:
        try:
            Answers.read(loaded.folder / replay)
        except CassetteFault as fault:
            good = False
            click.echo(f"{loaded.path}: tests[{number}].replay: {words(str(fault))}", err=True)
    return good


def _contents(configuration: Configuration) -> Iterator[Text]:
    yield Plural("{count:,} line", "{count:,} lines", len(configuration.lines))
    yield Plural("{count:,} connector", "{count:,} connectors", len(configuration.connectors))
    yield Plural("{count:,} Query", "{count:,} Queries", len(configuration.queries))
    yield Plural("{count:,} activity rule", "{count:,} activity rules", len(configuration.activities))
    yield Plural("{count:,} source of callbacks", "{count:,} sources of callbacks", len(configuration.callbacks))
    yield Plural("{count:,} test", "{count:,} tests", len(configuration.tests))


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
        say(Text("ok   {connector}: there is nothing to try: it looks nothing up", connector=name))
    return good


def _line(connector: str, finding: ProbeResult) -> str:
    verdict = words(Text("ok  ") if finding.ok else Text("FAIL"))
    return f"{verdict} {connector}: {words(finding.what)}: {words(finding.text)}"


@click.command(cls=Command)
@config_option
def schema(config: Path) -> None:  # noqa: ARG001 - every command takes --config, so that scripts need no exception
    """Print the configuration's JSON Schema, for editors; it is the same for every configuration, in your language."""
    from bridge.config.schema import json_schema  # noqa: PLC0415 - only this command needs it

    click.echo(json.dumps(json_schema(language()), indent=2, ensure_ascii=False))


@click.command(cls=Command)
@config_option
@click.option("--base", required=True, metavar="URL", help="Where the platform reaches the bridge, https://…")
def urls(config: Path, base: str) -> None:
    """Print the URLs to paste into the platform's panel (section API of the line's start tab)."""
    configuration = load(config).configuration
    for text in panel_urls(configuration, base):
        say(text)
    if not base.startswith("https://"):
        say(Text("warning: without https:// anyone on the way can read the calls"), err=True)


def panel_urls(configuration: Configuration, base: str) -> Iterator[Text | str]:
    """Yield the URLs to paste into the platform's panel, a line each below their headings."""
    keys = configuration.server.url_key
    addresses = list(panel_addresses(base, keys[0].get_secret_value() if keys else "", configuration.queries))
    yield Text("Events (INICIO, DESVIO CORRECTO, DESVIO FALLIDO, FIN):")
    yield from (f"  {address.name.upper():16} {address.url}" for address in addresses if address.kind == "event")
    yield Text("Queries:") if configuration.queries else Text("Queries: none in the configuration")
    yield from (f"  {address.name:16} {address.url}" for address in addresses if address.kind == "query")

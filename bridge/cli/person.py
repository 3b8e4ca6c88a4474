"""`person` and `forget`: what is kept of a phone number's owner, and having it gone."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

import click

from bridge.cli.bilingual import Command
from bridge.cli.commands import show_json
from bridge.cli.language import say, words
from bridge.cli.options import Group, config_option, json_option
from bridge.cli.stored import Stored, number, spool, stored
from bridge.store import privacy
from bridge.store.privacy import Erased
from bridge.texts import Text, said
from connectors.base import ConnectorError
from connectors.phone import Phone


@click.group(cls=Group)
def person() -> None:
    """What the bridge keeps of a phone number's owner."""


@person.command()
@click.argument("phone", metavar="NUMBER")
@config_option
def export(phone: str, config: Path) -> None:
    """Print everything that is stored about a number (in any spelling), as JSON: database and spool."""
    with stored(config, strict=True) as store, spool(store) as spooled:
        whose = number(phone, store.configuration)
        sections = privacy.person(store.database, whose.e164, spooled)
    exported = {"number": whose.e164, "exported_at": datetime.now(UTC).isoformat(timespec="seconds"), **sections}
    show_json(exported)


@click.command(cls=Command)
@click.argument("phone", metavar="NUMBER")
@config_option
@json_option
def forget(phone: str, config: Path, as_json: bool) -> int:
    """Erase a person's data (the number in any spelling): from the database, the spool, and the files that connectors
    write; what waits for a CRM is cancelled. Says what is left elsewhere. Exit 1: something could not be erased."""
    with stored(config, strict=True) as store:
        whose = number(phone, store.configuration)
        with spool(store) as spooled:
            erased = privacy.forget(store.database, whose.e164, spooled)
        # after the database: what was still to be written to the files is cancelled by then
        outcomes = dict(_from_files(store, whose))
        left = list(_left(store, erased, outcomes))
    failed = {name: outcome for name, outcome in outcomes.items() if isinstance(outcome, str)}
    if as_json:
        report = {
            "number": whose.e164,
            "erased": {
                **asdict(erased),
                "files": {name: rows for name, rows in outcomes.items() if isinstance(rows, int)},
            },
            "failed": failed,
            "left": [words(text) for text in left],
        }
        show_json(report)
    else:
        say(_erased(whose, erased, outcomes))
        say(Text("Left elsewhere, for you to see to:"))
        for text in left:
            click.echo(f"  {words(text)}")
    for name, reason in failed.items():
        say(Text("error: {name}: {reason}; mend that, and run this again", name=name, reason=said(reason)), err=True)
    return 1 if failed else 0


def _from_files(store: Stored, whose: Phone) -> Iterator[tuple[str, int | str | None]]:
    """By connector: how many rows went, None where it keeps nothing here, or why it could not."""
    from bridge.service.composition import Service  # noqa: PLC0415 - the other commands open no connector

    if not store.configuration.connectors:
        return
    service = Service.open(store.loaded)
    try:
        for name in store.configuration.connectors:
            try:
                yield name, service.sources[name].connector.forget(whose)
            except ConnectorError as error:
                yield name, str(error)
    finally:
        service.close()


def _erased(whose: Phone, erased: Erased, outcomes: dict[str, int | str | None]) -> Text:
    rows = (
        (Text("calls"), erased.calls),
        (Text("events"), erased.events),
        (Text("Queries"), erased.queries),
        (Text("activities and records, done or on their way"), erased.deliveries),
        (Text("callbacks (those that waited are cancelled)"), erased.callbacks),
        (Text("kept in the spool"), erased.spooled),
        (Text("checks against exclusion lists"), erased.exclusions),
        (Text("evidence of calls that were not commercial"), erased.evidence),
        *(
            (Text("rows in the files of {name}", name=name), rows)
            for name, rows in outcomes.items()
            if isinstance(rows, int)
        ),
    )
    counts = [f"{words(what)}: {count}" for what, count in rows if count]
    if counts:
        return Text("Erased of {number}: {counts}", number=whose.e164, counts="; ".join(counts))
    return Text("Nothing was stored about {number}", number=whose.e164)


def _left(store: Stored, erased: Erased, outcomes: dict[str, int | str | None]) -> Iterator[Text]:
    for name, outcome in outcomes.items():
        kind = store.configuration.connectors[name].type
        if outcome is None:
            yield Text(
                "{name} ({kind}): contacts, and what was logged there before: erase it in that system",
                name=name, kind=kind,
            )  # fmt: skip
        elif isinstance(outcome, int):
            yield Text(
                "{name} ({kind}): rows that people wrote themselves, such as the address book and do-not-call lists",
                name=name, kind=kind,
            )  # fmt: skip
    for file in sorted({case.replay for case in store.configuration.tests if case.replay is not None}):
        yield Text("{file}: the CRMs' answers that a test plays: delete it, or write another number into it", file=file)
    if erased.opposed:
        yield Text(
            "that this number opposes commercial calls: the number is gone, a keyed hash of it keeps it from being "
            "called (`oppositions list --number`)"
        )
    if erased.blocked:
        yield Text(
            "evidence of commercial calls ({count:,}), until their time is over (commercial: evidence:): the law may "
            "demand it; nothing but `evidence` and `person export` shows it",
            count=erased.blocked,
        )
    if not erased.scrubbed:
        yield Text(
            "the database's file: a reader held it; the erased bytes are overwritten when it is checkpointed next"
        )
    if store.database.postgresql:
        yield Text("spools of other machines, while the database is away from them: run this there as well")
        yield Text("PostgreSQL's own files until it has vacuumed them, its log of changes and its replicas")
    yield Text("backups and exports of yours; a backup that is restored needs this again")
    yield Text("logs: they hold the last three digits of numbers, no more")

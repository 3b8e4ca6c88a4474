"""`person` and `forget`: what is kept of a phone number's owner, and having it gone."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

import click

from bridge.cli.commands import show_json
from bridge.cli.options import Group, config_option, json_option
from bridge.cli.stored import Stored, number, spool, stored
from bridge.store import privacy
from bridge.store.privacy import Erased
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


@click.command()
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
            "left": left,
        }
        show_json(report)
    else:
        for text in (*_erased(whose, erased, outcomes), "Left elsewhere, for you to see to:"):
            click.echo(text)
        for text in left:
            click.echo(f"  {text}")
    for name, reason in failed.items():
        click.echo(f"error: {name}: {reason}; mend that, and run this again", err=True)
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


def _erased(whose: Phone, erased: Erased, outcomes: dict[str, int | str | None]) -> Iterator[str]:
    rows = {
        "calls": erased.calls,
        "events": erased.events,
        "Queries": erased.queries,
        "activities and records, done or on their way": erased.deliveries,
        "callbacks (those that waited are cancelled)": erased.callbacks,
        "kept in the spool": erased.spooled,
        "checks against exclusion lists": erased.exclusions,
        "evidence of calls that were not commercial": erased.evidence,
        **{f"rows in the files of {name}": rows for name, rows in outcomes.items() if isinstance(rows, int)},
    }
    counts = [f"{what}: {count}" for what, count in rows.items() if count]
    yield f"Erased of {whose.e164}: {'; '.join(counts)}" if counts else f"Nothing was stored about {whose.e164}"


def _left(store: Stored, erased: Erased, outcomes: dict[str, int | str | None]) -> Iterator[str]:
    for name, outcome in outcomes.items():
        kind = store.configuration.connectors[name].type
        if outcome is None:
            yield f"{name} ({kind}): contacts, and what was logged there before: erase it in that system"
        elif isinstance(outcome, int):
            yield f"{name} ({kind}): rows that people wrote themselves, such as the address book and do-not-call lists"
    for file in sorted({case.replay for case in store.configuration.tests if case.replay is not None}):
        yield f"{file}: the CRMs' answers that a test plays: delete it, or write another number into it"
    if erased.opposed:
        yield (
            "that this number opposes commercial calls: the number is gone, a keyed hash of it keeps it from being "
            "called (`oppositions list --number`)"
        )
    if erased.blocked:
        yield (
            f"evidence of commercial calls ({erased.blocked}), until their time is over (commercial: evidence:): the "
            "law may demand it; nothing but `evidence` and `person export` shows it"
        )
    if not erased.scrubbed:
        yield "the database's file: a reader held it; the erased bytes are overwritten when it is checkpointed next"
    if store.database.postgresql:
        yield "spools of other machines, while the database is away from them: run this there as well"
        yield "PostgreSQL's own files until it has vacuumed them, its log of changes and its replicas"
    yield "backups and exports of yours; a backup that is restored needs this again"
    yield "logs: they hold the last three digits of numbers, no more"

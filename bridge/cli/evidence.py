"""`evidence`: what allowed each call that went out, and whether nobody changed that."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import click

from bridge.cli.commands import show_json, show_list
from bridge.cli.desk import iso
from bridge.cli.language import say, words
from bridge.cli.options import Group, config_option, json_option
from bridge.cli.output import writing
from bridge.cli.stored import LineMoment, local, number, stored, within
from bridge.config.model import Line
from bridge.store import evidence as kept
from bridge.store.evidence import ChainFault, ChainHead, EvidenceRow, Verified
from bridge.texts import Plural, Text
from connectors.csv.output import cell

_COLUMNS = ("at", "number", "customer", "line", "source", "purpose", "basis", "consent_date", "proof", "business",
            "gates", "lists", "rules", "callback", "emission", "sent", "installation", "row")  # fmt: skip
_SHOWN_FAULTS = 20
_HEAD = (
    Text("AT"), Text("PURPOSE"), Text("BASIS"), Text("OF"), Text("PROOF"), Text("RULES"), Text("LISTS"), Text("GATES"),
)  # fmt: skip


class _Evidence(Group):
    """`evidence NUMBER` is `evidence show NUMBER`."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Whatever does not begin with a word of ours is about a number."""
        return super().resolve_command(ctx, args if args[0] in self.commands else ["show", *args])


@click.group(cls=_Evidence, context_settings={"ignore_unknown_options": True})
def evidence() -> None:
    """What allowed the calls that went out: `evidence NUMBER`.

    It is written before a call is sent, of sources with purpose:, and kept as long as commercial: evidence: says.
    """


@evidence.command()
@click.argument("phone", metavar="NUMBER")
@config_option
@json_option
def show(phone: str, config: Path, as_json: bool) -> None:
    """Show it for each call to a number, in any spelling, the newest last."""
    with stored(config) as store:
        whose, line = number(phone, store.configuration), store.configuration.lines[0]
        with store.database.read() as connection:
            rows = [row for row in kept.of_number(connection, whose.e164) if row.grounds is not None]
    show_list(
        rows, as_json, _brief, _HEAD,
        lambda row: _cells(row, line), nothing=Text("there is no evidence of calls to this number"),
    )  # fmt: skip


def _cells(row: EvidenceRow, line: Line) -> tuple[object, ...]:
    brief = _brief(row)
    lists = ", ".join(f"{name} {value}" for name, value in brief["lists"].items() if value is not None)
    return (
        local(row.at, line), row.purpose, brief["basis"] or "-", brief["consent_date"] or "-", brief["proof"] or "-",
        brief["rules"] or "-", lists or "-", ", ".join(brief["gates"]),
    )  # fmt: skip


def _brief(row: EvidenceRow) -> dict[str, Any]:
    grounds = row.grounds
    common: dict[str, Any] = {
        "at": iso(row.at),
        "purpose": row.purpose,
        "sent": not row.annulled,
        "installation": row.installation,
        "row": row.seq,
    }
    if grounds is None:
        return common
    return {
        "number": grounds.number,
        **common,
        "customer": grounds.customer,
        "line": grounds.line,
        "source": grounds.source,
        "basis": grounds.basis,
        "consent_date": grounds.consent_date or None,
        "proof": grounds.consent_proof,
        "business": grounds.business,
        "gates": list(grounds.gates),
        "lists": dict(grounds.lists),
        "rules": grounds.rules,
        "callback": grounds.callback,
        "emission": grounds.emission,
    }


@evidence.command()
@click.option("--from", "since", type=LineMoment(), help="From this date on, on the line's clock.")
@click.option("--to", "until", type=LineMoment(end=True), help="Up to the end of this date.")
@click.option("-o", "--output", type=click.Path(dir_okay=False, path_type=Path), help="The file; default: printed.")
@config_option
def export(since: datetime | None, until: datetime | None, output: Path | None, config: Path) -> None:
    """Write all of it as CSV, the first call first; also those that were not sent in the end."""
    with stored(config) as store:
        line = store.configuration.lines[0]
        rows = kept.each(store.database, within(since, line), within(until, line))
        with writing(output, private=True) as file:
            _write(rows, file)


def _write(rows: Iterable[EvidenceRow], file: Any) -> None:
    writer = csv.writer(file)
    writer.writerow(_COLUMNS)
    for row in rows:
        brief = _brief(row)
        writer.writerow([cell(_flat(brief.get(name))) for name in _COLUMNS])


def _flat(value: object) -> object:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return " ".join(value)
    return json.dumps(value, ensure_ascii=False) if isinstance(value, dict) else value


class _Head(click.ParamType):  # type: ignore[type-arg]  # generic in the newest click alone
    name = "HEAD"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> ChainHead:
        try:
            return ChainHead.parse(value)
        except ValueError:
            self.fail(words(Text("{value}: write it as `evidence verify` printed it", value=repr(value))), param, ctx)


@evidence.command()
@click.option(
    "--head", "heads", multiple=True, type=_Head(), help="A head that was noted before; may be given several times."
)
@config_option
@json_option
def verify(heads: tuple[ChainHead, ...], config: Path, as_json: bool) -> int:
    """Check that no row was changed, removed or moved, and print the head of each chain. Exit 1: one was.

    Note the heads down somewhere else: they show even that a whole chain was made anew.
    """
    with stored(config) as store:
        chains = kept.verify(store.database, heads)
        line = store.configuration.lines[0]
    good = not any(chain.faults for chain in chains)
    if as_json:
        show_json({"good": good, "chains": [_chain(chain) for chain in chains]})
    else:
        for chain in chains:
            for text in _said(chain, line):
                say(text)
        if not chains:
            say(Text("there is no evidence yet"))
    return 0 if good else 1


def _chain(chain: Verified) -> Mapping[str, Any]:
    return {
        "installation": chain.installation,
        "head": str(chain.head),
        "rows": chain.rows,
        "first": chain.first,
        "purged_until": iso(chain.purged_until),
        "erased": chain.erased,
        "faults": [{"what": fault.what, "row": fault.seq, "until": fault.until or fault.seq} for fault in chain.faults],
    }


def _said(chain: Verified, line: Line) -> list[Text]:
    texts: list[Text] = [
        Plural(
            "{installation}: {count:,} row",
            "{installation}: {count:,} rows",
            chain.rows,
            installation=chain.installation,
        )
    ]
    if chain.purged_until is not None:
        texts.append(
            Text("  rows before {first}, until {moment}, are gone: their time was over",
                 first=str(chain.first), moment=local(chain.purged_until, line))
        )  # fmt: skip
    if chain.erased:
        texts.append(
            Plural(
                "  {count:,} row is of somebody who was forgotten",
                "  {count:,} rows are of people who were forgotten",
                chain.erased,
            )
        )  # fmt: skip
    texts += [Text("  fault: {what}", what=_fault(fault)) for fault in chain.faults[:_SHOWN_FAULTS]]
    more = len(chain.faults) - _SHOWN_FAULTS
    if more > 0:
        texts.append(Plural("  and {count:,} more fault", "  and {count:,} more faults", more))
    if not chain.faults:
        texts.append(Text("  nothing was changed, removed or moved"))
    texts.append(Text("  head: {head}", head=str(chain.head)))
    return texts


def _fault(fault: ChainFault) -> Text:
    row = str(fault.seq)
    if fault.what == "missing" and fault.until != fault.seq:
        return Text("rows {row} to {until} are missing", row=row, until=str(fault.until))
    return {
        "missing": Text("row {row} is missing", row=row),
        "changed": Text("row {row} was changed", row=row),
        "surplus": Text("row {row} does not belong there", row=row),
        "erased": Text("row {row} was emptied, though it is of a commercial call", row=row),
        "moved": Text("row {row} is not the one whose hash was noted", row=row),
    }[fault.what]

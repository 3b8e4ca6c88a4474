"""`callbacks`: the tasks that become calls: how each goes, settling what nobody can know, cancelling, pausing."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path

import click

from bridge.callbacks import Callback, CallbackFilter, CallbackService, Shown
from bridge.cli.desk import advice, asking, brief, iso, standing, when
from bridge.cli.options import Group, config_option
from bridge.cli.stored import Stored, local, number, stored, table
from bridge.config.model import Line
from bridge.store.callbacks import CallbackState, each

_SHOWN, _AT_ONCE = 100, 500


@click.group(cls=Group)
def callbacks() -> None:
    """The callbacks: tasks that become calls, and how that goes."""


@callbacks.command("list")
@config_option
@click.option("--state", type=click.Choice([state.value for state in CallbackState]), help="Only in this state.")
@click.option("--unsettled", is_flag=True, help="Only those that may have rung and wait for you to say.")
@click.option("--source", default="", help="Only of this source.")
@click.option("--line", default="", help="Only of this line.")
@click.option("--number", "phone", default="", help="Only those that ring, or are about, this number.")
@click.option("--task", default="", metavar="ID", help="Only for the task with this id.")
@click.option("--limit", type=click.IntRange(1), help=f"At most so many. [default: {_SHOWN}; all with --json]")
@click.option("--json", "as_json", is_flag=True, help="For scripts.")
def list_(  # noqa: PLR0913 - the options of a command
    *,
    config: Path,
    state: str | None,
    unsettled: bool,
    source: str,
    line: str,
    phone: str,
    task: str,
    limit: int | None,
    as_json: bool,
) -> None:
    """List callbacks, newest first."""
    with stored(config) as store:
        wanted = CallbackFilter(
            states=frozenset({CallbackState(state)}) if state else frozenset(),
            source=source,
            line=line,
            e164=number(phone, store.configuration).e164 if phone else "",
            task_id=task,
            unsettled=unsettled,
        )
        if as_json:
            _as_json(store, wanted, limit)
            return
    with asking(config) as ask:
        most = limit or _SHOWN
        found = ask.callbacks.find(wanted, most + 1)
        still: dict[tuple[str, str], str] = {
            (one.kind, one.name): one.stands for one in [*ask.callbacks.lines(), *ask.callbacks.sources()]
        }
        rows = [
            (one.id, one.state.value, one.source, one.number, when(one, ask.store.line(one.line)), _why(one, still))
            for one in found[:most]
        ]
    if not rows:
        click.echo("there are none")
        return
    for text in table(("ID", "STATE", "SOURCE", "NUMBER", "WHEN", "REASON"), rows):
        click.echo(text)
    if len(found) > most:
        click.echo(f"… and more: --limit {most * 10}, or --json for all", err=True)


def _why(one: Callback, still: Mapping[tuple[str, str], str]) -> str:
    """What keeps it back, or what it came to; `still`: the lines and sources that do not run, and why."""
    if one.state is not CallbackState.WAITING:
        return one.reason
    return one.reason or still.get(("line", one.line)) or still.get(("source", one.source)) or ""


def _as_json(store: Stored, wanted: CallbackFilter, limit: int | None) -> None:
    """All of them, piece by piece: a campaign may be large."""
    told, after = 0, 0
    click.echo("[", nl=False)
    while limit is None or told < limit:
        with store.database.read() as connection:
            found = each(connection, wanted, after, min(_AT_ONCE, limit - told if limit is not None else _AT_ONCE))
        for one in found:
            click.echo(f"{',' if told else ''}\n  {json.dumps(brief(one), ensure_ascii=False)}", nl=False)
            told += 1
        if not found:
            break
        after = found[-1].id
    click.echo("\n]" if told else "]")


@callbacks.command()
@click.argument("id_", metavar="ID", type=int)
@config_option
@click.option("--json", "as_json", is_flag=True, help="For scripts.")
def show(id_: int, config: Path, as_json: bool) -> int:
    """Say all about a callback: how it stands and why, what the platform said, what its CRM was told."""
    with asking(config) as ask:
        shown = ask.callbacks.show(id_)
        if shown is None:
            return _unknown(id_)
        if as_json:
            click.echo(json.dumps(_whole(shown), ensure_ascii=False, indent=2))
            return 0
        for text in _story(shown, ask.store.line(shown.callback.line)):
            click.echo(text)
    return 0


def _whole(shown: Shown) -> dict[str, object]:
    reports = [
        {"status": report.payload["outcome"]["status"], "state": report.state.value, "job": report.id,
         "error": report.error}
        for report in shown.reports
    ]  # fmt: skip
    one = shown.callback
    more = {"created_at": iso(one.created_at), "expires_at": iso(one.expires_at), "answer": one.answer}
    kept = [{"gate": kept.gate, "until": iso(kept.until), "text": kept.text} for kept in shown.kept_back]
    return brief(one) | more | {
        "fields": dict(one.task), "request": one.request, "reports": reports, "kept_back": kept,
    }  # fmt: skip


def _story(shown: Shown, line: Line) -> Iterator[str]:
    one = shown.callback
    yield f"callback {one.id}: {one.state.value}{f', {one.reason}' if one.reason else ''}"
    about = f", about {one.customer}" if one.customer != one.number else ""
    yield f"  task {one.task_id} of {one.source}, to {one.number or 'nobody'} by line {one.line}{about}"
    moments = {
        "asked for": one.created_at,
        "not before": one.due,
        "rung": one.rung_at,
        "expires": one.expires_at if one.settled_at is None else None,
        "settled": one.settled_at,
    }
    yield "  " + ", ".join(f"{name} {local(moment, line)}" for name, moment in moments.items() if moment is not None)
    for kept in shown.kept_back:
        by = f" by {kept.gate}" if kept.gate else ""
        until = f" until {local(kept.until, line)}" if kept.until is not None else ""
        yield f"  kept back{by}{until}: {kept.text}"
    if one.answer or one.idcall:
        lasted = f", {one.seconds} s" if one.seconds is not None else ""
        yield f"  the platform: {one.answer or 'no answer'}{f', idcall {one.idcall}' if one.idcall else ''}{lasted}"
    for report in shown.reports:
        said = report.payload["outcome"]
        failed = f": {report.error} (infocaller-bridge jobs show {report.id})" if report.error else ""
        yield f"  {report.connector} is told {said['status']}: {report.state.value}{failed}"
    if what := advice(one):
        yield f"  {what}"


@callbacks.command()
@click.argument("id_", metavar="ID", type=int)
@click.option("--rang", type=click.Choice(["yes", "no"]), required=True, help="Whether the phone rang.")
@config_option
def confirm(id_: int, rang: str, config: Path) -> int:
    """Settle a callback that may have rung: yes, and it counts as called; no, and it is called."""
    with asking(config, strict=True) as ask:
        settled = ask.callbacks.confirm(id_, rang=rang == "yes")
        if settled is not None:
            click.echo(f"callback {id_} {'counts as called' if rang == 'yes' else 'is called again'}")
            return 0
        shown = ask.callbacks.show(id_)
    if shown is None:
        return _unknown(id_)
    click.echo(f"error: callback {id_} is {shown.callback.state.value}; there is nothing to confirm", err=True)
    return 1


@callbacks.command()
@click.argument("ids", metavar="[ID]...", type=int, nargs=-1)
@click.option("--source", default="", help="All of this source that wait, instead of single ones.")
@click.option("--reason", default="", help="Why; its CRM is told.")
@config_option
def cancel(ids: tuple[int, ...], source: str, reason: str, config: Path) -> int:
    """Keep callbacks that wait from being called."""
    if bool(ids) == bool(source):
        raise click.UsageError("name callbacks by their ID, or a --source")
    with asking(config) as ask:
        if source:
            _known(ask.callbacks, source)
            click.echo(f"{ask.callbacks.cancel_all(source, reason)} are not called any more")
            return 0
        good = True
        for id_ in dict.fromkeys(ids):
            good = _cancel(ask.callbacks, id_, reason) and good
    return 0 if good else 1


def _cancel(desk: CallbackService, id_: int, reason: str) -> bool:
    if desk.cancel(id_, reason):
        click.echo(f"callback {id_} is not called any more")
        return True
    shown = desk.show(id_)
    if shown is None:
        _unknown(id_)
    else:
        click.echo(f"error: it is too late, callback {id_} is {shown.callback.state.value}", err=True)
    return False


@callbacks.command()
@config_option
@click.option("--json", "as_json", is_flag=True, help="For scripts.")
def sources(config: Path, as_json: bool) -> None:
    """List the sources: whether they call, how many of their callbacks are in each state, what keeps which back."""
    with asking(config) as ask:
        counts, found = ask.callbacks.counts(), ask.callbacks.sources()
        line = ask.store.configuration.lines[0]
    if as_json:
        told = []
        for one in found:
            count = counts.get(one.name)
            by_state = {state.value: n for state, n in count.states.items()} if count else {}
            told.append(standing(one) | {"states": by_state, "gates": dict(count.gates) if count else {}})
        click.echo(json.dumps(told, ensure_ascii=False, indent=2))
        return
    for one in found:
        count = counts.get(one.name)
        states = ", ".join(f"{n} {state.value}" for state, n in count.states.items()) if count else "no callbacks"
        click.echo(f"{one.name}: {one.mode.value}{f', {one.reason}' if one.reason else ''}: {states}")
        if count and (held := {gate: n for gate, n in count.gates.items() if gate}):
            click.echo(f"  kept back: {', '.join(f'{n} by {gate}' for gate, n in held.items())}")
        if one.polled_at is not None or one.error:
            click.echo(f"  asked last {local(one.polled_at, line) or 'never'}{f': {one.error}' if one.error else ''}")


@callbacks.command()
@click.argument("source")
@config_option
@click.option("--reason", default="", help="Why, for whoever looks at it later.")
def pause(source: str, config: Path, reason: str) -> None:
    """Have nothing of a source called from now on; its tasks are kept."""
    with asking(config) as ask:
        ask.callbacks.pause_source(_known(ask.callbacks, source), reason)
    click.echo(f"nothing of {source} is called until `infocaller-bridge callbacks resume {source}`")


@callbacks.command()
@click.argument("source")
@config_option
def resume(source: str, config: Path) -> None:
    """Have the tasks of a source called again, whoever or whatever paused it."""
    with asking(config) as ask:
        ask.callbacks.resume_source(_known(ask.callbacks, source))
    click.echo(f"the tasks of {source} are called again")


def _known(desk: CallbackService, source: str) -> str:
    known = [one.name for one in desk.sources()]
    if source not in known:
        raise click.BadParameter(f"there is no source {source}; there is {', '.join(known) or 'none'}")
    return source


def _unknown(id_: int) -> int:
    click.echo(f"error: there is no callback {id_}; `infocaller-bridge callbacks list` lists them", err=True)
    return 1

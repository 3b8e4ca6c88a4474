"""`callbacks`: the tasks that become calls: how each goes, settling what nobody can know, cancelling, pausing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import click

from bridge.callbacks import Callback, CallbackFilter, CallbackService, Shown
from bridge.callbacks.missed import missed_times
from bridge.cli.commands import (
    SHOWN,
    add_pause_and_resume,
    are,
    limit_option,
    list_command,
    show_json,
    show_json_list,
    show_list,
)
from bridge.cli.desk import Asking, advice, age, asking, brief, iso, spelled, standing, when
from bridge.cli.options import Group, config_option, json_option
from bridge.cli.stored import Stored, local, number
from bridge.config.model import Line
from bridge.store.callbacks import OPEN, CallbackState, each
from bridge.store.emissions import Kind
from bridge.texts import Language

_AT_ONCE = 500


@click.group(cls=Group)
def callbacks() -> None:
    """The callbacks: tasks that become calls, and how that goes."""


@list_command(callbacks)
@config_option
@click.option("--state", type=click.Choice([state.value for state in CallbackState]), help="Only in this state.")
@click.option("--unsettled", is_flag=True, help="Only those that may have rung and wait for you to say.")
@click.option("--source", default="", help="Only of this source.")
@click.option("--line", default="", help="Only of this line.")
@click.option("--number", "phone", default="", help="Only those that ring, or are about, this number.")
@click.option("--task", default="", metavar="ID", help="Only for the task with this id.")
@limit_option
@json_option
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
    with asking(config) as ask:
        filter_ = CallbackFilter(
            states=frozenset({CallbackState(state)}) if state else frozenset(),
            source=source,
            line=line,
            e164=number(phone, ask.store.configuration).e164 if phone else "",
            task_id=task,
            unsettled=unsettled,
        )
        statuses = [] if as_json else [*ask.callbacks.queries.lines(), *ask.callbacks.queries.sources()]
        reasons = {(status.kind, status.name): status.blocked_reason for status in statuses}
        show_list(
            _every(ask.store, filter_) if as_json else ask.callbacks.queries.find(filter_, (limit or SHOWN) + 1),
            as_json, brief, ("ID", "STATE", "SOURCE", "NUMBER", "WHEN", "AGE", "REASON"),
            lambda callback: (
                callback.id, callback.state.value, callback.source, callback.number,
                when(callback, ask.store.line(callback.line)), spelled(age(callback)), _why(callback, reasons),
            ),
            limit=limit,
        )  # fmt: skip


def _why(callback: Callback, reasons: Mapping[tuple[Kind, str], str]) -> str:
    """What keeps it back, or what it came to; `reasons`: the lines and sources that do not run, and why."""
    times = missed_times(callback)
    about = f"{times} missed {'call' if times == 1 else 'calls'}" if times else ""
    if callback.state is not CallbackState.WAITING:
        return "; ".join(filter(None, [about, callback.reason]))
    kept = callback.reason or reasons.get(("line", callback.line)) or reasons.get(("source", callback.source)) or ""
    return "; ".join(filter(None, [about, kept]))


def _every(store: Stored, filter_: CallbackFilter) -> Iterator[Callback]:
    """All of them, oldest first, read piece by piece: a campaign may be large."""
    after: int | None = 0
    while after is not None:
        with store.database.read() as connection:
            piece = each(connection, filter_, after, _AT_ONCE)
        yield from piece
        after = piece[-1].id if piece else None


@callbacks.command()
@click.argument("id_", metavar="ID", type=int)
@config_option
@json_option
def show(id_: int, config: Path, as_json: bool) -> int:
    """Say all about a callback: how it stands and why, what the platform said, what its CRM was told."""
    with asking(config) as ask:
        shown = ask.callbacks.queries.show(id_)
        if shown is None:
            return _unknown(id_)
        if as_json:
            show_json(_whole(shown, ask.store.configuration.language))
            return 0
        for text in _story(shown, ask.store.line(shown.callback.line), ask.store.configuration.language):
            click.echo(text)
    return 0


def _whole(shown: Shown, language: Language) -> dict[str, object]:
    reports = [
        {"status": report.payload["outcome"]["status"], "state": report.state.value, "job": report.id,
         "error": report.error}
        for report in shown.reports
    ]  # fmt: skip
    callback = shown.callback
    more = {"created_at": iso(callback.created_at), "expires_at": iso(callback.expires_at), "answer": callback.answer}
    kept = [
        {"gate": kept.gate, "until": iso(kept.until), "text": kept.text.render(language)} for kept in shown.kept_back
    ]
    return brief(callback) | more | {
        "fields": dict(callback.task), "request": callback.request, "reports": reports, "kept_back": kept,
    }  # fmt: skip


def _story(shown: Shown, line: Line, language: Language) -> Iterator[str]:
    callback = shown.callback
    yield f"callback {callback.id}: {callback.state.value}{f', {callback.reason}' if callback.reason else ''}"
    about = f", about {callback.customer}" if callback.customer != callback.number else ""
    to = f"to {callback.number or 'nobody'} by line {callback.line}{about}"
    yield f"  task {callback.task_id} of {callback.source}, {to}"
    moments = {
        "asked for": callback.created_at,
        "not before": callback.due,
        "rung": callback.rung_at,
        "expires": callback.expires_at if callback.settled_at is None else None,
        "settled": callback.settled_at,
    }
    yield "  " + ", ".join(f"{name} {local(moment, line)}" for name, moment in moments.items() if moment is not None)
    for kept in shown.kept_back:
        by = f" by {kept.gate}" if kept.gate else ""
        until = f" until {local(kept.until, line)}" if kept.until is not None else ""
        yield f"  kept back{by}{until}: {kept.text.render(language)}"
    if callback.answer or callback.idcall:
        lasted = f", {callback.seconds} s" if callback.seconds is not None else ""
        idcall = f", idcall {callback.idcall}" if callback.idcall else ""
        yield f"  the platform: {callback.answer or 'no answer'}{idcall}{lasted}"
    for report in shown.reports:
        outcome = report.payload["outcome"]
        failed = f": {report.error} (infocaller-bridge jobs show {report.id})" if report.error else ""
        yield f"  {report.connector} is told {outcome['status']}: {report.state.value}{failed}"
    if what := advice(callback):
        yield f"  {what}"


@callbacks.command()
@click.argument("id_", metavar="ID", type=int)
@click.option("--rang", type=click.Choice(["yes", "no"]), required=True, help="Whether the phone rang.")
@config_option
def confirm(id_: int, rang: str, config: Path) -> int:
    """Settle a callback that may have rung: yes, and it counts as called; no, and it is called."""
    with asking(config, strict=True) as ask:
        settled = ask.callbacks.operator.confirm(id_, rang=rang == "yes")
        if settled is not None:
            click.echo(f"callback {id_} {'counts as called' if rang == 'yes' else 'is called again'}")
            return 0
        shown = ask.callbacks.queries.show(id_)
    if shown is None:
        return _unknown(id_)
    click.echo(f"error: callback {id_} is {shown.callback.state.value}; there is nothing to confirm", err=True)
    return 1


@callbacks.command()
@click.argument("ids", metavar="ID...", type=int, nargs=-1, required=True)
@config_option
def call(ids: tuple[int, ...], config: Path) -> int:
    """Have callbacks called that wait for a person (`dial: by_hand`), as soon as nothing else keeps them back."""
    good = True
    with asking(config) as ask:
        for id_ in dict.fromkeys(ids):
            good = _call(ask, id_) and good
    return 0 if good else 1


def _call(ask: Asking, id_: int) -> bool:
    callback = ask.callbacks.operator.call(id_)
    if callback is not None:
        click.echo(f"callback {id_} is called as soon as nothing keeps it back (callbacks show {id_})")
        return True
    shown = ask.callbacks.queries.show(id_)
    if shown is None:
        _unknown(id_)
        return False
    if shown.callback.state in OPEN:
        click.echo(f"callback {id_} is called already: it is {shown.callback.state.value}")
        return True
    click.echo(f"error: callback {id_} is {shown.callback.state.value}; it is not called any more", err=True)
    return False


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
            click.echo(f"{are(ask.callbacks.operator.cancel_all(source, reason))} not called any more")
            return 0
        good = True
        for id_ in dict.fromkeys(ids):
            good = _cancel(ask.callbacks, id_, reason) and good
    return 0 if good else 1


def _cancel(desk: CallbackService, id_: int, reason: str) -> bool:
    if desk.operator.cancel(id_, reason):
        click.echo(f"callback {id_} is not called any more")
        return True
    shown = desk.queries.show(id_)
    if shown is None:
        _unknown(id_)
    else:
        click.echo(f"error: it is too late, callback {id_} is {shown.callback.state.value}", err=True)
    return False


@callbacks.command()
@config_option
@json_option
def sources(config: Path, as_json: bool) -> None:
    """List the sources: whether they call, how many of their callbacks are in each state, what keeps which back."""
    with asking(config) as ask:
        counts, statuses = ask.callbacks.queries.counts(), ask.callbacks.queries.sources()
        line = ask.store.configuration.lines[0]
    if as_json:
        rows = []
        for status in statuses:
            count = counts.get(status.name)
            by_state = {state.value: n for state, n in count.states.items()} if count else {}
            rows.append(standing(status) | {"states": by_state, "gates": dict(count.gates) if count else {}})
        show_json_list(rows)
        return
    for status in statuses:
        count = counts.get(status.name)
        states = ", ".join(f"{n} {state.value}" for state, n in count.states.items()) if count else "no callbacks"
        click.echo(f"{status.name}: {status.mode.value}{f', {status.reason}' if status.reason else ''}: {states}")
        if count and (held := {gate: n for gate, n in count.gates.items() if gate}):
            click.echo(f"  kept back: {', '.join(f'{n} by {gate}' for gate, n in held.items())}")
        if status.polled_at is not None or status.error:
            click.echo(
                f"  asked last {local(status.polled_at, line) or 'never'}{f': {status.error}' if status.error else ''}"
            )


def _pause(ask: Asking, name: str, reason: str) -> str:
    """Have nothing of a source called from now on; its tasks are kept."""
    ask.callbacks.operator.pause_source(_known(ask.callbacks, name), reason)
    return f"nothing of {name} is called until `infocaller-bridge callbacks resume {name}`"


def _resume(ask: Asking, name: str) -> str:
    """Have the tasks of a source called again, whoever or whatever paused it."""
    ask.callbacks.operator.resume_source(_known(ask.callbacks, name))
    return f"the tasks of {name} are called again"


add_pause_and_resume(callbacks, "SOURCE", _pause, _resume)


def _known(desk: CallbackService, source: str) -> str:
    names = [status.name for status in desk.queries.sources()]
    if source not in names:
        raise click.BadParameter(f"there is no source {source}; there is {', '.join(names) or 'none'}")
    return source


def _unknown(id_: int) -> int:
    click.echo(f"error: there is no callback {id_}; `infocaller-bridge callbacks list` lists them", err=True)
    return 1

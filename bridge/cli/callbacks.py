"""`callbacks`: the tasks that become calls: how each goes, settling what nobody can know, cancelling, pausing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import click

from bridge.callbacks import Callback, CallbackFilter, CallbackService, Shown
from bridge.callbacks.callback_queries import KeptBack
from bridge.callbacks.missed import missed_times
from bridge.cli.codes import code
from bridge.cli.commands import (
    SHOWN,
    add_pause_and_resume,
    limit_option,
    list_command,
    show_json,
    show_json_list,
    show_list,
)
from bridge.cli.desk import Asking, advice, age, asking, brief, iso, spelled, standing, when
from bridge.cli.language import language, say, words
from bridge.cli.options import Group, config_option, json_option
from bridge.cli.stored import Stored, local, number
from bridge.config.model import Line
from bridge.store.callbacks import OPEN, CallbackState, each
from bridge.store.emissions import Kind
from bridge.texts import Language, Plural, Text, literal, said

_AT_ONCE = 500
_HEAD = (Text("ID"), Text("STATE"), Text("SOURCE"), Text("NUMBER"), Text("WHEN"), Text("AGE"), Text("REASON"))


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
            as_json, brief, _HEAD,
            lambda callback: (
                callback.id, code(callback.state.value), callback.source, callback.number,
                when(callback, ask.store.line(callback.line)), spelled(age(callback)), _why(callback, reasons),
            ),
            limit=limit,
        )  # fmt: skip


def _why(callback: Callback, reasons: Mapping[tuple[Kind, str], Text | None]) -> str:
    """What keeps it back, or what it came to; `reasons`: the lines and sources that do not run, and why."""
    times = missed_times(callback)
    about = words(Plural("{count:,} missed call", "{count:,} missed calls", times)) if times else ""
    if callback.state is not CallbackState.WAITING:
        return "; ".join(filter(None, [about, words(callback.reason)]))
    kept = callback.reason or reasons.get(("line", callback.line)) or reasons.get(("source", callback.source)) or ""
    return "; ".join(filter(None, [about, words(kept)]))


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
            show_json(_whole(shown, language()))
            return 0
        for text in _story(shown, ask.store.line(shown.callback.line)):
            click.echo(f"{'' if text.message.startswith('callback ') else '  '}{words(text)}")
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


def _story(shown: Shown, line: Line) -> Iterator[Text]:
    callback = shown.callback
    state = Text("callback {id}: {state}", id=str(callback.id), state=code(callback.state.value))
    yield Text("callback {id}: {state}, {reason}", id=str(callback.id), state=code(callback.state.value),
               reason=said(callback.reason)) if callback.reason else state  # fmt: skip
    to = Text("to {number} by line {line}", number=callback.number or Text("nobody"), line=callback.line)
    if callback.customer != callback.number:
        to = Text("{to}, about {customer}", to=to, customer=callback.customer)
    yield Text("task {task} of {source}, {to}", task=callback.task_id, source=callback.source, to=to)
    moments = {
        Text("asked for"): callback.created_at,
        Text("not before"): callback.due,
        Text("rung"): callback.rung_at,
        Text("expires"): callback.expires_at if callback.settled_at is None else None,
        Text("settled"): callback.settled_at,
    }
    shown_moments = [f"{words(name)} {local(moment, line)}" for name, moment in moments.items() if moment is not None]
    yield literal(", ".join(shown_moments))
    for kept in shown.kept_back:
        yield _kept(kept, line)
    if callback.answer or callback.idcall:
        answer = Text("the platform: {answer}", answer=callback.answer or Text("no answer"))
        lasted = f", {callback.seconds} s" if callback.seconds is not None else ""
        idcall = f", idcall {callback.idcall}" if callback.idcall else ""
        yield literal(words(answer) + idcall + lasted)
    for report in shown.reports:
        outcome = report.payload["outcome"]
        report_text = Text(
            "{connector} is told {status}: {state}",
            connector=report.connector, status=code(outcome["status"]), state=code(report.state.value),
        )  # fmt: skip
        failed = f": {words(report.error)} (infocaller-bridge jobs show {report.id})" if report.error else ""
        yield literal(words(report_text) + failed)
    if (what := advice(callback)) is not None:
        yield what


def _kept(kept: KeptBack, line: Line) -> Text:
    if kept.until is not None and kept.gate:
        return Text("kept back by {gate} until {when}: {reason}", gate=code(kept.gate), when=local(kept.until, line),
                    reason=kept.text)  # fmt: skip
    if kept.gate:
        return Text("kept back by {gate}: {reason}", gate=code(kept.gate), reason=kept.text)
    if kept.until is not None:
        return Text("kept back until {when}: {reason}", when=local(kept.until, line), reason=kept.text)
    return Text("kept back: {reason}", reason=kept.text)


@callbacks.command()
@click.argument("id_", metavar="ID", type=int)
@click.option("--rang", type=click.Choice(["yes", "no"]), required=True, help="Whether the phone rang.")
@config_option
def confirm(id_: int, rang: str, config: Path) -> int:
    """Settle a callback that may have rung: yes, and it counts as called; no, and it is called."""
    with asking(config, strict=True) as ask:
        settled = ask.callbacks.operator.confirm(id_, rang=rang == "yes")
        if settled is not None:
            done = (
                Text("callback {id} counts as called", id=str(id_))
                if rang == "yes"
                else Text("callback {id} is called again", id=str(id_))
            )
            say(done)
            return 0
        shown = ask.callbacks.queries.show(id_)
    if shown is None:
        return _unknown(id_)
    state = code(shown.callback.state.value)
    say(Text("error: callback {id} is {state}; there is nothing to confirm", id=str(id_), state=state), err=True)
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
        say(Text("callback {id} is called as soon as nothing keeps it back (callbacks show {id})", id=str(id_)))
        return True
    shown = ask.callbacks.queries.show(id_)
    if shown is None:
        _unknown(id_)
        return False
    state = code(shown.callback.state.value)
    if shown.callback.state in OPEN:
        say(Text("callback {id} is called already: it is {state}", id=str(id_), state=state))
        return True
    say(Text("error: callback {id} is {state}; it is not called any more", id=str(id_), state=state), err=True)
    return False


@callbacks.command()
@click.argument("ids", metavar="[ID]...", type=int, nargs=-1)
@click.option("--source", default="", help="All of this source that wait, instead of single ones.")
@click.option("--reason", default="", help="Why; its CRM is told.")
@config_option
def cancel(ids: tuple[int, ...], source: str, reason: str, config: Path) -> int:
    """Keep callbacks that wait from being called."""
    if bool(ids) == bool(source):
        raise click.UsageError(words(Text("name callbacks by their ID, or a --source")))
    with asking(config) as ask:
        if source:
            _known(ask.callbacks, source)
            ended = ask.callbacks.operator.cancel_all(source, reason)
            say(Plural("{count:,} is not called any more", "{count:,} are not called any more", ended))
            return 0
        good = True
        for id_ in dict.fromkeys(ids):
            good = _cancel(ask.callbacks, id_, reason) and good
    return 0 if good else 1


def _cancel(desk: CallbackService, id_: int, reason: str) -> bool:
    if desk.operator.cancel(id_, reason):
        say(Text("callback {id} is not called any more", id=str(id_)))
        return True
    shown = desk.queries.show(id_)
    if shown is None:
        _unknown(id_)
    else:
        state = code(shown.callback.state.value)
        say(Text("error: it is too late, callback {id} is {state}", id=str(id_), state=state), err=True)
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
        states = words(Text("no callbacks"))
        if count:
            states = ", ".join(f"{n} {code(state.value)}" for state, n in count.states.items())
        reason = f", {words(status.reason)}" if status.reason else ""
        click.echo(f"{status.name}: {code(status.mode.value)}{reason}: {states}")
        if count and (held := {gate: n for gate, n in count.gates.items() if gate}):
            kept = ", ".join(words(Text("{count:,} by {gate}", count=n, gate=code(gate))) for gate, n in held.items())
            say(Text("  kept back: {counts}", counts=kept))
        if status.polled_at is not None or status.error:
            asked: Text = Text("  asked last {when}", when=local(status.polled_at, line) or Text("never"))
            click.echo(words(asked) + (f": {words(status.error)}" if status.error else ""))


def _pause(ask: Asking, name: str, reason: str) -> Text:
    """Have nothing of a source called from now on; its tasks are kept."""
    ask.callbacks.operator.pause_source(_known(ask.callbacks, name), reason)
    return Text("nothing of {source} is called until `infocaller-bridge callbacks resume {source}`", source=name)


def _resume(ask: Asking, name: str) -> Text:
    """Have the tasks of a source called again, whoever or whatever paused it."""
    ask.callbacks.operator.resume_source(_known(ask.callbacks, name))
    return Text("the tasks of {source} are called again", source=name)


add_pause_and_resume(callbacks, "SOURCE", _pause, _resume)


def _known(desk: CallbackService, source: str) -> str:
    names = [status.name for status in desk.queries.sources()]
    if source not in names:
        there = literal(", ".join(names)) if names else Text("none")
        raise click.BadParameter(
            words(Text("there is no source {source}; there is {names}", source=source, names=there))
        )
    return source


def _unknown(id_: int) -> int:
    say(Text("error: there is no callback {id}; `infocaller-bridge callbacks list` lists them", id=str(id_)), err=True)
    return 1

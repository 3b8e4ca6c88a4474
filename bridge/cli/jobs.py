"""`jobs`: the background work that is not done: what waits, what failed and why, and what to do about it."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from bridge.cli.codes import code
from bridge.cli.commands import limit_option, list_command, show_json, show_list
from bridge.cli.jobtext import brief, story, whole
from bridge.cli.language import say, words
from bridge.cli.options import Group, config_option, json_option
from bridge.cli.stored import Stored, local, stored
from bridge.delivery import operator
from bridge.delivery.words import state
from bridge.queue import queue_for
from bridge.queue.base import Queue
from bridge.store import deliveries
from bridge.store.deliveries import Delivery, DeliveryFilter, State
from bridge.store.folded import FoldedCall
from bridge.texts import Plural, Text

_STATES = ("pending", "running", "failed", "dead")
_HEAD = (
    Text("ID"), Text("STATE"), Text("KIND"), Text("CONNECTOR"), Text("ATTEMPTS"), Text("NEXT"), Text("KEY"),
    Text("ERROR"),
)  # fmt: skip
_AT_ONCE = 200
_LONG = 50
"""From how many jobs on the progress is shown."""


@click.group(cls=Group)
def jobs() -> None:
    """The background work that is not done: pending, failed (tried again) and dead (for you to decide)."""


def _filters(function: Callable[..., Any]) -> Callable[..., Any]:
    function = click.option("--connector", default="", metavar="NAME", help="Only for this connector.")(function)
    return click.option("--kind", default="", metavar="KIND", help="Only of this kind: activity, save.")(function)


@list_command(jobs)
@config_option
@click.option("--state", "only", type=click.Choice(_STATES), help="Only in this state.")
@_filters
@limit_option
@json_option
def list_(config: Path, only: str | None, kind: str, connector: str, limit: int | None, as_json: bool) -> None:
    """List what is not done, oldest first. What is done is not listed."""
    with stored(config) as store:
        jobs = _every(store, operator.selection(only or "open", kind, connector))
        line = store.configuration.lines[0]
        listed = show_list(
            jobs, as_json, brief, _HEAD,
            lambda job: (
                job.id, code(state(job)), code(job.kind), job.connector, job.attempts, local(job.next_at, line),
                job.key, words(job.error),
            ),
            limit=limit, nothing=Text("nothing is waiting, and nothing has failed"),
        )  # fmt: skip
    if listed:
        say(Text("`infocaller-bridge jobs show ID` says why, and what to do"), err=True)


@jobs.command()
@click.argument("id_", metavar="ID", type=int)
@config_option
@json_option
def show(id_: int, config: Path, as_json: bool) -> int:
    """Say all about a job: why it failed, when it is tried next, and what to do."""
    with stored(config) as store:
        with store.database.read() as connection:
            job = deliveries.get(connection, id_)
            tries = deliveries.attempts_of(connection, id_)
        if job is None:
            return _unknown(id_)
        if as_json:
            show_json(whole(job, tries))
            return 0
        line = store.line(FoldedCall.from_json(job.payload.get("call", {})).line)
        for text in story(job, tries, line, datetime.now(UTC)):
            click.echo(text)
    return 0


@jobs.command()
@click.argument("ids", metavar="[ID]...", type=int, nargs=-1)
@config_option
@click.option("--all", "everything", is_flag=True, help="All that failed or are dead, instead of single ones.")
@_filters
def retry(ids: tuple[int, ...], config: Path, everything: bool, kind: str, connector: str) -> int:
    """Try jobs again now, with 72 hours ahead of them anew."""
    if bool(ids) == everything:
        raise click.UsageError(words(Text("name jobs by their ID, or write --all")))
    if ids and (kind or connector):
        raise click.UsageError(words(Text("--kind and --connector go with --all")))
    with stored(config) as store:
        queue = queue_for(store.database)
        if ids:
            tried = [_retry_one(store, queue, id_) for id_ in dict.fromkeys(ids)]
            return 0 if all(tried) else 1
        chosen = [job.id for filter_ in operator.troubled(kind, connector) for job in _every(store, filter_)]
        again = 0
        with _progress(chosen, words(Text("trying again"))) as bar:
            for id_ in bar:
                again += operator.retry(store.database, queue, id_, datetime.now(UTC)) is not None
    say(Plural("{count:,} job is tried again now", "{count:,} jobs are tried again now", again))
    return 0


@jobs.command()
@click.argument("ids", metavar="ID...", type=int, nargs=-1, required=True)
@config_option
def discard(ids: tuple[int, ...], config: Path) -> int:
    """Give jobs up: what they hold does not reach the CRM."""
    good = True
    with stored(config) as store:
        for id_ in dict.fromkeys(ids):
            if operator.discard(store.database, id_, datetime.now(UTC)):
                say(Text("job {id} is given up", id=str(id_)))
            else:
                good = _cant(store, id_) and good
    return 0 if good else 1


def _retry_one(store: Stored, queue: Queue, id_: int) -> bool:
    if operator.retry(store.database, queue, id_, datetime.now(UTC)) is None:
        return _cant(store, id_)
    say(Text("job {id} is tried again now", id=str(id_)))
    return True


def _cant(store: Stored, id_: int) -> bool:
    """Say why nothing can be done about a job; false."""
    with store.database.read() as connection:
        job = deliveries.get(connection, id_)
    if job is None:
        _unknown(id_)
    elif job.state is State.RUNNING:
        say(Text("error: job {id} is being worked on right now; see what comes of it", id=str(id_)), err=True)
    else:
        say(Text("error: job {id} is {state} already", id=str(id_), state=code(job.state.value)), err=True)
    return False


def _unknown(id_: int) -> int:
    say(Text("error: there is no job {id}; `infocaller-bridge jobs list` lists them", id=str(id_)), err=True)
    return 1


def _every(store: Stored, filter_: DeliveryFilter) -> Iterator[Delivery]:
    """All that are wanted, oldest first, read piece by piece."""
    after = 0
    while True:
        with store.database.read() as connection:
            piece = deliveries.find(connection, filter_, _AT_ONCE, after)
        yield from piece
        if len(piece) < _AT_ONCE:
            return
        after = piece[-1].id


def _progress(items: Sequence[int], label: str) -> AbstractContextManager[Any]:
    """The items, with a bar on the terminal when they are many."""
    if len(items) < _LONG or not sys.stderr.isatty():
        return nullcontext(items)
    return click.progressbar(items, label=label, file=sys.stderr)

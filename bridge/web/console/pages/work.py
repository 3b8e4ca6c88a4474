"""*Work*: what has to reach the CRMs, why it does not, and what a person does about it, one by one or many at once."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass

from flask import abort, request
from werkzeug.wrappers import Response

from bridge.delivery import bulk, operator
from bridge.delivery.bulk import BulkChoice
from bridge.delivery.words import cure, state
from bridge.store import bulkruns, deliveries
from bridge.store.bulkruns import BulkState
from bridge.store.deliveries import Delivery
from bridge.store.folded import FoldedCall
from bridge.texts import Text, literal
from bridge.web.console import paging
from bridge.web.console.context import audit, done, here, render
from bridge.web.console.sections import ConsoleSection, Role
from bridge.web.console.words import WORK, WORK_KINDS, Word

section = ConsoleSection("work", Text("Work"), path="work", order=60)

_COUNTED = 1000
"""As many of a state are counted, so that the page takes no longer when there are millions."""
_RUNS = 5
ACTIONS = {bulk.RETRY: Text("Try again"), bulk.DISCARD: Text("Give up")}
_OUTCOMES = {
    "done": Word(Text("done"), "good"),
    "later": Word(Text("failed, tried again"), "warn"),
    "dead": Word(Text("failed for good"), "bad"),
}
_RUN_STATES = {
    BulkState.RUNNING: Word(Text("under way"), "busy"),
    BulkState.STOPPED: Word(Text("stopped"), "warn"),
    BulkState.FINISHED: Word(Text("finished"), "good"),
}


@dataclass(frozen=True, slots=True)
class _Row:
    """A delivery as the pages show it. `who`: the number that it is about, empty for none; `call`: of which call it
    came, None for none; `changeable`: whether something can be done about it."""

    job: Delivery
    state: Word
    kind: Text
    who: str
    call: str | None
    name: str
    link: str
    changeable: bool


@section.page("work")
def index() -> Response:
    """List what is not done, newest first, or what is asked for."""
    visit, choice = here(), _chosen(request.args)
    criteria = operator.selection(choice.state or "open", choice.kind, choice.connector)
    with visit.parts.database.read() as connection:
        jobs = deliveries.latest(connection, criteria, paging.SIZE + 1, paging.after_id())
        figures = {
            name: deliveries.count(connection, operator.selection(name), _COUNTED + 1)
            for name in ("pending", "failed", "running", "dead")
        }
        runs = bulkruns.newest(connection, _RUNS)
    return render(
        "work/index.html", page=paging.page([_row(job) for job in jobs], lambda row: (row.job.id,)),
        figures=figures, counted=_COUNTED, states=WORK, kinds=WORK_KINDS, choice=choice, runs=runs,
        run_states=_RUN_STATES, actions=ACTIONS, state_options=[(name, word.text) for name, word in WORK.items()],
        connector_options=[(name, name) for name in sorted(visit.configuration.connectors)],
        many=bool(jobs) and choice.state in operator.CHANGEABLE,
    )  # fmt: skip


@section.page("work/<int:id_>")
def show(id_: int) -> Response:
    """Show all about one: what it is, why it failed, what was sent and answered."""
    with here().parts.database.read() as connection:
        job = deliveries.get(connection, id_)
        if job is None:
            abort(404)
        attempts = deliveries.attempts_of(connection, id_)
    payload = json.dumps(job.payload, indent=2, ensure_ascii=False, sort_keys=True)
    return render(
        "work/show.html", row=_row(job), attempts=attempts, cure=cure(job), payload=payload, outcomes=_OUTCOMES
    )


@section.action("work/retry")
def retry() -> Response:
    """Try a job again now."""
    parts, id_ = here().parts, _id()
    if operator.retry(parts.database, parts.queue, id_, parts.now()) is None:
        return done(f"{section.path}/{id_}", Text("Nothing was done: it is in progress, or settled already."))
    audit("job.retry", str(id_))
    return done(f"{section.path}/{id_}", Text("It is tried again now."))


@section.action("work/discard")
def discard() -> Response:
    """Give up a job."""
    parts, id_ = here().parts, _id()
    if not operator.discard(parts.database, id_, parts.now()):
        return done(f"{section.path}/{id_}", Text("Nothing was done: it is in progress, or settled already."))
    audit("job.discard", str(id_))
    return done(f"{section.path}/{id_}", Text("It is given up: the CRM does not get it."))


@section.page("work/plan", role=Role.OPERATOR)
def plan() -> Response:
    """Show what would be done to how many, before anything is."""
    action, choice = request.args.get("action", bulk.RETRY), _chosen(request.args)
    if action not in ACTIONS or choice.state not in operator.CHANGEABLE:
        abort(404)
    planned = bulk.plan(here().parts.database, choice)
    return render(
        "work/plan.html", action=action, choice=choice, plan=planned, sample=[_row(job) for job in planned.sample],
        states=WORK, kinds=WORK_KINDS, actions=ACTIONS,
    )  # fmt: skip


@section.action("work/start")
def start() -> Response:
    """Begin the run over many jobs that `plan` showed."""
    visit, form = here(), request.form
    action, choice = form.get("action", ""), _chosen(form)
    until = form.get("until", "")
    if action not in ACTIONS or choice.state not in operator.CHANGEABLE or not until.isdecimal() or len(until) > 18:
        abort(400)
    parts, who = visit.parts, visit.who.name if visit.who is not None else ""
    id_ = bulk.start(parts.database, parts.queue, action, choice, int(until), who, parts.now())
    after = {"run": id_, "state": choice.state, "kind": choice.kind, "connector": choice.connector}
    audit(f"jobs.{action}", choice.connector, after=after)
    return done(f"{section.path}/runs/{id_}", Text("It has begun."))


@section.page("work/runs/<int:id_>")
def run(id_: int) -> Response:
    """Show how far a run over many jobs has come."""
    with here().parts.database.read() as connection:
        bulk_run = bulkruns.get(connection, id_)
    if bulk_run is None:
        abort(404)
    return render(
        "work/run.html", run=bulk_run, run_states=_RUN_STATES, states=WORK, kinds=WORK_KINDS, actions=ACTIONS,
        choice=BulkChoice(**bulk_run.criteria),
    )  # fmt: skip


@section.action("work/stop")
def stop() -> Response:
    """Stop a run over many jobs."""
    parts, id_ = here().parts, _id()
    where = f"{section.path}/runs/{id_}"
    if not bulk.stop(parts.database, id_, parts.now()):
        return done(where, Text("Nothing was done: it has ended already."))
    audit("jobs.stop", str(id_))
    return done(where, Text("It is stopped. What it has done so far stays done."))


def _row(job: Delivery) -> _Row:
    call = FoldedCall.from_json(job.payload["call"]) if isinstance(job.payload.get("call"), dict) else None
    about, name = job.about or {}, state(job)
    return _Row(
        job, WORK[name], WORK_KINDS.get(job.kind, literal(job.kind)), job.e164 or (call.caller if call else ""),
        str(job.call_id) if job.call_id is not None else None, str(about.get("name") or ""),
        str(about.get("link") or ""), name in operator.CHANGEABLE,
    )  # fmt: skip


def _id() -> int:
    given = request.form.get("id", "")
    if not given.isdecimal() or len(given) > 18:
        abort(400)
    return int(given)


def _chosen(given: Mapping[str, str]) -> BulkChoice:
    """What a filter or a form says; what it can't say is left out."""
    state_, kind, connector = (given.get(name, "")[:128] for name in ("state", "kind", "connector"))
    return BulkChoice(state_ if state_ in WORK else "", kind if kind in WORK_KINDS else "", connector)

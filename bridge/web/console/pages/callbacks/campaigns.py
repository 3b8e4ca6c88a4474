"""Campaigns: what there is of each, what a file would do, and what came of its rows."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator

from flask import abort, request
from werkzeug.wrappers import Response

from bridge.callbacks.campaigns import Campaigns, Progress
from bridge.callbacks.forecast import KNOWN, Forecast, forecast
from bridge.callbacks.rowfile import CampaignRow, FileUnreadable, RowFile
from bridge.callbacks.task_intake import NoCampaign, NoSuchSource
from bridge.store.callbacks import CallbackState
from bridge.texts import Text, literal, said
from bridge.web.console import words
from bridge.web.console.context import Visit, done, here, render
from bridge.web.console.pages.callbacks.place import section
from bridge.web.console.pages.callbacks.uploads import Upload, Uploads
from bridge.web.console.sections import Role
from bridge.web.console.words import Word
from connectors.csv.output import cell

LIST = f"{section.path}/campaigns"
_SHOWN_FAULTS = 20
_MEANS = {
    KNOWN: Text("taken before under this name, and done"),
    "task": Text("what the row says can't be used"),
    "double": Text("an earlier row has the same id or number"),
    "number": Text("the line may not call this number"),
    "expired": Text("at this pace their turn comes too late (expires)"),
    "do_not_call": Text("in the do-not-call list"),
    "opposed": Text("said no to commercial calls"),
    "caller_number": Text("the line's own number may not make such calls"),
    "consent": Text("nothing that counts allows the call (consent)"),
    "consent_old": Text("what allowed the call is too old (consent)"),
    "exclusion_list": Text("no recent check against exclusion lists permits them"),
    "commercial_hours": Text("the law allows no commercial calls now"),
    "when": Text("the source's when: does not hold"),
    "hours": Text("outside of calling hours"),
    "per_number": Text("this number was called often enough (per_number)"),
    "per_day": Text("the line called often enough today (dial.per_day)"),
}
_STANDINGS = {
    "running": Word(Text("calls"), "busy"),
    "paused": Word(Text("paused"), "warn"),
    "cancelled": Word(Text("cancelled"), ""),
    "over": Word(Text("over"), "good"),
}


@section.page("callbacks/campaigns")
def campaigns() -> Response:
    """List the campaigns, and take a file for another."""
    visit = here()
    desk = campaigns_of(visit)
    listed = sorted(desk.every(), key=lambda campaign: campaign.started_at, reverse=True)
    sources = [(source.title, source.title) for source in visit.configuration.callbacks if source.from_ is None]
    return render(
        "callbacks/campaigns.html", sources=sources, standings=_STANDINGS, standing=standing,
        campaigns=[desk.progress(campaign.name) for campaign in listed[:50]],
    )  # fmt: skip


@section.page("callbacks/campaigns/plan", role=Role.OPERATOR)
def plan() -> Response:
    """Show what a file would do: how many would be called, when, and what keeps others back."""
    visit = here()
    upload = uploads_of(visit).get(request.args.get("upload", ""))
    if upload is None:
        return done(LIST, Text("The file is not here any more: send it once more."))
    faults: list[CampaignRow] = []
    renewals: list[tuple[CampaignRow, Text]] = []

    def fault(row: CampaignRow) -> None:
        if len(faults) < _SHOWN_FAULTS:
            faults.append(row)

    def renewable(row: CampaignRow, missing: Text) -> None:
        if len(renewals) < _SHOWN_FAULTS:
            renewals.append((row, missing))

    try:
        rows = rows_of(visit, upload)
        with visit.parts.serving.use() as service, visit.parts.database.read() as connection:
            planned = forecast(
                connection, visit.configuration, rows.rules, service.sources, rows, visit.parts.now(), fault, renewable
            )
    except (FileUnreadable, NoCampaign, NoSuchSource) as error:
        return done(LIST, said(_without_path(str(error), upload)))
    return render(
        "callbacks/plan.html", upload=upload, plan=planned, faults=faults, renewals=renewals,
        means=_MEANS, line=rows.rules.line,
        reasons=list(_reasons(planned)), oddities=str(rows.oddities) if rows.oddities.counts else "",
        stands=campaigns_of(visit).stands(upload.source)[0],
    )  # fmt: skip


@section.page("callbacks/campaigns/<name>")
def campaign(name: str) -> Response:
    """Show how a campaign goes."""
    visit = here()
    try:
        progress = campaigns_of(visit).progress(name)
    except NoCampaign:
        abort(404)
    states = [(words.CALLBACKS[state], progress.states[state]) for state in CallbackState if progress.states.get(state)]
    gates = [(_MEANS.get(gate, literal(gate)), count) for gate, count in sorted(progress.gates.items()) if gate]
    return render(
        "callbacks/campaign.html", progress=progress, standing=_STANDINGS[standing(progress)], states=states,
        kept_back=gates, ended=progress.campaign.cancelled_at is not None or progress.over,
    )  # fmt: skip


@section.download("callbacks/campaigns/<name>/results.csv", role=Role.OPERATOR)
def results(name: str) -> Response:
    """What came of each row so far."""
    try:
        rows = list(campaigns_of(here()).results(name))
    except NoCampaign:
        abort(404)
    file = io.StringIO()
    writer = csv.writer(file)
    writer.writerow(["id", "number", "status", "text", "at", "seconds", "idcall"])
    writer.writerows([cell(value) for value in row] for row in rows)
    headers = {"Content-Disposition": f'attachment; filename="{name}-results.csv"'}
    return Response(file.getvalue().encode(), content_type="text/csv; charset=utf-8", headers=headers)


def campaigns_of(visit: Visit) -> Campaigns:
    """Return what knows the campaigns."""
    parts = visit.parts
    return Campaigns(parts.database, parts.queue, parts.callbacks, parts.now)


def uploads_of(visit: Visit) -> Uploads:
    """Return the files that were sent to this host."""
    return Uploads(visit.parts.state)


def rows_of(visit: Visit, upload: Upload) -> RowFile:
    """Return the rows of a file. Raises `NoCampaign`, `NoSuchSource`; reading them `FileUnreadable`."""
    rules = campaigns_of(visit).rules(upload.source)
    return RowFile(upload.path, rules, f"{upload.name}/", visit.language, visit.parts.now())


def standing(progress: Progress) -> str:
    """Return how a campaign stands, in a word of `_STANDINGS`."""
    if progress.campaign.cancelled_at:
        return "cancelled"
    if progress.campaign.paused:
        return "paused"
    return "over" if progress.over else "running"


def _reasons(planned: Forecast) -> Iterator[tuple[Text, Text, int]]:
    """For how long, why, and how many."""
    spans = (
        (Text("for good"), planned.never),
        (Text("until that is mended"), planned.kept),
        (Text("for now"), planned.later),
    )
    for span, counted in spans:
        for gate, count in sorted(counted.items(), key=lambda pair: -pair[1]):
            yield span, _MEANS.get(gate, literal(gate)), count


def _without_path(text: str, upload: Upload) -> str:
    """What is wrong with a file, by the name that its sender knows."""
    return text.replace(str(upload.path), upload.title)

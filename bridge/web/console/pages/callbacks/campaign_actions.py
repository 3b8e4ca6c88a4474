"""What the buttons of campaigns do: take a file, start, pause, resume, cancel."""

from __future__ import annotations

import re
from pathlib import Path

from flask import abort, request
from werkzeug.wrappers import Response

from bridge.callbacks.rowfile import CampaignRow, FileUnreadable
from bridge.callbacks.task_intake import NoCampaign, NoSuchSource
from bridge.texts import Plural, Text, said
from bridge.web.console.context import audit, done, here
from bridge.web.console.pages.callbacks.campaigns import LIST, campaigns_of, rows_of, uploads_of
from bridge.web.console.pages.callbacks.place import section

_LARGEST = 5 * 1024 * 1024
_NOT_IN_NAMES = re.compile(r"[^A-Za-z0-9._-]+")


@section.action("callbacks/campaigns/upload", max_body=_LARGEST)
def upload() -> Response:
    """Keep a file, and go on to what it would do."""
    visit, sent, form = here(), request.files.get("file"), request.form
    if sent is None or not sent.filename:
        return done(LIST, Text("Choose a file first."))
    given = form.get("name", "").strip() or Path(sent.filename.replace("\\", "/")).stem
    name = _NOT_IN_NAMES.sub("-", given).strip("-._")[:48] or "campaign"
    try:
        campaigns_of(visit).rules(form.get("source", ""))
    except (NoCampaign, NoSuchSource) as error:
        return done(LIST, said(error))
    try:
        kept = uploads_of(visit).keep(sent, name, form.get("source", ""))
    except OSError as error:
        return done(LIST, Text("The file can't be kept: {error}", error=said(error.strerror or error)))
    return done(f"{LIST}/plan?upload={kept.token}", Text("Nobody is called yet. This is what the file would do:"))


@section.action("callbacks/campaigns/start")
def start_campaign() -> Response:
    """Take the rows of a file as callbacks."""
    visit = here()
    upload = uploads_of(visit).get(request.form.get("upload", ""))
    if upload is None:
        return done(LIST, Text("The file is not here any more: send it once more."))
    desk, refused = campaigns_of(visit), 0

    def bad(_row: CampaignRow) -> None:
        nonlocal refused
        refused += 1

    try:
        taken = desk.take(desk.begin(upload.name, upload.source, upload.title), rows_of(visit, upload), bad, _nobody)
    except (FileUnreadable, NoCampaign, NoSuchSource) as error:
        return done(LIST, said(str(error).replace(str(upload.path), upload.title)))
    uploads_of(visit).drop(upload)
    audit("campaign.start", upload.name, after={"taken": taken.new, "known": taken.known, "refused": refused})
    text = Plural("{count:,} row is taken.", "{count:,} rows are taken.", taken.new)
    return done(f"{LIST}/{upload.name}", text)


@section.action("callbacks/campaigns/drop")
def drop_campaign() -> Response:
    """Delete the file of a campaign that is not started."""
    kept = uploads_of(here()).get(request.form.get("upload", ""))
    if kept is not None:
        uploads_of(here()).drop(kept)
    return done(LIST, Text("The file is gone; nobody is called."))


@section.action("callbacks/campaigns/pause")
def pause_campaign() -> Response:
    """Keep what waits of a campaign back."""
    return _changed("pause")


@section.action("callbacks/campaigns/resume")
def resume_campaign() -> Response:
    """Have a paused campaign go on."""
    return _changed("resume")


@section.action("callbacks/campaigns/cancel")
def cancel_campaign() -> Response:
    """End a campaign: nobody that waits is called any more."""
    return _changed("cancel")


def _changed(action: str) -> Response:
    name, desk = request.form.get("name", ""), campaigns_of(here())
    try:
        count = {"pause": desk.pause, "resume": desk.resume, "cancel": desk.cancel}[action](name)
    except NoCampaign:
        abort(404)
    audit(f"campaign.{action}", name, after={"callbacks": count})
    texts = {
        "pause": Plural("{count:,} callback is kept back.", "{count:,} callbacks are kept back.", count),
        "resume": Plural("{count:,} callback is called.", "{count:,} callbacks are called.", count),
        "cancel": Plural("{count:,} callback is not called any more.",
                         "{count:,} callbacks are not called any more.", count),
    }  # fmt: skip
    return done(f"{LIST}/{name}", texts[action])


def _nobody(_count: int) -> None:
    """Who is told how far it is: nobody, since the page comes when all are taken."""

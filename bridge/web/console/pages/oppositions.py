"""*Oppositions*: who does not want to be called for business, and under which reference."""

from __future__ import annotations

import csv
import io

from flask import Response, abort, request

from bridge.store import oppositions
from bridge.store.oppositions import NewOpposition, Opposition, new_reference, read_reference
from bridge.texts import Text
from bridge.web.console import paging
from bridge.web.console.context import audit, done, here, render
from bridge.web.console.sections import ConsoleSection, Role
from connectors.csv.output import cell
from connectors.phone import parse

section = ConsoleSection("oppositions", Text("Oppositions"), path="oppositions", order=55)
_LONGEST = 64


@section.page("oppositions")
def show() -> Response:
    """List them, newest first, or those of a number or a reference, which only who sees numbers may ask for."""
    visit = here()
    whose = "" if visit.masked else request.args.get("whose", "").strip()[:_LONGEST]
    with visit.parts.database.read() as connection:
        if not whose:
            rows = oppositions.latest(connection, paging.SIZE + 1, paging.after_id())
        elif reference := read_reference(whose):
            opposition = oppositions.by_reference(connection, reference)
            rows = [] if opposition is None else [opposition]
        else:
            rows = oppositions.of_number(connection, parse(whose, visit.configuration.lines[0].country).e164)
    return render("oppositions/show.html", page=paging.page(rows, _key), asked=bool(whose))


def _key(opposition: Opposition) -> list[int]:
    return [opposition.id]


@section.action("oppositions/add")
def add() -> Response:
    """Note that whoever has a number does not want to be called."""
    visit = here()
    phone = parse(request.form.get("number", "")[:_LONGEST], visit.configuration.lines[0].country)
    if not phone:
        return done(section.path, Text("That is no phone number: nobody was added."))
    new = NewOpposition(phone.e164, new_reference(), visit.parts.now(), "console")
    with visit.parts.database.write() as connection:
        reference = oppositions.add(visit.parts.database, connection, [new])[phone.e164]
    audit("opposition.add", reference)
    return done(
        section.path, Text("It is noted: no commercial call from now on. Reference {reference}.", reference=reference)
    )


@section.action("oppositions/withdraw")
def withdraw() -> Response:
    """Note that a person may be called again."""
    visit = here()
    reference = read_reference(request.form.get("reference", "")[:_LONGEST])
    if not reference:
        abort(400)
    with visit.parts.database.write() as connection:
        withdrawn = oppositions.withdraw(connection, reference, visit.parts.now())
    if not withdrawn:
        return done(section.path, Text("Nothing was done: it was withdrawn already."))
    audit("opposition.withdraw", reference)
    return done(section.path, Text("It is withdrawn: the number may be called again where all else allows it."))


@section.download("oppositions.csv", role=Role.OPERATOR)
def export() -> Response:
    """All of them as CSV, with their references, the first one first."""
    visit, file = here(), io.StringIO()
    writer = csv.writer(file)
    writer.writerow(["reference", "number", "at", "source", "withdrawn_at"])
    for each in oppositions.each(visit.parts.database):
        withdrawn_at = each.withdrawn_at.isoformat(timespec="seconds") if each.withdrawn_at is not None else ""
        row = (each.reference, each.number, each.at.isoformat(timespec="seconds"), each.source, withdrawn_at)
        writer.writerow([cell(value) for value in row])
    headers = {"Content-Disposition": 'attachment; filename="oppositions.csv"'}
    return Response(file.getvalue().encode(), content_type="text/csv; charset=utf-8", headers=headers)

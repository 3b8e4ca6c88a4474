"""The page itself."""

from __future__ import annotations

from flask import request
from werkzeug.wrappers import Response

from bridge.texts import Text
from bridge.web.console import changes, words
from bridge.web.console.context import here, render
from bridge.web.console.pages.trying.asked import Trial, TryForm, variables_by_query
from bridge.web.console.pages.trying.place import section
from bridge.web.console.sections import Role
from bridge.web.console.words import Word

OUTCOMES = {**words.STEPS, "shown": Word(Text("would be saved"), "busy")}
"""What a step, or the whole, came to."""


@section.page("try")
def show() -> Response:
    """The form, filled in by what the address says."""
    return page(TryForm.of(request.args))


def page(form: TryForm, status: int = 200, *, trial: Trial | None = None, refusal: Text | None = None) -> Response:
    """Return the page, with an answer or why there is none."""
    visit = here()
    admin = visit.may(Role.ADMIN)
    return render(
        "try/show.html", status, form=form, trial=trial, refusal=refusal, outcomes=OUTCOMES,
        queries=list(visit.configuration.queries), lines=[line.number for line in visit.configuration.lines],
        reads=variables_by_query(visit.configuration),
        sensitive=trial.sensitive(visit.configuration) if trial is not None else frozenset(),
        curl=trial.curl(visit) if trial is not None and not visit.masked else "",
        obstacle=changes.obstacle(visit) if admin else None,
    )  # fmt: skip

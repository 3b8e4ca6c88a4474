"""What somebody wants to try, as the form says it, and what it is answered."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import quote

from werkzeug.datastructures import MultiDict

from bridge.config.casetext import section_with
from bridge.config.hours import moment
from bridge.config.model import Configuration, Line
from bridge.config.whole import expressions
from bridge.infocaller.curl import as_curl
from bridge.infocaller.messages import Document, Format
from bridge.queries.answering import Answered
from bridge.service.cases import case_of, clock_at, question
from bridge.texts import Text
from bridge.web.console.context import Visit

_LONGEST = 200
_MOST_VARIABLES = 100


class NotAsked(Exception):
    """The form can't be understood; `text` says why."""

    def __init__(self, text: Text) -> None:
        super().__init__(str(text))
        self.text = text


@dataclass(frozen=True, slots=True)
class TryForm:
    """The form as it was filled in."""

    query: str = ""
    caller: str = ""
    line: str = ""
    variables: str = ""
    at: str = ""

    @classmethod
    def of(cls, fields: MultiDict[str, str]) -> TryForm:
        """Return what was sent, or stands in an address."""
        texts = {name: fields.get(name, "").strip()[:_LONGEST] for name in ("query", "caller", "line", "at")}
        return cls(**texts, variables=fields.get("variables", "")[:20_000])


@dataclass(frozen=True, slots=True)
class Trial:
    """A form that was understood, and its answer."""

    form: TryForm
    line: Line
    variables: Mapping[str, str]
    at: datetime | None
    answered: Answered

    def curl(self, visit: Visit) -> str:
        """Return the same as a command for the shell, with the URL key."""
        key = visit.configuration.server.url_key
        root = f"{visit.address}/infocaller" + (f"/{quote(key[0].get_secret_value(), safe='')}" if key else "")
        document = Document(
            Format.JSON, self.line.number, "", line_number_int=self.line.number, call_type="R",
            caller_number=self.form.caller or "X", inbound_number=self.line.number,
            inbound_number_int=self.line.number, query_name=self.answered.query, variables=self.variables,
        )  # fmt: skip
        return as_curl(document, f"{root}/query")

    @property
    def case(self) -> dict[str, object]:
        """The answer as a case for `tests:`."""
        line = self.form.line or None
        return case_of(self.answered, self.form.caller or "X", line, self.variables, self.at)

    @property
    def case_json(self) -> str:
        """The case for a form's field."""
        return json.dumps(self.case)

    @property
    def case_yaml(self) -> str:
        """The case as it would stand in the file."""
        return section_with(self.case)

    def sensitive(self, configuration: Configuration) -> frozenset[str]:
        """Return the names of its variables that are shown and kept nowhere."""
        names = {name.upper() for name in configuration.sensitive}
        return frozenset(names & ({*self.variables} | {name.upper() for name in self.answered.variables}))


def trial(visit: Visit, form: TryForm) -> Trial:
    """Ask what the form says, of the service in force. Raises `NotAsked`."""
    configuration = visit.configuration
    line = configuration.line(form.line) if form.line else configuration.lines[0]
    if line is None:
        raise NotAsked(Text("Line {line} is not in the configuration.", line=form.line))
    if not form.query:
        raise NotAsked(Text("Choose a Query."))
    variables, at = variables_of(form.variables), _moment(form.at)
    asked = question(form.query, line, form.caller or "X", variables)
    with visit.parts.serving.use() as service:
        beside = service.beside(service.loaded, now=clock_at(at, line))
        try:
            answered = beside.queries.answer(asked)
        finally:
            beside.close(service)
    return Trial(form, line, asked.variables, at, answered)


def variables_of(text: str) -> dict[str, str]:
    """Return the variables of a text with a `NAME=value` on each line. Raises `NotAsked`."""
    variables: dict[str, str] = {}
    for number, line in enumerate(text.splitlines(), 1):
        name, equals, value = line.partition("=")
        if not line.strip():
            continue
        if not equals or not name.strip() or len(variables) >= _MOST_VARIABLES:
            raise NotAsked(Text("Line {number} of the variables is not NAME=value.", number=number))
        variables[name.strip().upper()] = value.strip()
    return variables


def variables_by_query(configuration: Configuration) -> dict[str, list[str]]:
    """Return which of a call's variables each Query reads, by its name."""
    names: dict[str, set[str]] = {name: set() for name in configuration.queries}
    for use in expressions(configuration):
        if use.loc[0] == "queries":
            names[str(use.loc[1])] |= {
                path[1] for path in use.template.paths if path[:1] == ("vars",) and len(path) > 1
            }
    return {query: sorted(read) for query, read in names.items() if read}


def _moment(text: str) -> datetime | None:
    if not text:
        return None
    try:
        return moment(text)
    except ValueError:
        raise NotAsked(Text("Write the moment as in 2026-12-24T21:30.")) from None

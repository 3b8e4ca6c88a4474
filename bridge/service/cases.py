"""Questions that are tried: the cases that the configuration keeps under `tests:`, and what becomes one."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from bridge.config.model import Case, Line
from bridge.hours.zones import on_clock
from bridge.queries.answering import Answered, Question
from bridge.service.composition import Service
from bridge.texts import Text
from connectors.http.cassette_file import Answers
from connectors.phone import parse


@dataclass(frozen=True, slots=True)
class TriedCase:
    """A case that was asked. `title` says which one; `differences`: in what the answer is not as it should be, none
    where it is."""

    title: Text
    answered: Answered
    differences: tuple[Text, ...]


def run(service: Service) -> Iterator[TriedCase]:
    """Ask each case of a service's configuration, in order; nothing is saved. Raises
    `connectors.http.cassette_file.CassetteFault` where kept answers can't be played."""
    for number, case in enumerate(service.configuration.tests):
        answered = _answered(service, case) if case.replay is None and case.at is None else _alone(service, case)
        title = Text("tests[{number}] ask {query}, caller {caller}", number=number, query=case.ask, caller=case.caller)
        if case.at is not None:
            title = Text("{title}, at {when:%Y-%m-%d %H:%M}", title=title, when=case.at)
        yield TriedCase(title, answered, tuple(_differences(case, answered)))


def clock_at(at: datetime | None, line: Line) -> Callable[[], datetime] | None:
    """Return a clock that shows this moment of the line's own clock for ever; None: the machine's."""
    if at is None:
        return None
    moment = on_clock(at, line.timezone)
    return lambda: moment


def question(
    query: str, line: Line, caller: str, variables: Mapping[str, str], *, sequence: str | None = None
) -> Question:
    """Return what a received call would ask on this line. `sequence`: its CallSequence."""
    call = {"direction": "received", **({"id": sequence} if sequence is not None else {})}
    named = {name.upper(): value for name, value in variables.items()}
    return Question(query, line, parse(caller, line.country), line.number, call, named)


def case_of(
    answered: Answered, caller: str, line: str | None, variables: Mapping[str, str], at: datetime | None
) -> dict[str, Any]:
    """Return a case for `tests:` that passes as long as this is the answer."""
    case: dict[str, Any] = {"ask": answered.query, "caller": caller}
    case |= {"line": line} if line is not None else {}
    case |= {"vars": dict(variables)} if variables else {}
    case |= {"at": at.isoformat()} if at is not None else {}
    case |= {"answer": dict(answered.variables)}
    return case | ({"result": answered.result} if answered.result else {})


def _alone(service: Service, case: Case) -> Answered:
    """What a case is answered by connectors of its own, from a cassette or at another moment: nothing is kept from one
    case to the next."""
    cassettes = Answers.read(service.folder / case.replay).cassette if case.replay is not None else None
    apart = service.beside(service.loaded, cassettes=cassettes, now=clock_at(case.at, _line(service, case)))
    try:
        return _answered(apart, case)
    finally:
        apart.close(service)


def _line(service: Service, case: Case) -> Line:
    configuration = service.configuration
    named = None if case.line is None else configuration.line(case.line)
    return named or configuration.lines[0]


def _answered(service: Service, case: Case) -> Answered:
    return service.queries.answer(question(case.ask, _line(service, case), case.caller, case.vars))


def _differences(case: Case, answered: Answered) -> Iterator[Text]:
    wanted_result = 0 if case.result is None else case.result
    if answered.result != wanted_result:
        yield Text("Result is {result}, not {expected}", result=answered.result, expected=wanted_result)
    for name, expected in case.answer.items():
        value = answered.variables.get(name)
        if value is None and expected is not None:
            yield Text("{name} is missing, it should be {expected}", name=name, expected=repr(expected))
        elif value is not None and expected is None:
            yield Text("{name} is {value}, not absent", name=name, value=repr(value))
        elif value != expected:
            yield Text("{name} is {value}, not {expected}", name=name, value=repr(value), expected=repr(expected))

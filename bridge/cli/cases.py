"""`test`: the cases that the configuration keeps under `tests:`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import click

from bridge.cli.ask import as_text
from bridge.cli.options import chosen_line, config_option
from bridge.config.load import Loaded, load
from bridge.config.model import Case
from bridge.queries.answering import Answered, Question
from bridge.service.composition import Service
from connectors.http.cassette_file import Answers
from connectors.phone import parse


@click.command()
@config_option
def test(config: Path) -> int:
    """Run the cases that the configuration keeps under `tests:`; exit 1 if an answer differs. A case with `replay:`
    plays kept answers and asks no CRM."""
    loaded = load(config)
    cases = loaded.configuration.tests
    service = Service.open(loaded)
    try:
        failed = sum(not _passes(loaded, service, number, click.echo) for number in range(len(cases)))
    finally:
        service.close()
    click.echo(
        f"{len(cases) - failed} passed, {failed} failed" if cases else "there are no tests: in the configuration"
    )
    return 1 if failed else 0


def _passes(loaded: Loaded, service: Service, number: int, say: Callable[[str], None]) -> bool:
    """Whether a case is answered as it should be; says what differs."""
    case = loaded.configuration.tests[number]
    answered = _answered(service, case) if case.replay is None else _replayed(loaded, case, case.replay)
    differences = list(_differences(case, answered))
    if differences:
        say(f"FAIL tests[{number}] ask {case.ask}, caller {case.caller}: {'; '.join(differences)}")
        for text in as_text(answered)[1:]:
            say(f"     {text}")
    return not differences


def _replayed(loaded: Loaded, case: Case, file: str) -> Answered:
    """What a case is answered from a tape, by connectors of its own: nothing is kept from one case to the next."""
    service = Service.open(loaded, tapes=Answers.read(loaded.folder / file).tape)
    try:
        return _answered(service, case)
    finally:
        service.close()


def _answered(service: Service, case: Case) -> Answered:
    line = chosen_line(service.configuration, case.line)
    variables = {name.upper(): value for name, value in case.vars.items()}
    caller = parse(case.caller, line.country)
    return service.queries.answer(Question(case.ask, line, caller, line.number, {"direction": "received"}, variables))


def _differences(case: Case, answered: Answered) -> Iterator[str]:
    wanted_result = 0 if case.result is None else case.result
    if answered.result != wanted_result:
        yield f"Result is {answered.result}, not {wanted_result}"
    for name, wanted in case.answer.items():
        value = answered.variables.get(name)
        if value is None and wanted is not None:
            yield f"{name} is missing, it should be {wanted!r}"
        elif value != wanted:
            yield f"{name} is {value!r}, not {wanted!r}" if wanted is not None else f"{name} is {value!r}, not absent"

"""A configuration tried before it is written: it is read by the loader, and its Query is answered, in a folder that is
gone afterwards."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

from bridge.config.load import Loaded, load
from bridge.queries.answering import Answered, Question
from bridge.service.composition import Service
from bridge.setup.configuration import QUERY, KnownAnswer, Setup, config_text
from connectors.base import Deadline, ProbeResult
from connectors.phone import parse

_PATIENCE = 30.0  # seconds for a CRM to say that it works
HIDDEN = "X"


@dataclass(frozen=True)
class Tried:
    """What came of it: `setup` with the `tests:` that pass, and the answer to the first customer's call, None where
    nobody's was found."""

    setup: Setup
    answered: Answered | None = None
    caller: str = ""


def try_out(setup: Setup, callers: Iterable[str] = ()) -> Tried:
    """Ask for the first of these callers whom the configuration finds, and for a hidden one. `setup` names its files by
    whole paths. Raises `ConfigurationFaults`."""
    with _service(setup) as service:
        hidden = ask(service, HIDDEN)
        tests = [KnownAnswer(HIDDEN, hidden.variables)] if hidden.result == 0 else []
        for caller in callers:
            answered = ask(service, caller)
            if answered.outcome == "found" and answered.result == 0:
                first = KnownAnswer(caller, answered.variables, known_customer=True)
                return Tried(replace(setup, tests=[first, *tests]), answered, caller)
        return Tried(replace(setup, tests=tests))


def ask(service: Service, caller: str) -> Answered:
    """Return what the Query answers to a call on the first line."""
    line = service.configuration.lines[0]
    question = Question(QUERY, line, parse(caller, line.country), line.number, {"direction": "received"}, {})
    return service.queries.answer(question)


def sign_in(setup: Setup) -> list[ProbeResult]:
    """Return what the CRM says to a sign-in and one lookup. Raises `ConfigurationFaults`."""
    with _service(setup) as service:
        return list(service.sources[setup.source.name].connector.probe(Deadline.after(_PATIENCE)))


@contextmanager
def _service(setup: Setup) -> Iterator[Service]:
    with TemporaryDirectory(prefix="infocaller-bridge-init-") as folder:
        service = Service.open(_loaded(setup, Path(folder)))
        try:
            yield service
        finally:
            service.close()


def _loaded(setup: Setup, folder: Path) -> Loaded:
    file = folder / "config.yaml"
    file.write_text(config_text(setup), "utf-8")
    return load(file, setup.secrets)

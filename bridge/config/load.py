"""The configuration file: read, filled in, checked whole. The only place that looks at the environment."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path

import bridge.scope  # noqa: F401 - makes `| dial` known, without which no expression with it can be read
from bridge.config import advice, calling, files, names, rules, uses
from bridge.config.environment import Environment
from bridge.config.faults import at, in_order, located
from bridge.config.model import Configuration
from bridge.config.nodes import Mark, Unreadable
from bridge.config.source import Wrong, read
from bridge.config.validation import validate
from bridge.config.whole import Whole
from bridge.errors import ConfigurationFaults, Fault

_LEAST_SECRET = 4


@dataclass(frozen=True)
class Loaded:
    """A configuration that can be used. `folder`: relative paths start there. `files` are all that were read for it,
    the file itself, `.env` and those of `${file:…}`, each with a fingerprint of what was in it. `warnings` are worth a
    word and keep nothing from running."""

    configuration: Configuration
    folder: Path
    path: Path
    warnings: tuple[Fault, ...] = ()
    files: Mapping[Path, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Read:
    """What came of reading a file: `loaded`, or else `faults`. `files` as in `Loaded`, whatever came of it."""

    loaded: Loaded | None
    faults: tuple[Fault, ...]
    files: Mapping[Path, str]


def load(path: str | Path, environ: Mapping[str, str] | None = None) -> Loaded:
    """The configuration in this file. `environ`: the variables for `${NAME}`, the process's own where None.

    Raises `ConfigurationFaults` with every fault in it.
    """
    result = attempt(path, environ)
    if result.loaded is None:
        raise ConfigurationFaults(result.faults)
    return result.loaded


def attempt(path: str | Path, environ: Mapping[str, str] | None = None) -> Read:
    """As `load`, but telling of faults instead of raising them."""
    path = Path(path)
    folder = path.absolute().parent
    environment = Environment(os.environ if environ is None else environ, folder)
    try:
        data = files.content(path)
    except files.NotUsable as error:
        return Read(None, (Fault(str(path), 0, 0, "", f"the file {error}{_cure(error)}"),), {path: ""})
    try:
        configuration, told = _understand(path, folder, data, environment)
    except Unreadable as error:
        configuration, told = None, (at(str(path), error.mark, (), str(error)),)
    prints = {path: files.fingerprint(data)}
    prints |= {file: files.fingerprint(content) for file, content in environment.read.items()}
    if configuration is None:
        return Read(None, told, prints)
    warnings = (*told, *environment.warnings)
    return Read(Loaded(configuration, folder, path, warnings=warnings, files=prints), (), prints)


def _cure(error: files.NotUsable) -> str:
    return (
        "" if str(error) != files.ABSENT else "; config.example.yaml is one to start from, and --config names another"
    )


def _understand(
    path: Path, folder: Path, data: bytes, environment: Environment
) -> tuple[Configuration | None, tuple[Fault, ...]]:
    """The configuration with its warnings, or None with its faults. Raises `Unreadable`."""
    try:
        text = files.text(data)
    except files.NotText as error:
        raise Unreadable(Mark(error.line, error.column), str(error)) from None
    source = read(text, environment.fill)
    validated = validate(source)
    whole = None
    wrong = list(validated.wrong)
    if validated.configuration is not None:
        whole = Whole(validated.configuration, validated, folder)
        wrong += _whole_file(whole)
    secrets = set() if whole is None else {secret.get_secret_value() for _, secret in whole.secrets()}
    secrets = {secret for secret in secrets if len(secret) >= _LEAST_SECRET}
    faults = located(str(path), source, wrong, environment.values, secrets)
    faults += [at(str(path), mark, loc, text) for mark, loc, text in source.twice]
    if faults or whole is None:
        return None, in_order(faults)
    advised = _in_file(whole, advice.advise(whole, path))
    warnings = located(str(path), source, advised, environment.values, secrets)
    return whole.configuration, in_order(warnings)


def _whole_file(whole: Whole) -> Iterator[Wrong]:
    """What is wrong beyond single values, but for what only follows from a value that was wrong by itself."""
    checks = chain(
        uses.problems(whole), uses.check(whole), names.check(whole), rules.check(whole), calling.check(whole)
    )
    lost = whole.validated.lost
    return (wrong for wrong in _in_file(whole, checks) if not lost(wrong.loc[:-1] if wrong.at_key else wrong.loc))


def _in_file(whole: Whole, found: Iterable[Wrong]) -> Iterator[Wrong]:
    for wrong in found:
        yield Wrong(whole.in_file(wrong.loc), wrong.text, wrong.at_key)

"""The configuration file: read, filled in, checked whole. The only place that looks at the environment."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from itertools import chain
from pathlib import Path

from bridge.config import files
from bridge.config.checks import callbacks as calling
from bridge.config.checks import connectors as uses
from bridge.config.checks import expressions as names
from bridge.config.checks import hours as calendars
from bridge.config.checks import links
from bridge.config.checks import values as rules
from bridge.config.checks import warnings as advice
from bridge.config.environment import Environment
from bridge.config.faults import at, in_order, located
from bridge.config.model import Configuration
from bridge.config.nodes import Mark, Unreadable
from bridge.config.source import Wrong, read
from bridge.config.validation import validate
from bridge.config.whole import CheckContext, with_built_in
from bridge.errors import ConfigurationFaults, Fault

_LEAST_SECRET = 4


@dataclass(frozen=True)
class Loaded:
    """A configuration that can be used. `folder`: relative paths start there. `files` are all that were read for it,
    the file itself and those of `${file:…}`, each with a fingerprint of what was in it. `warnings` are worth a word
    and keep nothing from running.

    Of what `load_to_serve` gives, some may be out of order: `out` are the connectors whose sections are at fault, with
    their faults; `configuration` does not have them. `outages` are the faults of files that connectors read or write:
    these connectors are there, and say so themselves when they are asked. `ignored` are the faults of what serving does
    without. `load` gives none of them."""

    configuration: Configuration
    folder: Path
    path: Path
    warnings: tuple[Fault, ...] = ()
    files: Mapping[Path, str] = field(default_factory=dict)
    out: Mapping[str, tuple[Fault, ...]] = field(default_factory=dict)
    outages: tuple[Fault, ...] = ()
    ignored: tuple[Fault, ...] = ()

    @property
    def faults(self) -> tuple[Fault, ...]:
        """All that is wrong with it, in the order of the file."""
        return in_order([*chain(*self.out.values()), *self.outages, *self.ignored])

    def no_worse_than(self, before: Loaded) -> bool:
        """Return whether all that is out of order here was out of order there as well."""
        faults_before = {(fault.path, fault.text) for fault in (*before.outages, *before.ignored)}
        new = (fault for fault in (*self.outages, *self.ignored) if (fault.path, fault.text) not in faults_before)
        return self.out.keys() <= before.out.keys() and next(new, None) is None


@dataclass(frozen=True)
class Read:
    """What came of reading a file: all `faults` in it, and `loaded`, what can be served with in spite of them (None:
    nothing can). `files` as in `Loaded`, whatever came of it. `secrets` are those that are written out in the file, as
    far as they can be told."""

    loaded: Loaded | None
    faults: tuple[Fault, ...]
    files: Mapping[Path, str]
    secrets: frozenset[str] = field(default=frozenset(), repr=False)


def environment() -> Mapping[str, str]:
    """Return the process's own variables."""
    return os.environ


def load(path: str | Path, environ: Mapping[str, str] | None = None) -> Loaded:
    """Return the configuration in this file. `environ`: the variables for `${NAME}`, the process's own where None.

    Raises `ConfigurationFaults` with every fault in it.
    """
    result = attempt(path, environ)
    if result.loaded is None or result.faults:
        raise ConfigurationFaults(result.faults)
    return result.loaded


def load_to_serve(path: str | Path, environ: Mapping[str, str] | None = None) -> Loaded:
    """As `load`, but bearing with whatever concerns single connectors alone, and with faults in `tests:`. What is out
    of order is in the answer.

    Raises `ConfigurationFaults` where anything else is wrong.
    """
    result = attempt(path, environ)
    if result.loaded is None:
        raise ConfigurationFaults(result.faults)
    return result.loaded


def attempt(path: str | Path, environ: Mapping[str, str] | None = None) -> Read:
    """As `load`, but telling of faults instead of raising them."""
    path = Path(path)
    try:
        data = files.content(path)
    except files.NotUsable as error:
        return Read(None, (Fault(str(path), 0, 0, "", f"the file {error}{_cure(error)}"),), {path: ""})
    return examine(path, data, environ)


def examine(path: Path, data: bytes, environ: Mapping[str, str] | None = None) -> Read:
    """As `attempt`, of what would be in the file: what is in it now does not matter."""
    folder = path.absolute().parent
    environment = surroundings(folder, environ)
    try:
        understood = _understand(path, folder, data, environment)
    except Unreadable as error:
        understood = _Understood(refused=[at(str(path), error.mark, (), str(error))])
    prints = {path: files.fingerprint(data)}
    prints |= {file: files.fingerprint(content) for file, content in environment.read.items()}
    understood.warnings = (*understood.warnings, *environment.warnings)
    return understood.read(folder, path, prints)


def surroundings(folder: Path, environ: Mapping[str, str] | None) -> Environment:
    """Return what fills in a configuration in this folder; `environ` as in `load`."""
    return Environment(os.environ if environ is None else environ, folder)


@dataclass
class _Understood:
    """What a file says: the configuration, as far as there is one, and its faults by what they keep from serving:
    everything (`refused`), single connectors (`out`), parts of them (`outages`), nothing (`ignored`)."""

    configuration: Configuration | None = None
    warnings: tuple[Fault, ...] = ()
    refused: list[Fault] = field(default_factory=list)
    out: dict[str, list[Fault]] = field(default_factory=dict)
    outages: list[Fault] = field(default_factory=list)
    ignored: list[Fault] = field(default_factory=list)
    secrets: frozenset[str] = frozenset()

    def add(self, wrong: Wrong, fault: Fault) -> None:
        """One fault more, that of `wrong`, whose place is one in the file."""
        if wrong.outage:
            self.outages.append(fault)
        elif wrong.loc[:1] == ("connectors",) and len(wrong.loc) > 1:
            self.out.setdefault(str(wrong.loc[1]), []).append(fault)
        elif wrong.loc[:1] == ("tests",):
            self.ignored.append(fault)
        else:
            self.refused.append(fault)

    def read(self, folder: Path, path: Path, prints: Mapping[Path, str]) -> Read:
        """Return the configuration, or why it can't be used."""
        faults = in_order([*self.refused, *chain(*self.out.values()), *self.outages, *self.ignored])
        if self.refused or self.configuration is None:
            return Read(None, faults, prints, self.secrets)
        left = {name: options for name, options in self.configuration.connectors.items() if name not in self.out}
        shortened = {"connectors": left, **({"tests": []} if self.ignored else {})}
        configuration = self.configuration.model_copy(update=shortened) if faults else self.configuration
        out = {name: in_order(faults) for name, faults in self.out.items()}
        outages, ignored = in_order(self.outages), in_order(self.ignored)
        loaded = Loaded(configuration, folder, path, self.warnings, prints, out, outages, ignored)
        return Read(loaded, faults, prints, self.secrets)


def _cure(error: files.NotUsable) -> str:
    return (
        "" if str(error) != files.ABSENT else "; config.example.yaml is one to start from, and --config names another"
    )


def _understand(path: Path, folder: Path, data: bytes, environment: Environment) -> _Understood:
    """Raises `Unreadable`."""
    try:
        text = files.text(data)
    except files.NotText as error:
        raise Unreadable(Mark(error.line, error.column), str(error)) from None
    source = read(text, environment.fill)
    validated = validate(source)
    whole = None
    wrong = list(validated.wrong)
    if validated.configuration is not None:
        named = CheckContext(validated.configuration, validated, folder).keys("connectors")
        whole = CheckContext(with_built_in(validated.configuration, named), validated, folder)
        wrong += _whole_file(whole)
    secrets = set() if whole is None else {secret.get_secret_value() for _, secret in whole.secrets()}
    secrets = {secret for secret in secrets if len(secret) >= _LEAST_SECRET}
    understood = _Understood(None if whole is None else whole.configuration)
    for complaint, fault in zip(wrong, located(str(path), source, wrong, environment.values, secrets), strict=True):
        understood.add(complaint, fault)
    understood.refused += [at(str(path), mark, loc, text) for mark, loc, text in source.twice]
    if whole is not None:
        understood.secrets = frozenset(secret.get_secret_value() for _, secret in whole.written_out())
    if whole is not None and not understood.refused:
        advised = _in_file(whole, advice.advise(whole, path))
        understood.warnings = in_order(located(str(path), source, advised, environment.values, secrets))
    return understood


def _whole_file(whole: CheckContext) -> Iterator[Wrong]:
    """What is wrong beyond single values, but for what only follows from a value that was wrong by itself."""
    checks = chain(
        uses.problems(whole),
        uses.check(whole),
        names.check(whole),
        links.check(whole),
        rules.check(whole),
        calendars.check(whole),
        calling.check(whole),
    )
    lost = whole.validated.lost
    return (wrong for wrong in _in_file(whole, checks) if not lost(wrong.loc[:-1] if wrong.at_key else wrong.loc))


def _in_file(whole: CheckContext, complaints: Iterable[Wrong]) -> Iterator[Wrong]:
    for wrong in complaints:
        yield replace(wrong, loc=whole.in_file(wrong.loc))

"""What is needed to stop something: the database, the names of lines and sources, the language. It is got out of a
configuration however faulty the rest is, even where it is no YAML as a whole.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import SecretStr, ValidationError

from bridge.config import files
from bridge.config.callbacks import CallbackSource
from bridge.config.checks import values as rules
from bridge.config.environment import Environment
from bridge.config.hours import OpeningTimes
from bridge.config.load import Loaded, attempt, surroundings
from bridge.config.model import Configuration, Line
from bridge.config.nodes import Unreadable
from bridge.config.sections import near
from bridge.config.source import Source, read
from bridge.config.whole import with_built_in
from bridge.errors import BridgeError, ConfigurationFaults, Fault

_TOP = re.compile(r"^(?=[^\s#\-\]}])", re.MULTILINE)
"""Where a section of the file begins: its key stands at the very left."""
_ALIKE = 0.8
_ANYWHERE = re.compile(r"""^\s*["']?database\b""", re.MULTILINE | re.IGNORECASE)


class NoDatabase(BridgeError):
    """It can't be told which database a configuration means."""


@dataclass(frozen=True, slots=True)
class Essentials:
    """`loaded`: the configuration, or what can be read of it. `faults`: all that is wrong with it. `whole`: it could
    serve as it is, or without single connectors; else only its database, state folder, language, and those of its lines
    and sources that are good are as it says."""

    loaded: Loaded
    faults: tuple[Fault, ...]
    whole: bool


def essentials(path: Path, environ: Mapping[str, str] | None = None) -> Essentials:
    """Return what is needed to stop something. Raises `ConfigurationFaults` where there is no file, `NoDatabase` where
    the database or the state folder is among what can't be read."""
    result = attempt(path, environ)
    if result.loaded is not None:
        return Essentials(result.loaded, result.faults, whole=True)
    environment = surroundings(path.absolute().parent, environ)
    try:
        text = files.text(files.content(path))
    except (files.NotUsable, files.NotText):
        raise ConfigurationFaults(result.faults) from None
    top = dict(_sections(text, environment))
    configuration = Configuration.model_construct(
        None,
        database=SecretStr(_certain("database", top, text, result.faults)),
        state=_certain("state", top, text, result.faults),
        language="en" if top.get("language") == "en" else "es",
        lines=list(_lines(top.get("lines"))),
        hours=(calendars := dict(_calendars(top.get("hours")))),
        callbacks=list(_sources(top.get("callbacks"), calendars)),
    )
    connectors = top.get("connectors")
    configuration = with_built_in(configuration, connectors if isinstance(connectors, dict) else ())
    wrong = next(rules.database(configuration), None)
    if wrong is not None:
        raise NoDatabase(f"{path}: database: {wrong.text}")
    return Essentials(Loaded(configuration, path.absolute().parent, path), result.faults, whole=False)


def _sections(text: str, environment: Environment) -> Iterator[tuple[str, Any]]:
    """The sections of the file that can be read, by key; what is unclear in them is left out."""
    try:
        yield from _values(read(text, environment.fill))
    except Unreadable:
        for part in _TOP.split(text):
            with suppress(Unreadable):
                yield from _values(read(part, environment.fill))


def _values(source: Source) -> Iterator[tuple[str, Any]]:
    """The keys with their values. What `${}` lacks is no value, nor is one of two under the same key."""
    if not isinstance(source.value, dict):
        return
    for wrong in source.wrong:
        value = source.value
        for part in wrong.loc[:-1]:
            value = value[part]
        value[wrong.loc[-1]] = None
    yield from source.value.items()


def _certain(key: str, top: Mapping[str, Any], text: str, faults: tuple[Fault, ...]) -> str:
    """The value of a key on which everything depends: as the file says, or by default where it says nothing that could
    mean it."""
    about = [fault for fault in faults if fault.path == key]
    value = top.get(key)
    if isinstance(value, str) and not about and _keys(text).count(key) == 1:
        return value
    mentioned = any(near(key, [word], _ALIKE) for word in _keys(text))
    # whoever indents a line by mistake means that line all the same
    mentioned = mentioned or (key == "database" and not top.keys() >= set(_keys(text)) and bool(_ANYWHERE.search(text)))
    if mentioned or about:
        what = "database" if key == "database" else "state folder"
        raise NoDatabase(
            f"it can't be told which {what} is meant: {(about or faults)[0]}. Mend that; or write a file of one line, "
            "`database: …`, and name it with --config"
        )
    default = Configuration.model_fields[key].default
    return str(default.get_secret_value() if isinstance(default, SecretStr) else default)


def _keys(text: str) -> list[str]:
    """What stands as a key at the very left."""
    return [line.partition(":")[0].strip().strip("\"'") for line in text.splitlines() if _TOP.match(line)]


def _lines(value: Any) -> Iterator[Line]:
    """The lines with a number; of the others, what is good of them does not matter here."""
    for item in value if isinstance(value, list) else []:
        if isinstance(item, dict):
            clock = {key: item[key] for key in ("number", "country", "timezone") if item.get(key) is not None}
            for keys in (item, clock, {"number": item.get("number")}):
                with suppress(ValidationError):
                    yield Line.model_validate({**keys, "password": "0"})
                    break


def _calendars(value: Any) -> Iterator[tuple[str, OpeningTimes]]:
    for name, item in value.items() if isinstance(value, dict) else ():
        with suppress(ValidationError):
            yield name, OpeningTimes.model_validate(item)


def _sources(value: Any, calendars: Mapping[str, OpeningTimes]) -> Iterator[CallbackSource]:
    """The sources that are good. One whose calendar is not can be stopped, too: nobody calls by what is read here."""
    for item in value if isinstance(value, list) else [value]:
        with suppress(ValidationError):
            source = CallbackSource.model_validate(item)
            named = isinstance(source.hours, str) and source.hours != "always"
            yield source.model_copy(update={"hours": "always"}) if named and source.hours not in calendars else source

"""What is wrong with the files that the configuration names, as `check` says it."""

from __future__ import annotations

import difflib
import os
from collections.abc import Generator, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TypeAlias

from connectors.base import Problem
from connectors.csv.columns import Columns
from connectors.csv.reading import Damaged
from connectors.csv.source import FileForm, header, is_spreadsheet

Place: TypeAlias = tuple[str | int, ...]
"""Where something stands in the connector's section."""
Needed: TypeAlias = tuple[tuple[Place, str], ...]
"""Columns that must be there, each with the place in its file's section that names it."""


def of_form(place: Place, path: Path, form: FileForm) -> Iterator[Problem]:
    """Yield the keys that don't go with the kind of file."""
    if is_spreadsheet(path):
        if form.encoding is not None or form.delimiter is not None:
            key = "encoding" if form.encoding is not None else "delimiter"
            yield Problem((*place, key), f"{path.name} is a spreadsheet, which has no {key}; delete this key")
    elif form.sheet is not None:
        yield Problem((*place, "sheet"), f"{path.name} is no spreadsheet, it has no sheets; delete this key")


def of_output(place: Place, path: Path) -> Iterator[Problem]:
    """Yield what keeps a file from being written there."""
    where = (*place, "file") if place[-1] not in ("file", "results") else place
    if is_spreadsheet(path):
        yield Problem(where, f"the bridge only reads spreadsheets; write a CSV file such as {path.stem}.csv")
    elif path.is_dir():
        yield Problem(where, f"{path} is a folder; write a file name", outage=True)
    elif not path.parent.is_dir():
        yield Problem(where, f"there is no folder {path.parent}; create it", outage=True)
    elif not os.access(path if path.exists() else path.parent, os.W_OK):
        text = f"{path} can't be written; give the user that the bridge runs as the right to"
        yield Problem(where, text, outage=True)


def of_header(
    place: Place, path: Path, form: FileForm, needed: Needed, named: Mapping[str, str]
) -> Generator[Problem, None, frozenset[str] | None]:
    """Yield what is wrong with the start of a file; return the names of its columns, None where it can't be read."""
    columns = Columns(tuple(column for _, column in needed), named)
    try:
        names = header(path, form, columns)
    except FileNotFoundError:
        yield Problem((*place, "file"), f"there is no file {_readable(path)}{_near(path)}", outage=True)
        return None
    except IsADirectoryError:
        yield Problem((*place, "file"), f"{path} is a folder; write a file name", outage=True)
        return None
    except OSError as error:
        yield Problem((*place, "file"), f"{path} can't be read: {error.strerror}", outage=True)
        return None
    except Damaged as error:
        yield Problem((*place, "file"), f"{path}: {error}", outage=True)
        return None
    for where, column in needed:
        if columns.in_header(column, names) is None:
            theirs = columns.theirs(column)
            text = f"{path.name} has no column {theirs}; {_meant(theirs, names)}"
            yield Problem((*place, *where), text, outage=True)
    return columns.all_names(names)


def _readable(path: Path) -> str:
    """A path as people can read it: in double quotes, `\\t` and the like of a Windows path are control characters."""
    text = str(path)
    if text.isprintable():
        return text
    return f"{text!r}: its \\ was taken for more than it is: use single quotes, as in 'C:\\data\\new.csv', or write /"


def _near(path: Path) -> str:
    """A file of nearly that name; not our own locks, which are hidden, nor those of Excel and LibreOffice."""
    try:
        names = [entry.name for entry in path.parent.iterdir() if not entry.name.startswith((".", "~$"))]
    except OSError:
        return f", nor a folder {path.parent}"
    near = difflib.get_close_matches(path.name, names, 1)
    return f"; did you mean {near[0]}?" if near else ""


def _meant(column: str, header: Sequence[str]) -> str:
    names = {name.casefold(): name for name in header if name}
    near = difflib.get_close_matches(column.casefold(), names, 1)
    return f"did you mean {names[near[0]]}?" if near else f"it has {', '.join(names.values())}"

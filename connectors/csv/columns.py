"""The columns of a file by the names that the configuration gives them, beside those that stand in the file.

A header's name and a configured one are the same where they look the same: accents apart from their letters, spaces
that don't break and line breaks within a cell come from programs, not from people.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache

from connectors.csv.reading import WrongColumns
from connectors.spelling import plain_name


@dataclass(frozen=True)
class Columns:
    """`named`: the file's own name for a column, by ours. Both may be used; where another column of the file is called
    as we call one, ours counts. A file that the bridge wrote has ours only. `needed`: the columns that must be there,
    by either name."""

    needed: tuple[str, ...] = ()
    named: Mapping[str, str] = field(default_factory=dict)

    def in_header(self, name: str, header: Sequence[str]) -> str | None:
        """Return what the column of this name is called in a file with this header; None where it has none."""
        names = (self.theirs(name), name, self.our_name(name))
        column = next((column for column in names if column in header), None)
        if column is not None:
            return column
        looks = dict(_other_looks(tuple(header)))
        alike = (looks.get(plain, plain) for plain in map(plain_name, names) if plain in looks or plain in header)
        return next(alike, None)

    def theirs(self, name: str) -> str:
        """Return what the file of a person calls the column."""
        return self.named.get(name, name)

    def our_name(self, name: str) -> str:
        """Return what we call the column; its name in the file where we have none."""
        if name in self.named:
            return name
        return next((ours for ours, theirs in self.named.items() if theirs == name), name)

    def names_of(self, name: str) -> frozenset[str]:
        """Return all names of a column, given one of them."""
        return frozenset({name, self.theirs(name), self.our_name(name)})

    def missing(self, header: Sequence[str]) -> list[str]:
        """Return the needed columns that a header lacks, as people call them."""
        return [self.theirs(name) for name in self.needed if self.in_header(name, header) is None]

    def are_in(self, header: Sequence[str]) -> bool:
        """Return whether a header has all that are needed."""
        return not self.missing(header)

    def place(self, name: str, header: Sequence[str]) -> int:
        """Return where the column is, from 0. Raises `WrongColumns`."""
        column = self.in_header(name, header)
        if column is None:
            names = ", ".join(filter(None, header))
            raise WrongColumns(f"there is no column {self.theirs(name)}; the header has {names}")
        return header.index(column)

    def require(self, header: Sequence[str]) -> None:
        """Raise `WrongColumns` where a header lacks one that is needed."""
        for name in self.needed:
            self.place(name, header)

    def hints(self) -> list[str]:
        """Return every name that a header may have, to know it by."""
        return [*self.needed, *map(self.theirs, self.needed)]

    def all_names(self, header: Iterable[str]) -> frozenset[str]:
        """Return the names by which the values of a file with this header are known."""
        names = frozenset(filter(None, header))
        return names | frozenset(map(plain_name, names)) | self.named.keys() | frozenset(self.named.values())

    def fields(self, header: Sequence[str], cells: Sequence[str]) -> dict[str, str]:
        """Return a row's values by all names."""
        values = dict(zip(header, cells, strict=True))
        for plain, written in _other_looks(tuple(header)):
            values[plain] = values[written]
        values.pop("", None)
        if not self.named:
            return values
        ours = {name: values[column] for name in self.named if (column := self.in_header(name, header)) is not None}
        theirs = {self.named[name]: value for name, value in ours.items() if self.named[name] not in values}
        return values | theirs | ours

    def ours(self, values: Mapping[str, object]) -> dict[str, object]:
        """Return values by our names alone, to be written. Where one came by both names, that by ours counts."""
        renamed = {self.our_name(name): value for name, value in values.items()}
        return renamed | {name: value for name, value in values.items() if name in self.named}


@lru_cache(maxsize=256)
def _other_looks(header: tuple[str, ...]) -> tuple[tuple[str, str], ...]:
    """Each column that is written in another way than it looks, behind the name that it looks like."""
    looks = {plain_name(column): column for column in reversed(header)}
    return tuple((plain, column) for plain, column in looks.items() if plain and plain not in header)

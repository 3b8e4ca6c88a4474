"""SQL statements as the configuration has them: what is a parameter in them and what is a literal, a name or a comment.

Values never become part of a statement: `:name` is handed to the driver as a bound parameter.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any, ClassVar, Self

from pydantic import GetJsonSchemaHandler
from pydantic_core import CoreSchema
from sqlalchemy import TextClause, text

from connectors.compiledtext import CompiledText

_WRITES = frozenset(
    {"INSERT", "UPDATE", "DELETE", "MERGE", "REPLACE", "TRUNCATE", "DROP", "ALTER", "CREATE", "GRANT", "COMMIT",
     "ROLLBACK", "BEGIN", "START", "SET", "PRAGMA", "ATTACH", "VACUUM", "COPY", "LOAD"}
)  # fmt: skip
_STANDARD = r"""
    (?P<apart>
        '(?:[^']|'')*' | "(?:[^"]|"")*" | `[^`]*`
      | --[^\n]* | /\*.*?\*/
      | (?P<dollar>\$(?:[A-Za-z_]\w*)?\$).*?(?P=dollar)
    )
"""
_BACKSLASHES = r"""
    (?P<apart>
        '(?:[^'\\]|\\.|'')*' | "(?:[^"\\]|\\.|"")*" | `[^`]*`
      | --(?=\s)[^\n]* | \#[^\n]* | /\*.*?\*/
    )
"""
_BRACKETS = r"""
    (?P<apart>
        '(?:[^']|'')*' | "(?:[^"]|"")*" | \[[^\]]*\]
      | --[^\n]* | /\*.*?\*/
    )
"""
_REST = r"| ::+ | (?<![:\w\\]):(?P<name>[A-Za-z_]\w*)(?!\w) | (?P<end>;)"
_SCANNERS = {
    quoting: re.compile(pattern + _REST, re.VERBOSE | re.DOTALL | re.ASCII)
    for quoting, pattern in {"standard": _STANDARD, "backslashes": _BACKSLASHES, "brackets": _BRACKETS}.items()
}
_FIRST_WORD = re.compile(r"[\s(]*([A-Za-z]+)")
_NAME = r'(?:[\w$]+|"[^"]+"|`[^`]+`|\[[^\]]+\])'
_TABLE = re.compile(rf"\b(?:FROM|JOIN|INTO|UPDATE)\s+({_NAME}(?:\s*\.\s*{_NAME})*)", re.IGNORECASE)
_KEY_COLUMN = re.compile(r"(?:([\w$]+)[\"`\]]?\s*=\s*:key\b|:key\s*=\s*(?:[\w$]+\.)?[\"`\[]?([\w$]+))", re.IGNORECASE)
_ID = re.compile(r"\*|\bid\b", re.IGNORECASE)
_REPEATS = re.compile(r"\bON\s+CONFLICT\b|\bON\s+DUPLICATE\b|\bIGNORE\b|\bEXISTS\b|\bMERGE\b", re.IGNORECASE)
_HOW = {"postgresql": "standard", "sqlite": "standard", "mysql": "backslashes", "mariadb": "backslashes",
        "mssql": "brackets"}  # fmt: skip


@dataclass(frozen=True)
class Parsed:
    """A statement read by the quoting rules of its database.

    Attributes:
        code: The statement without literals and comments, names kept.
        bare: The statement without a `;` at its end.
        escaped: As SQLAlchemy's `text` wants it: only parameters have a colon of their own.
        parameters: The names of its parameters, in their order, each once.
        several: Whether it is more than one statement.
    """

    code: str
    bare: str
    escaped: str
    parameters: tuple[str, ...]
    several: bool

    @cached_property
    def executable(self) -> TextClause:
        """What SQLAlchemy executes."""
        return text(self.escaped)

    @property
    def first_word(self) -> str:
        """What it begins with, in capitals."""
        match = _FIRST_WORD.match(self.code)
        return match[1].upper() if match else ""

    @property
    def writes(self) -> bool:
        """Whether it plainly is no query; what a function or a WITH does besides only the database knows."""
        return self.first_word in _WRITES

    @property
    def tables(self) -> list[str]:
        """The tables that it names, as they are spelled there."""
        return list(dict.fromkeys(match[1] for match in _TABLE.finditer(self.code)))

    @property
    def key_column(self) -> str | None:
        """The column that it compares with `:key`; None if that can't be seen."""
        match = _KEY_COLUMN.search(self.bare)
        return (match[1] or match[2]) if match else None

    @property
    def has_id(self) -> bool:
        """Whether a column `id` may be among what it returns."""
        return bool(_ID.search(self.code))

    @property
    def takes_repeats(self) -> bool:
        """Whether it says itself what happens to a row that is there already."""
        return bool(_REPEATS.search(self.code))


class SqlStatement(CompiledText):
    """One SQL statement. What it holds is read by the rules of the database that it is for: `parsed`.

    Attributes:
        written: What it is called in the list of all keys.
    """

    written: ClassVar[str] = "SQL statement"
    expected = "write an SQL statement, such as SELECT id, name, phone FROM customers WHERE id = :key"

    def __init__(self, source: str) -> None:
        if "{{" in source or "{%" in source:
            raise ValueError(
                "nothing is filled into a statement: write :name here, and {{ }} as its value below parameters:"
            )
        if not source.strip(" \t\r\n;"):
            raise ValueError("write an SQL statement")
        if "\0" in source:
            raise ValueError("a statement has no NUL character in it")
        super().__init__(source)

    def parsed(self, backend: str) -> Parsed:
        """Return what it holds for a database (`postgresql`, `mysql`, `mariadb`, `mssql`, `sqlite`, …)."""
        return _parsed(self.source, _HOW.get(backend, "standard"))

    @classmethod
    def parse(cls, value: object) -> Self:
        """See `CompiledText.parse`; a number is none."""
        if not isinstance(value, (str, cls)):
            raise ValueError(cls.expected)
        return super().parse(value)

    @classmethod
    def __get_pydantic_json_schema__(cls, _core: CoreSchema, _handler: GetJsonSchemaHandler) -> dict[str, Any]:
        return {"type": "string", "description": "One SQL statement; :name is a parameter"}


@lru_cache(maxsize=500)
def _parsed(source: str, quoting: str) -> Parsed:
    bare = source.strip().rstrip("; \t\r\n")
    code, escaped, names, several, at = [], [], [], False, 0
    for match in _SCANNERS[quoting].finditer(bare):
        between = bare[at : match.start()]
        code.append(between)
        escaped.append(_plain(between))
        at = match.end()
        if match["name"] is not None:
            names.append(match["name"])
            code.append(match[0])
            escaped.append(match[0])
        elif match["apart"] is not None:
            is_name = (match[0][0] in '`["' and quoting != "backslashes") or match[0][0] == "`"
            code.append(match[0] if is_name else " ")
            escaped.append(_plain(match[0]))
        else:
            several = several or match["end"] is not None
            code.append(match[0])
            escaped.append(_plain(match[0]))
    code.append(bare[at:])
    escaped.append(_plain(bare[at:]))
    return Parsed("".join(code), bare, "".join(escaped), tuple(dict.fromkeys(names)), several)


def _plain(piece: str) -> str:
    """A piece without parameters, its colons marked as what they are."""
    return piece.replace(":", "\\:")

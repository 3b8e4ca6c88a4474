"""Which columns of a table hold phone numbers, names, and whom a call is put through to: told by the words of the
header, in Spanish and English, and by what stands in the cells."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

import phonenumbers

from bridge.config.dial import kinds
from connectors.phone import Phone
from connectors.phonebulk import Numbers


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_PHONE = _words(
    "tel telf tfno tlf tlfn tfn tfo telefono telefonos telefon phone phones telephone movil moviles mobile cell "
    "celular cel gsm whatsapp"
)
_NO_PHONE = _words("fax dni nif cif nie iban cuenta ccc cp postal zip factura pedido importe fecha date")
_EXTENSION = _words(
    "extension extensiones ext extn interno anexo desvio desviar transferir transferencia transfer destino"
)
_AGENT = _words(
    "agente agent asesor asesora comercial gestor gestora responsable vendedor vendedora delegado delegada medico "
    "medica doctor doctora dr dra tecnico tecnica owner advisor rep operador operadora atiende asignado asignada "
    "profesional"
)
_NAMES = {
    "nombre completo": 9, "nombre y apellidos": 9, "apellidos y nombre": 9, "full name": 9, "name": 8, "nombre": 8,
    "nombre cliente": 8, "nombre paciente": 8, "razon social": 7, "cliente": 6, "paciente": 6, "customer": 6,
    "client": 6, "patient": 6, "contacto": 5, "contact": 5, "titular": 5, "socio": 5, "alumno": 5, "denominacion": 5,
    "empresa": 4, "company": 4, "nombre comercial": 4, "apellidos": 2, "surname": 2, "last name": 2,
}  # fmt: skip
_PLAIN_EXTENSION = re.compile(r"[0-9*#]{1,6}")
_MOST = 0.6
_SOME = 0.2
_FEW = 0.25
_ENOUGH = 8
LONGEST_NAME = 200
"""Characters of a column's name from which on it is left alone."""


@dataclass(frozen=True)
class Choice:
    """The columns that were chosen, by their names in the file; empty where there is none."""

    phones: tuple[str, ...] = ()
    name: str = ""
    transfer: str = ""


@dataclass
class _Column:
    """What is known of a column: its name in plain words, how many of its cells that are not empty are phone numbers,
    extensions, or words, as shares; how many different ones there are for each; `rows`: how many cells it has."""

    title: str
    words: frozenset[str]
    plain: str
    phones: float = 0.0
    extensions: float = 0.0
    letters: float = 0.0
    variety: float = 1.0
    cells: int = 0
    rows: int = 0


def plain(text: str) -> str:
    """Return a header's words without accents, capitals and signs."""
    bare = "".join(c for c in unicodedata.normalize("NFKD", text) if not unicodedata.combining(c)).casefold()
    return " ".join(re.findall(r"[^\W\d_]+", bare))


def is_extension(text: str, country: str) -> bool:
    """Return whether a text is an extension that may be dialled as it is: a few digits, but not those of the police."""
    return bool(_PLAIN_EXTENSION.fullmatch(text)) and not phonenumbers.is_emergency_number(text, country)


def is_number(phone: Phone) -> bool:
    """Return whether it is a number that a person may have."""
    return bool({"fixed", "mobile", "voip", "toll_free", "company"}.intersection(kinds(phone)))


def looks_like_header(cells: Sequence[str], country: str) -> bool:
    """Return whether a row names columns that we know, which no row of data and no title does."""
    filled = [cell for cell in cells if cell.strip()]
    numbers = Numbers(country)
    if len(filled) < 2 or any(any(map(is_number, numbers.phones(cell))) for cell in filled):
        return False
    words = [frozenset(plain(cell).split()) for cell in filled]
    return any(_PHONE & title for title in words)


def guess(header: Sequence[str], rows: Sequence[Sequence[str]], country: str) -> Choice:
    """Return the columns of a table by its header and some of its rows."""
    columns = [_column(title, [row[place] for row in rows], country) for place, title in enumerate(header)
               if title and len(title) <= LONGEST_NAME]  # fmt: skip
    transfer = _transfer(columns)
    phones = [column for column in columns if column.title != transfer and _holds_phones(column)]
    named = [column for column in phones if column.words & _PHONE]
    # A column whose header says nothing counts where no header says it, or where it is as full as those that do.
    chosen = phones if not named else [column for column in phones if column in named or column.phones > 0.9]
    return Choice(
        tuple(column.title for column in chosen), _name(columns, {transfer, *(c.title for c in chosen)}), transfer
    )


def nameless(header: Sequence[str], rows: Sequence[Sequence[str]], country: str) -> tuple[str, ...]:
    """Return the columns that hold phone numbers and have no name, as those below the rest of a merged cell have none:
    by their letters, as a spreadsheet shows them."""
    columns = {place: _column("", [row[place] for row in rows], country)
               for place, title in enumerate(header) if not title}  # fmt: skip
    return tuple(_letters(place) for place, column in columns.items() if _holds_phones(column))


def _letters(place: int) -> str:
    more, last = divmod(place, 26)
    return (_letters(more - 1) if more else "") + chr(ord("A") + last)


def _column(title: str, cells: Sequence[str], country: str) -> _Column:
    filled = [cell.strip() for cell in cells if cell.strip()]
    simple = plain(title)
    column = _Column(title, frozenset(simple.split()), simple, cells=len(filled), rows=len(cells))
    if filled:
        numbers = Numbers(country)
        column.phones = sum(any(map(is_number, numbers.phones(cell))) for cell in filled) / len(filled)
        column.extensions = sum(is_extension(cell, country) for cell in filled) / len(filled)
        column.letters = sum(sum(map(str.isalpha, cell)) > sum(map(str.isdigit, cell)) for cell in filled) / len(filled)
        column.variety = len(set(filled)) / len(filled)
    return column


def _holds_phones(column: _Column) -> bool:
    if column.words & _NO_PHONE:
        return False
    if column.words & _PHONE:
        return not column.cells or column.phones >= _SOME
    return column.cells > 0 and column.phones >= _MOST


def _transfer(columns: Sequence[_Column]) -> str:
    """The column that says whom a call is put through to."""
    best, most = "", 0
    numbers = sum(_holds_phones(column) for column in columns)
    for column in columns:
        dialled = column.phones + column.extensions
        if column.rows and dialled < _MOST:
            continue
        score = 0
        if column.words & _EXTENSION and not column.words & _NO_PHONE:
            score = 4
        elif column.words & _AGENT and (column.cells or column.words & _PHONE):
            score = 3
        elif (
            numbers > 1 and column.phones >= _MOST and column.cells >= _ENOUGH and column.variety <= _FEW
            and not column.words & _NO_PHONE
        ):  # fmt: skip
            score = 1  # the same few numbers again and again are those of the firm's own people
        if score > most:
            best, most = column.title, score
    return best


def _name(columns: Sequence[_Column], taken: set[str]) -> str:
    best, most = "", 0
    for column in columns:
        if column.title in taken or (column.cells and column.letters < _MOST):
            continue
        score = _NAMES.get(column.plain, 0)
        if not score:
            score = max(
                (weight - 2 for words, weight in _NAMES.items() if set(words.split()) <= column.words), default=0
            )
            score = 0 if column.words & _AGENT else score
        if score > most:
            best, most = column.title, score
    return best

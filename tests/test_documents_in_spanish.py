"""Each page NAME.es.md says what NAME.md says: the same sections, code, commands, keys, links and tables, and the
buttons by the names that the console has in Spanish. The prose itself nobody can test."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from bridge.texts import said
from tests.test_documents import PAGES, ROOT
from tests.texts.catalogue import kept, messages

SPANISH = [page for page in PAGES if page.name.endswith(".es.md")]
PLACEHOLDERS = {  # what stands for a value of yours, in Spanish and in English
    "CANAL": "CHANNEL", "CARPETA": "FOLDER", "CARPETA_DEL_PROYECTO": "PATH_OF_THE_CHECKOUT", "CLAVE": "KEY",
    "CONECTOR": "CONNECTOR", "DIRECCION": "ADDRESS", "DIRECTORY": "FOLDER", "EQUIPO": "HOST", "FICHERO": "FILE",
    "FUENTE": "SOURCE", "LINEA": "LINE", "NOMBRE": "NAME", "NUMERO": "NUMBER", "PUERTO": "PORT", "TABLA": "TABLE",
    "VALOR": "VALUE",
}  # fmt: skip
WORDS = {  # parts of what commands say, which are no messages by themselves
    "warning:": "aviso:", "as of": "a fecha de", "of this version": "es de esta versión",
    "of an earlier version": "es de una versión anterior", "of a newer version": "es de una versión más reciente",
    "is not there yet": "todavía no existe", "is empty": "está vacía", "it can't be asked": "no se le puede preguntar",
    "beside which this one may work": "junto a la que esta puede trabajar",
}  # fmt: skip
_CODE = re.compile(r"^( *)```(\w*)[^\n]*\n(.*?)^ *```$", re.S | re.M)
_SPAN = re.compile(r"(?<!`)`([^`]+)`(?!`)", re.S)
_LINK = re.compile(r"\]\(([^)\s]+)\)")
_REMARK = {"python": r'"""[^"]*"""|#.*', "sql": r"--.*"}
_CATALOGUE = {message.id: message.string for message in messages(kept()).values() if isinstance(message.id, str)}
_RUN = ("panel.es.md",)  # what they show has Spanish names and is run as it stands, by a test of theirs
_NOT_COMPARED = ("text", "json")  # drawings and what is printed, in the reader's language


def sections(page: Path) -> list[str]:
    """The page from heading to heading."""
    blank = _CODE.sub(lambda block: re.sub(r"^#", " #", block[0], flags=re.M), page.read_text("utf-8"))
    return re.split(r"^(?=#+ )", blank, flags=re.M)


def code(section: str) -> Iterator[tuple[str, str]]:
    """The blocks of code, without remarks."""
    for indent, language, body in _CODE.findall(section):
        if language == "console":
            yield language, "\n".join(line for line in body.splitlines() if line.lstrip().startswith("$"))
        elif language not in _NOT_COMPARED:
            plain = re.sub(_REMARK.get(language, r"(?<!\S)#.*"), "", body)
            plain = re.sub(r"^language: \w+", "language:", plain, flags=re.M)
            lines = [line.removeprefix(indent).rstrip() for line in plain.splitlines() if line.strip()]
            yield language, named("\n".join(lines))


def spans(section: str) -> set[str]:
    """What stands in `backquotes`, with the placeholders in English."""
    return {named(" ".join(span.split())) for span in _SPAN.findall(_CODE.sub("", section))}


def named(text: str) -> str:
    """The text with the placeholders in English."""
    return re.sub(r"\b[A-Z_]{4,}\b", lambda word: PLACEHOLDERS.get(word[0], word[0]), text)


def in_spanish(words: str) -> str:
    """What the bridge says in English, as it says it in Spanish."""
    return WORDS.get(words) or said(words).render("es")


def links(section: str) -> set[str]:
    """Where the section leads, whichever the language."""
    return {
        link.partition("#")[0].replace(".es.", ".").replace(".en.", ".")
        for link in _LINK.findall(_CODE.sub("", section))
    }


def tables(section: str) -> list[int]:
    """How many cells each row has."""
    rows = [line for line in _CODE.sub("", section).splitlines() if line.lstrip().startswith("|")]
    return [len(re.findall(r"(?<!\\)\|", row)) for row in rows]


@pytest.fixture(params=SPANISH, ids=lambda page: str(page.relative_to(ROOT)))
def pair(request: pytest.FixtureRequest) -> tuple[Path, Path]:
    """A page in English, and in Spanish."""
    spanish: Path = request.param
    return spanish.with_name(spanish.name.replace(".es.md", ".md")), spanish


def test_it_has_the_same_sections(pair: tuple[Path, Path]) -> None:
    english, spanish = ([section.partition(" ")[0] for section in sections(page)] for page in pair)
    assert spanish == english


def test_each_section_has_the_same_code_keys_links_and_tables(pair: tuple[Path, Path]) -> None:
    for english, spanish in zip(*map(sections, pair), strict=True):
        title = spanish.partition("\n")[0]
        compared = slice(0, 1 if pair[1].name in _RUN else 2)
        assert [block[compared] for block in code(spanish)] == [block[compared] for block in code(english)], title
        assert links(spanish) == links(english), title
        assert tables(spanish) == tables(english), title
        there = spans(spanish)
        lacking = {span for span in spans(english) if not {span, in_spanish(span)} & there}
        surplus = there - spans(english) - {in_spanish(span) for span in spans(english)}
        assert (lacking, surplus) == (set(), set()), title


def test_it_leads_to_pages_in_spanish(pair: tuple[Path, Path]) -> None:
    english, spanish = pair
    paths = [spanish.parent / link.partition("#")[0] for link in _LINK.findall(spanish.read_text("utf-8"))]
    others = [path for path in paths if path.suffix == ".md" and not path.name.endswith(".es.md") and path != english]
    assert [path for path in others if path.with_suffix(".es.md").exists()] == []


def test_buttons_and_pages_have_the_names_that_the_console_shows(pair: tuple[Path, Path]) -> None:
    if pair[0].name == "presets.md":
        return  # its buttons are those of CRMs
    english, spanish = (
        {
            " ".join(words.split())
            for words in re.findall(r"(?<![*\w])\*([^*|]{1,80})\*(?![*\w])", page.read_text("utf-8"))
        }
        for page in pair
    )
    assert {_CATALOGUE[words] for words in english if words in _CATALOGUE} - spanish == set()

"""The table of a country's rules in docs/commercial-calls.md, in both languages. Run as a program, it brings the pages
up to date:

    .venv/bin/python -m tests.config.lawtable
"""

from __future__ import annotations

import re
from pathlib import Path

from bridge.config.lawbook import CallerRule, Lawbook, PeopleRule, Rule, lawbook
from bridge.texts import Language

DOCS = Path(__file__).parents[2] / "docs"
PAGES: dict[Language, Path] = {"en": DOCS / "commercial-calls.md", "es": DOCS / "commercial-calls.es.md"}
_PLACE = re.compile(r"(?<=<!-- rules -->\n).*?(?=<!-- end of rules -->)", re.S)
_HEADS = {
    "en": "| since | what it asks | the bridge | where it is written |",
    "es": "| desde | qué exige | el bridge | dónde está escrito |",
}
_DOES = {
    "kept": {"en": "kept back", "es": "se retiene"},
    "warned": {"en": "warning", "es": "aviso"},
    "400": {"en": "warning, or kept back by `require_400`", "es": "aviso, o se retiene con `require_400`"},
    "people": {"en": "you", "es": "usted"},
}
_OPEN = {"en": "Open", "es": "Sin aclarar"}
_CHECKED = {
    "en": "Last compared with the sources on {day}; as of then these are {version}.",
    "es": "Cotejadas con las fuentes por última vez el {day}; a esa fecha son {version}.",
}


def table(language: Language) -> str:
    """The rules of Spain, the newest first."""
    book = lawbook("ES")
    assert book is not None
    rules = sorted(book.rules, key=lambda rule: (rule.since, rule.id), reverse=True)
    rows = [_HEADS[language], "| --- | --- | --- | --- |", *(_row(rule, language) for rule in rules)]
    return "\n".join([*rows, "", _dated(book, language), ""])


def page(language: Language) -> str:
    """The page as it has to be."""
    return _PLACE.sub(lambda _place: table(language), PAGES[language].read_text("utf-8"))


def _row(rule: Rule, language: Language) -> str:
    asks = rule.says.in_(language)
    if rule.doubt is not None:
        asks += f" **{_OPEN[language]}:** {rule.doubt.in_(language)}."
    return f"| {rule.since} | {asks} | {_DOES[_does(rule)][language]} | [{rule.source}]({rule.url}) |"


def _does(rule: Rule) -> str:
    if isinstance(rule, PeopleRule):
        return "people"
    if not isinstance(rule, CallerRule) or rule.sure == "certain":
        return "kept"
    return "400" if rule.only is not None else "warned"


def _dated(book: Lawbook, language: Language) -> str:
    return _CHECKED[language].format(day=book.checked, version=f"`{book.version(book.checked)}`")


if __name__ == "__main__":
    for of, path in PAGES.items():
        path.write_text(page(of), encoding="utf-8")

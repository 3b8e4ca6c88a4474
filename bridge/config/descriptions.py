"""What sections and keys say of themselves, in the language of whoever reads it. English stands in the models, Spanish
in the catalogue, as of every other text."""

from __future__ import annotations

import inspect

from pydantic import BaseModel

from bridge import texts
from bridge.texts import Language


def translated(words: str, language: Language) -> str:
    """Return a description in a language; that of another package's connector stays in English."""
    return texts.Text(words).render(language)


def of_section(model: type[BaseModel]) -> str:
    """Return what a section says of itself, in one line."""
    return " ".join((inspect.getdoc(model) or "").split("\n\n", maxsplit=1)[0].split())

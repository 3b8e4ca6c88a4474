"""Names and values of a call's variables (manual, Appendix II)."""

from __future__ import annotations

import re
import unicodedata

from anyascii import anyascii

NAME = re.compile(r"[A-Z0-9]{1,15}")

_ALLOWED = re.compile("[ -~\u00a0-\u00ff]*")
_SENDABLE = re.compile("[ !#-%(-;=?-~\u00a0-\u00ff]*")  # what is allowed, without the five characters of _ENTITIES
_CONTROLS = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029]+")
_FOREIGN = re.compile("[^ -~\u00a0-\u00ff]")
_ENTITIES = {"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&apos;"}
_ESCAPES = str.maketrans(_ENTITIES)
_CHARACTERS = {entity: character for character, entity in _ENTITIES.items()}
_ENTITY = re.compile("&(?:amp|lt|gt|quot|apos);")


def valid_name(name: str) -> bool:
    """Return whether the platform takes this name of a variable: A-Z and 0-9, 1 to 15 of them, in capitals."""
    return NAME.fullmatch(name) is not None


def clean(value: str) -> str:
    """`value` in the characters that the platform takes: printable ASCII and ISO-8859-1. Never fails.

    Accents written apart are joined (NFC). A run of control characters or line breaks becomes one space. What
    ISO-8859-1 can't hold becomes the nearest that it can: its letter with fewer accents (`ő` to `o`, `ế` to `ê`), else
    its spelling in ASCII (`€` to `EUR`, `ł` to `l`, `“` to `"`, `Ж` to `Zh`); what has no spelling is left out, never
    a `?`. The manual sets no longest length for values, so none is cut. Cleaning twice changes nothing more.
    """
    if _ALLOWED.fullmatch(value):
        return value
    return _FOREIGN.sub(_nearest, _CONTROLS.sub(" ", unicodedata.normalize("NFC", value)))


def _nearest(match: re.Match[str]) -> str:
    character = match[0]
    while parts := unicodedata.decomposition(character):
        if parts.startswith("<"):  # a compatibility spelling (`ﬁ`, `①`), not a letter with a mark
            break
        character = chr(int(parts.split()[0], 16))
        if character <= "\xff":
            return character
    spelled = _FOREIGN.sub("", anyascii(character))
    return spelled if "?" not in spelled or _asks(character) else spelled.replace("?", "")


def _asks(character: str) -> bool:
    """Whether it is a question mark in some script: anyascii writes one for letters that it can't spell, too."""
    return re.search("QUESTION|INTERROBANG", unicodedata.name(character, "")) is not None


def escape(value: str) -> str:
    """Return the five characters that values may not hold, as entities: in JSON as well as in XML."""
    return value.translate(_ESCAPES)


def sendable(value: str) -> str:
    """`value` cleaned and escaped, as an answer holds it."""
    return value if _SENDABLE.fullmatch(value) else escape(clean(value))


def unescape(value: str) -> str:
    """Return the five entities undone, once: `&amp;lt;` is `&lt;`. Any other `&` stays as it is."""
    return _ENTITY.sub(lambda entity: _CHARACTERS[entity[0]], value) if "&" in value else value

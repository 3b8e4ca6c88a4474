"""SOQL and SOSL statements. Values get into them here alone, quoted; names come from the org's own descriptions.

Whatever `where:` the admin wrote goes in parentheses: AND and OR of one level without them are MALFORMED_QUERY.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from urllib.parse import quote

import phonenumbers
from simple_salesforce.format import format_soql

from connectors.base import Misconfigured
from connectors.phone import Phone

LONGEST_TEXT = 4000
"""Characters that a quoted text in WHERE may have."""
_LONGEST_URL = 14_000  # bytes; URL and headers together have to stay under 16,384
_RESERVED = re.compile(r"""([?&|!{}\[\]()^~*:\\"'+-])""")
_QUOTED = re.compile(r"'(?:[^'\\]++|\\.?)*+(?P<end>'?)", re.S)
_CLAUSE = re.compile(r"\b(ORDER\s+BY|GROUP\s+BY|LIMIT|OFFSET|WITH|FOR|SELECT|FROM|WHERE)\b", re.I)


def quoted(value: str) -> str:
    """Return a text as a SOQL literal."""
    return str(format_soql("{}", value))


def quotable(value: str, length: int) -> bool:
    """Return whether a text could stand in a field of so many characters: what is longer, blank or no text can't be
    there."""
    if not value.strip() or any(ord(c) < 32 and c not in "\t\n\r" for c in value):
        return False
    try:
        units = len(value.encode("utf-16-le")) // 2
    except UnicodeEncodeError:
        return False
    return units <= min(length or LONGEST_TEXT, LONGEST_TEXT)


def like_digits(digits: str) -> str:
    """Return a LIKE pattern for a number, whatever people put between its digits."""
    return str(format_soql("'%{:like}%'", "\0".join(digits))).replace("\0", "%")


def spellings(phone: Phone, country: str) -> list[str]:
    """Return the digits by which a number may have been written down: SOSL's index finds none by the other."""
    number = phonenumbers.parse(phone.e164)
    national = phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.NATIONAL)
    dialled = phonenumbers.format_out_of_country_calling_number(number, country)
    texts = [phone.national, phone.digits, f"00{phone.digits}", national, dialled]
    digits = [re.sub(r"\D", "", text) for text in texts]
    return list(dict.fromkeys(text for text in digits if len(text) > 1))


def escape_term(term: str) -> str:
    """Return a search term for SOSL's braces; it escapes for the term, and the URL is encoded after that."""
    return _RESERVED.sub(r"\\\1", term)


@dataclass(frozen=True)
class Statement:
    """What is wanted of one object. `where` are conditions that must all hold, each complete in itself."""

    columns: Sequence[str]
    source: str
    where: Sequence[str] = ()
    order: str = ""
    limit: int | None = None

    def soql(self) -> str:
        """As a query of its own. Raises `Misconfigured` where it is too long for a URL."""
        return short_enough(f"SELECT {', '.join(self.columns)} FROM {self.source}{self._rest()}")  # noqa: S608 - values are quoted above

    def returning(self) -> str:
        """As one object of SOSL's RETURNING."""
        return f"{self.source}({', '.join(self.columns)}{self._rest()})"

    def _rest(self) -> str:
        where = f" WHERE {' AND '.join(self.where)}" if self.where else ""
        order = f" ORDER BY {self.order}" if self.order else ""
        return f"{where}{order}{'' if self.limit is None else f' LIMIT {self.limit}'}"


def sosl(terms: Iterable[str], group: str, statements: Iterable[Statement]) -> str:
    """Return a search for any of the terms. `group` is PHONE or ALL. Raises `Misconfigured` where it is too long."""
    find = " OR ".join(escape_term(term) for term in terms)
    returning = ", ".join(statement.returning() for statement in statements)
    return short_enough(f"FIND {{{find}}} IN {group} FIELDS RETURNING {returning}")


def short_enough(statement: str) -> str:
    """Return the statement itself, where it fits into a URL."""
    if len(quote(statement, safe="")) > _LONGEST_URL:
        raise Misconfigured(f"the query is longer than Salesforce takes: read fewer fields, or a shorter where: "
                            f"({statement[:80]}…)")  # fmt: skip
    return statement


def where_fault(where: str) -> str | None:
    """Return what keeps a text from being conditions and nothing else; None where it is fine."""
    outside = _QUOTED.sub(lambda literal: "''" if literal["end"] else "'", where)
    if not where.strip():
        return "write a condition, or leave it out"
    if outside.count("'") % 2:
        return "a quote is not closed"
    if "{{" in outside:
        return "{{ }} is not for here: write the values themselves"
    depth = 0
    for character in outside:
        depth += {"(": 1, ")": -1}.get(character, 0)
        if depth < 0:
            break
    if depth:
        return "the parentheses do not match"
    clause = _CLAUSE.search(re.sub(r"\(\s*SELECT\b.*", "", outside, flags=re.I | re.S))
    return f"write conditions alone, without {clause[0].upper()}" if clause else None

"""What the lists of commercial calls know of numbers: who opposed, whom exclusion lists permitted."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace
from pathlib import Path

from sqlalchemy import Connection

from bridge.callbacks.gates import Candidate, CommercialFacts
from bridge.callbacks.tasks import Rules
from bridge.store import exclusions, oppositions, spool
from bridge.store.exclusions import NumberStanding


def known(connection: Connection, rules: Rules, numbers: Collection[str]) -> dict[str, CommercialFacts]:
    """Return what is known of each number (E.164), for calls of the source with these rules."""
    opposed = oppositions.opposed(connection, numbers)
    checked = exclusions.known(connection, rules.title, numbers)
    facts = {}
    for number in numbers:
        standing = checked.get(number, NumberStanding())
        excluded = None if standing.permitted is not None else standing.denied_on
        facts[number] = CommercialFacts(number in opposed, standing.permitted, excluded)
    return facts


def facts_of(connection: Connection, rules: Rules, asked: Candidate) -> CommercialFacts | None:
    """Return what is known of whom a callback would ring; None where its calls are not commercial."""
    if not rules.commercial:
        return None
    return joined(asked, known(connection, rules, asked.numbers))


def facts_now(connection: Connection, rules: Rules, asked: Candidate, spooled: Path) -> CommercialFacts | None:
    """Return the same right before it rings. `spooled`: the file of this host's spool, whose oppositions come into the
    database some time after that was away."""
    facts = facts_of(connection, rules, asked)
    return None if facts is None else replace(facts, unheard=spool.may_hold(spooled, asked.numbers))


def joined(asked: Candidate, by_number: Mapping[str, CommercialFacts]) -> CommercialFacts:
    """Return what is known of both numbers of a callback together: one that opposed is enough to oppose, and both have
    to be permitted."""
    facts = [by_number.get(number, CommercialFacts()) for number in asked.numbers]
    days = [each.permitted for each in facts]
    permitted = min((day for day in days if day is not None), default=None)
    excluded = max((each.excluded for each in facts if each.excluded is not None), default=None)
    return CommercialFacts(any(each.opposed for each in facts), None if None in days else permitted, excluded)

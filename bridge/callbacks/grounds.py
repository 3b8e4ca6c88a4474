"""What allowed an emission, as its evidence says it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from sqlalchemy import Connection

from bridge.callbacks.gates import OF_COMMERCIAL, Candidate, Facts, Gate
from bridge.callbacks.tasks import Rules
from bridge.config.lawbook import Law
from bridge.store import exclusions
from bridge.store.callbacks import Callback
from bridge.store.evidence import Grounds


def of_emission(
    connection: Connection, callback: Callback, asked: Candidate, facts: Facts, rings_at: datetime
) -> Grounds | None:
    """Return by what the gates admitted the next emission of a callback. None: its source does not say what its calls
    are for (`purpose:`), so whoever comes from a version before does not begin to keep numbers for years."""
    rules = facts.rules
    if rules.source.purpose is None:
        return None
    law, consent = rules.law(rings_at), asked.consent
    return Grounds(
        number=asked.number.e164,
        customer=asked.customer.e164,
        line=rules.line.number,
        source=rules.title,
        callback=callback.id,
        emission=callback.emissions + 1,
        purpose=rules.source.purpose,
        basis=consent.basis if consent is not None else "",
        consent_date=consent.on.isoformat() if consent is not None and consent.on is not None else "",
        consent_proof=consent.proof if consent is not None else "",
        business=consent.business if consent is not None else False,
        gates=[gate.value for gate in _gates(rules, law)],
        lists=_lists(connection, rules, asked),
        rules=law.version if law is not None else "",
    )


def _gates(rules: Rules, law: Law | None) -> Iterator[Gate]:
    """Those that it passed, as far as they are about whether a person may be called. Where no law is known, nothing but
    an opposition is asked for."""
    yield Gate.NUMBER
    if rules.source.do_not_call:
        yield Gate.DO_NOT_CALL
    by_law = OF_COMMERCIAL if rules.commercial else (Gate.CALLER_NUMBER,)
    yield from (gate for gate in by_law if law is not None or gate is Gate.OPPOSED)
    yield from (Gate.HOURS, Gate.PER_NUMBER)


def _lists(connection: Connection, rules: Rules, asked: Candidate) -> dict[str, Any]:
    """Which lists were asked: those of the configuration, the oppositions, and the checks against exclusion lists with
    the day on which they permitted the numbers."""
    lists: dict[str, Any] = {}
    if rules.source.do_not_call:
        lists["do_not_call"] = [f"{listed.in_}.{listed.table}" for listed in rules.source.do_not_call]
    if not rules.commercial:
        return lists
    known_checks = exclusions.known(connection, rules.title, asked.numbers)
    days = [known_checks[number].permitted if number in known_checks else None for number in asked.numbers]
    permitted = min((day for day in days if day is not None), default=None)
    return {
        **lists,
        "opposed": False,
        "permitted_on": permitted.isoformat() if permitted is not None and None not in days else None,
        "checks": sorted({check.check for check in known_checks.values() if check.check is not None}),
    }

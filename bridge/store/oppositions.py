"""Who does not want to be called for business: each under a reference that the person is told.

A number is known by a keyed hash of it, whose key the database holds, so that who was forgotten (`privacy.forget`)
stays known as somebody who is not to be called. Nothing here is ever purged.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, Row, Select, select, update

from bridge.store.database import Database, in_turn
from bridge.store.tables import meta, oppositions

EXAMPLE = "0000000000"
"""A reference that nobody has, to show one."""
_KEY = "opposition_key"
_DIGITS = 9
_DAMM = ("0317598642", "7092154863", "4206871359", "1750983426", "6123045978",
         "3674209581", "5869720134", "8945362017", "9438617205", "2581436790")  # fmt: skip
"""Damm's table: its check digit shows every wrong digit, and every two neighbours that changed places."""


@dataclass(frozen=True, slots=True)
class NewOpposition:
    """An opposition that comes in. `e164`: whose; `source`: by what (`query NAME`, `console`, `cli`, `import`);
    `reference`: that it gets if the number has none so far. `announced`: the person was told that reference already, so
    it is kept in any case."""

    e164: str
    reference: str
    at: datetime
    source: str
    announced: bool = False


@dataclass(frozen=True, slots=True)
class Opposition:
    """An opposition that is kept. `number` is empty where the person was forgotten; `withdrawn_at`: since when it does
    not hold any more."""

    id: int
    number: str
    reference: str
    at: datetime
    source: str
    withdrawn_at: datetime | None


def new_reference() -> str:
    """Return a reference that nobody has, as good as certainly: ten digits, the last one checks the others. The first
    is no 0, which a spreadsheet would drop."""
    digits = f"{secrets.randbelow(9 * 10 ** (_DIGITS - 1)) + 10 ** (_DIGITS - 1)}"
    return f"{digits}{_check(digits)}"


def read_reference(text: str) -> str:
    """Return a reference that a person wrote, as it is kept; empty where it is none, because of its check digit for
    one."""
    digits = "".join(letter for letter in text if letter not in " .-")
    whole = len(digits) == _DIGITS + 1 and digits.isascii() and digits.isdigit()
    return digits if whole and _check(digits) == 0 else ""


def _check(digits: str) -> int:
    interim = 0
    for digit in digits:
        interim = int(_DAMM[interim][int(digit)])
    return interim


def add(database: Database, connection: Connection, new: Sequence[NewOpposition]) -> dict[str, str]:
    """Keep oppositions, and return the reference of each number: one that opposed before has its first. Until the
    transaction ends nobody of these is called; from then on whoever is about to ring finds it."""
    if not new:
        return {}
    for number in sorted({each.e164 for each in new}):
        in_turn(database, connection, f"number:{number}")
    key = _key(database, connection)
    references = opposed(connection, [each.e164 for each in new])
    for each in new:
        if each.e164 not in references or each.announced:
            added = _insert(database, connection, each, _digest(key, each.e164))
            references.setdefault(each.e164, added)
    return references


def _insert(database: Database, connection: Connection, new: NewOpposition, digest: str) -> str:
    """The reference by which it is kept: another one, should somebody else have that of `new`."""
    reference = new.reference
    while True:
        row = {"digest": digest, "number": new.e164, "reference": reference, "at": new.at, "source": new.source[:128]}
        statement = database.insert(oppositions).values(row).on_conflict_do_nothing().returning(oppositions.c.id)
        if connection.execute(statement).first() is not None:
            return reference
        same = select(oppositions.c.digest).where(oppositions.c.reference == reference)
        if connection.execute(same).scalar() == digest:  # what a spool brings for the second time
            return reference
        reference = new_reference()


def opposed(connection: Connection, numbers: Collection[str]) -> dict[str, str]:
    """Return the references of those of these numbers (E.164) that oppose, by number."""
    key = connection.execute(select(meta.c.value).where(meta.c.name == _KEY)).scalar()
    if key is None:
        return {}
    by_digest = {_digest(bytes.fromhex(key), number): number for number in set(numbers) if number}
    holds = (oppositions.c.digest.in_(list(by_digest)), oppositions.c.withdrawn_at.is_(None))
    query = select(oppositions.c.digest, oppositions.c.reference).where(*holds).order_by(oppositions.c.id.desc())
    return {by_digest[digest]: reference for digest, reference in connection.execute(query)}


def withdraw(connection: Connection, reference: str, now: datetime) -> bool:
    """Note that a person may be called again; return whether that reference held. It is kept as withdrawn. What the
    same number was told under other references is withdrawn with it."""
    same = select(oppositions.c.digest).where(oppositions.c.reference == reference)
    held = (oppositions.c.digest.in_(same), oppositions.c.withdrawn_at.is_(None))
    return connection.execute(update(oppositions).where(*held).values(withdrawn_at=now)).rowcount > 0


def of_number(connection: Connection, e164: str) -> list[Opposition]:
    """Return all of a number, the first one first, withdrawn ones too; also of somebody who was forgotten."""
    key = connection.execute(select(meta.c.value).where(meta.c.name == _KEY)).scalar()
    if key is None or not e164:
        return []
    query = _in_order().where(oppositions.c.digest == _digest(bytes.fromhex(key), e164))
    return [_opposition(row) for row in connection.execute(query)]


def by_reference(connection: Connection, reference: str) -> Opposition | None:
    """Return the one with this reference."""
    row = connection.execute(_in_order().where(oppositions.c.reference == reference)).first()
    return None if row is None else _opposition(row)


def latest(connection: Connection, limit: int, before: int | None = None) -> list[Opposition]:
    """Return the newest, newest first; `before`: only those with a lower id."""
    query = _columns().order_by(oppositions.c.id.desc()).limit(limit)
    if before is not None:
        query = query.where(oppositions.c.id < before)
    return [_opposition(row) for row in connection.execute(query)]


def each(database: Database, piece: int = 1000) -> Iterator[Opposition]:
    """Yield all, the first one first, read a piece at a time."""
    after = 0
    while True:
        with database.read() as connection:
            rows = connection.execute(_in_order().where(oppositions.c.id > after).limit(piece)).all()
        yield from map(_opposition, rows)
        if len(rows) < piece:
            return
        after = rows[-1].id


def forget(connection: Connection, e164: str) -> int:
    """Let go of the number itself: what is left is the hash by which it stays known, and the reference. How many."""
    return connection.execute(update(oppositions).where(oppositions.c.number == e164).values(number="")).rowcount


def _in_order() -> Select[tuple[object, ...]]:
    return _columns().order_by(oppositions.c.id)


def _columns() -> Select[tuple[object, ...]]:
    names = ("id", "number", "reference", "at", "source", "withdrawn_at")
    return select(*(oppositions.c[name] for name in names))


def _opposition(row: Row[tuple[object, ...]]) -> Opposition:
    return Opposition(**row._mapping)


def _key(database: Database, connection: Connection) -> bytes:
    """The key of the hashes, made with the first opposition."""
    row = database.insert(meta).values(name=_KEY, value=secrets.token_hex(32))
    connection.execute(row.on_conflict_do_nothing())
    return bytes.fromhex(connection.execute(select(meta.c.value).where(meta.c.name == _KEY)).scalar_one())


def _digest(key: bytes, e164: str) -> str:
    return hmac.new(key, e164.encode("utf-8", "replace"), hashlib.sha256).hexdigest()

"""The evidence of what allowed each emission: written in the transaction that claims it, so nothing rings without it.

The rows of an installation are a chain: each has the hash of what it says and of the row before it, so one that was
changed, removed or moved shows (`verify`). The newest row of a chain is noted in `meta`, and so is, once old rows are
gone (`purge`), the last of those. Whoever can write to the database could make a whole chain anew; the head of a
chain, noted down elsewhere, shows that as well.
"""

from __future__ import annotations

import hashlib
import json
import secrets
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, Row, delete, exists, func, insert, or_, select, text, update

from bridge.config.commercial import COMMERCIAL
from bridge.store.columns import storable
from bridge.store.database import Database, in_turn
from bridge.store.tables import evidence, meta

_HEAD, _ANCHOR = "evidence:", "evidence_anchor:"
_START = "0" * 64
_PIECE = 1000


@dataclass(frozen=True, slots=True)
class Grounds:
    """What allowed an emission. `callback` and `emission`: its callback, and which of its requests it was. `basis`,
    `consent_date`, `consent_proof`: of the consent, empty where none was needed. `gates`: those that let it pass, in
    order; `lists`: what was known of exclusion lists and oppositions; `rules`: the version of the rules that held."""

    number: str
    customer: str
    line: str
    source: str
    callback: int
    emission: int
    purpose: str
    basis: str = ""
    consent_date: str = ""
    consent_proof: str = ""
    business: bool = False
    gates: Sequence[str] = ()
    lists: Mapping[str, Any] = field(default_factory=dict)
    rules: str = ""


@dataclass(frozen=True, slots=True)
class EvidenceRow:
    """A row of a chain. `grounds` None: the person was forgotten, or somebody
    changed the row so that it can't be read. `annulled`: it is certain that nobody was rung."""

    installation: str
    seq: int
    at: datetime
    purpose: str
    grounds: Grounds | None
    annulled: bool


@dataclass(frozen=True, slots=True)
class ChainHead:
    """A row by which a chain is known: its number, and its hash. Written as `installation:number:hash`."""

    installation: str
    seq: int
    hash: str

    def __str__(self) -> str:
        return f"{self.installation}:{self.seq}:{self.hash}"

    @classmethod
    def parse(cls, text: str) -> ChainHead:
        """Return the one that is written so. Raises ValueError."""
        installation, seq, hash_ = text.strip().split(":")
        if len(hash_) != len(_START):
            raise ValueError(text)
        return cls(installation, int(seq), hash_)


@dataclass
class Verified:
    """What a look through a chain came to. `first`: the number of its first row that is kept; `purged_until`: the
    moment of the newest row that was dropped when its time was over, None for none; `erased`: rows of people who were
    forgotten; `faults`: what is wrong, by row."""

    installation: str
    head: ChainHead
    rows: int = 0
    first: int = 1
    purged_until: datetime | None = None
    erased: int = 0
    faults: list[ChainFault] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class ChainFault:
    """What is wrong with the row `seq` of a chain: `changed`, `missing` (up to `until`), `surplus`, `erased` (though
    the law demands it), `moved` (not the noted head's)."""

    what: str
    seq: int
    until: int = 0


def add(database: Database, connection: Connection, installation: str, grounds: Grounds, now: datetime) -> int:
    """Write what allows an emission, in the transaction that claims it; return the row's number in its chain."""
    content = {**_plain(grounds), "salt": secrets.token_hex(16)}
    return _append(
        database, connection, installation, now, grounds.purpose, content,
        number=grounds.number, customer=grounds.customer,
    )  # fmt: skip


def annul(database: Database, installation: str, seq: int, purpose: str, now: datetime) -> None:
    """Note that nobody was rung by the emission of this row."""
    with database.write() as connection:
        _append(database, connection, installation, now, purpose, {"annuls": seq}, annuls=seq)


def _append(
    database: Database,
    connection: Connection,
    installation: str,
    now: datetime,
    purpose: str,
    content: Mapping[str, Any],
    **values: Any,
) -> int:
    """Nobody else adds to the chain until the transaction ends."""
    in_turn(database, connection, f"evidence:{installation}")
    before = _head(connection, installation)
    seq, former = (before.seq + 1, before.hash) if before is not None else (1, _START)
    text_ = storable(json.dumps(content, ensure_ascii=False, sort_keys=True))
    digest, annuls = _sha256(text_), values.get("annuls")
    hash_ = _linked(former, installation, seq, now, purpose, digest, annuls)
    row = {
        "installation": installation, "seq": seq, "at": now, "purpose": purpose, "content": text_, "digest": digest,
        "hash": hash_, **values,
    }  # fmt: skip
    connection.execute(insert(evidence).values(row))
    _note(database, connection, _HEAD, installation, {"seq": seq, "hash": hash_})
    return seq


def of_number(connection: Connection, e164: str) -> list[EvidenceRow]:
    """Return what allowed the calls to a number, or about its owner, the first one first; without those by which nobody
    was rung."""
    theirs = or_(evidence.c.number == e164, evidence.c.customer == e164)
    rows = connection.execute(_rows().where(theirs).order_by(evidence.c.at, evidence.c.id))
    return [row for row in map(_row, rows) if not row.annulled]


def each(database: Database, since: datetime | None, until: datetime | None) -> Iterator[EvidenceRow]:
    """Yield all rows of emissions, the first one first, read a piece at a time; `until` excluded."""
    after = 0
    while True:
        query = _rows().where(evidence.c.id > after, evidence.c.annuls.is_(None)).order_by(evidence.c.id).limit(_PIECE)
        if since is not None:
            query = query.where(evidence.c.at >= since)
        if until is not None:
            query = query.where(evidence.c.at < until)
        with database.read() as connection:
            rows = connection.execute(query).all()
        yield from map(_row, rows)
        if len(rows) < _PIECE:
            return
        after = rows[-1].id


def verify(database: Database, noted: Collection[ChainHead] = ()) -> list[Verified]:
    """Look through every chain, and return what that came to. `noted`: heads that were noted down elsewhere, which
    still have to be in their chain."""
    with database.read() as connection:
        if database.postgresql:  # all pieces as of one moment, whatever is added or purged meanwhile
            connection.execute(text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ"))
        newest = _heads(connection)
        chains = set(connection.execute(select(evidence.c.installation).distinct()).scalars()) | newest.keys()
        chains |= {head.installation for head in noted}
        return [_verified(connection, installation, newest.get(installation), noted) for installation in sorted(chains)]


def _verified(
    connection: Connection, installation: str, head: ChainHead | None, noted: Collection[ChainHead]
) -> Verified:
    verified = Verified(installation, head or ChainHead(installation, 0, _START))
    last = ChainHead(installation, 0, _START)
    anchor, moment = _anchor(connection, installation)
    if anchor is not None:
        verified.first, verified.purged_until, last = anchor.seq + 1, moment, anchor
    to_find = {
        noted_head.seq: noted_head.hash for noted_head in noted
        if noted_head.installation == installation and noted_head.seq >= last.seq
    }  # fmt: skip
    _compare(verified, last, to_find)
    for row in _chain(connection, installation):
        if row.seq <= last.seq:
            verified.faults.append(ChainFault("surplus", row.seq))
            continue
        if row.seq > last.seq + 1:
            verified.faults.append(ChainFault("missing", last.seq + 1, row.seq - 1))
        elif not _fits(row, last.hash):
            verified.faults.append(ChainFault("changed", row.seq))
        verified.rows += 1
        if not row.content:
            verified.erased += 1
            if row.purpose == COMMERCIAL:
                verified.faults.append(ChainFault("erased", row.seq))
        last = ChainHead(installation, row.seq, row.hash)
        _compare(verified, last, to_find)
    if verified.head.seq > last.seq:
        verified.faults.append(ChainFault("missing", last.seq + 1, verified.head.seq))
    elif verified.head != last:
        verified.faults.append(ChainFault("surplus" if last.seq > verified.head.seq else "changed", last.seq))
    verified.faults += [ChainFault("moved", seq) for seq in sorted(to_find)]
    return verified


def _compare(verified: Verified, row: ChainHead, to_find: dict[int, str]) -> None:
    noted = to_find.pop(row.seq, None)
    if noted is not None and noted != row.hash:
        verified.faults.append(ChainFault("moved", row.seq))


def _chain(connection: Connection, installation: str) -> Iterator[Row[Any]]:
    after = 0
    while True:
        query = select(evidence).where(evidence.c.installation == installation, evidence.c.seq > after)
        rows = connection.execute(query.order_by(evidence.c.seq).limit(_PIECE)).all()
        yield from rows
        if len(rows) < _PIECE:
            return
        after = rows[-1].seq


def _fits(row: Row[Any], former: str) -> bool:
    """Whether a row says what it said when it was written, after the row `former`."""
    if _linked(former, row.installation, row.seq, row.at, row.purpose, row.digest, row.annuls) != row.hash:
        return False
    if not row.content:  # erased; its hash holds the chain together
        return not row.number and not row.customer
    if _sha256(row.content) != row.digest:
        return False
    content = json.loads(row.content)
    return (content.get("number", ""), content.get("customer", "")) == (row.number, row.customer)


def purge(database: Database, before: datetime) -> int:
    """Drop the rows that are older, from the start of each chain on, and note the last of them; how many."""
    dropped = 0
    with database.read() as connection:
        chains = list(connection.execute(select(evidence.c.installation).distinct()).scalars())
    for installation in chains:
        while count := _purged(database, installation, before):
            dropped += count
    return dropped


def _purged(database: Database, installation: str, before: datetime) -> int:
    ours = evidence.c.installation == installation
    with database.write() as connection:
        in_turn(database, connection, f"evidence:{installation}")
        start = select(evidence.c.seq, evidence.c.hash, evidence.c.at).where(ours).order_by(evidence.c.seq)
        old = []
        for row in connection.execute(start.limit(_PIECE)):
            if row.at >= before:
                break
            old.append(row)
        if not old:
            return 0
        last = old[-1]
        values = {"seq": last.seq, "hash": last.hash, "at": last.at.isoformat()}
        _note(database, connection, _ANCHOR, installation, values)
        return connection.execute(delete(evidence).where(ours, evidence.c.seq <= last.seq)).rowcount


def forget(connection: Connection, e164: str) -> tuple[int, int]:
    """Erase what rows say of a person, but of commercial calls, whose evidence the law demands; how many were erased,
    and how many are kept. The hashes of all stay."""
    theirs = or_(evidence.c.number == e164, evidence.c.customer == e164)
    others = (theirs, evidence.c.purpose != COMMERCIAL)
    blank = {"number": "", "customer": "", "content": ""}
    erased = connection.execute(update(evidence).where(*others).values(blank)).rowcount
    kept = connection.execute(select(func.count()).select_from(evidence).where(theirs)).scalar_one()
    return erased, int(kept)


def _rows() -> Any:
    other = evidence.alias()
    annulled = exists().where(other.c.installation == evidence.c.installation, other.c.annuls == evidence.c.seq)
    return select(evidence, annulled.label("annulled"))


def _row(row: Row[Any]) -> EvidenceRow:
    grounds = None
    if row.content:
        try:
            content = json.loads(row.content)
            content.pop("salt", None)
            grounds = Grounds(**content)
        except (ValueError, TypeError, AttributeError):  # somebody changed it; `verify` says so
            grounds = None
    return EvidenceRow(row.installation, row.seq, row.at, row.purpose, grounds, bool(row.annulled))


def _plain(grounds: Grounds) -> dict[str, Any]:
    values = {name: getattr(grounds, name) for name in Grounds.__dataclass_fields__}
    return {**values, "gates": list(grounds.gates), "lists": dict(grounds.lists)}


def _linked(
    former: str, installation: str, seq: int, at: datetime, purpose: str, digest: str, annuls: int | None
) -> str:
    moment = at.astimezone(UTC).isoformat(timespec="microseconds")
    return _sha256(json.dumps([former, installation, seq, moment, purpose, digest, annuls]))


def _sha256(text_: str) -> str:
    return hashlib.sha256(text_.encode()).hexdigest()


def _head(connection: Connection, installation: str) -> ChainHead | None:
    value = connection.execute(select(meta.c.value).where(meta.c.name == f"{_HEAD}{installation}")).scalar()
    if value is None:
        return None
    values = json.loads(value)
    return ChainHead(installation, values["seq"], values["hash"])


def _heads(connection: Connection) -> dict[str, ChainHead]:
    names = select(meta.c.name).where(meta.c.name.startswith(_HEAD, autoescape=True))
    chains = [name.removeprefix(_HEAD) for name in connection.execute(names).scalars()]
    return {chain: head for chain in chains if (head := _head(connection, chain)) is not None}


def _anchor(connection: Connection, installation: str) -> tuple[ChainHead | None, datetime | None]:
    """The last row that was dropped when its time was over, and of when it was."""
    value = connection.execute(select(meta.c.value).where(meta.c.name == f"{_ANCHOR}{installation}")).scalar()
    if value is None:
        return None, None
    values = json.loads(value)
    return ChainHead(installation, values["seq"], values["hash"]), datetime.fromisoformat(values["at"])


def _note(database: Database, connection: Connection, kind: str, installation: str, values: Mapping[str, Any]) -> None:
    row = database.insert(meta).values(name=f"{kind}{installation}", value=json.dumps(dict(values)))
    connection.execute(row.on_conflict_do_update(index_elements=["name"], set_={"value": row.excluded.value}))

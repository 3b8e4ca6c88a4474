"""Who is signed in: sessions on the server's side, which the database keeps and a signed cookie names.

While the database is away, whoever is signed in stays so by the signature alone, and whoever signs in has a session
for an hour that no database knows. The signature holds what the configuration says of a user: who is removed from it,
or changed in it, is signed out.
"""

from __future__ import annotations

import base64
import hashlib
import logging
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from bridge.config.console import ConsoleUser
from bridge.errors import StoreUnavailable
from bridge.runtime.limits import SharedLimits
from bridge.store import console
from bridge.store.database import Database
from bridge.web.console.sections import Role
from bridge.web.console.signing import SigningKey

_log = logging.getLogger("bridge.web.console")
ABSOLUTE = timedelta(hours=16)
"""How long a session lasts at most."""
IDLE = timedelta(hours=3)
"""How long one lasts that nobody uses; a page in a hidden tab does not use it."""
_APART = timedelta(hours=1)
"""How long one lasts that no database knows."""
_NOTED = timedelta(minutes=1)
_ENDED = "ended"
_KEPT, _LOOSE = "k", "l"


@dataclass(frozen=True, slots=True)
class SignedInUser:
    """Somebody who is signed in. `id`: of the session, a secret; `away`: why the database could not be asked, empty
    where it could."""

    id: str
    name: str
    role: Role
    away: str = ""


class Sessions:
    """All sessions. `users` gives those of the newest configuration, `database` the database, or raises
    `StoreUnavailable`; `limits` remembers which sessions ended while the database was away."""

    def __init__(
        self,
        users: Callable[[], Mapping[str, ConsoleUser]],
        database: Callable[[], Database],
        signing: SigningKey,
        limits: SharedLimits,
        clock: Callable[[], datetime],
    ) -> None:
        self._users, self._database, self._signing, self._limits, self._clock = users, database, signing, limits, clock

    def begin(self, user: ConsoleUser) -> str:
        """Begin a session for a user; the cookie that names it."""
        id_, now = secrets.token_hex(24), self._clock()
        kind = _KEPT
        try:
            database = self._database()
            with database.write() as connection:
                console.sweep(connection, now - ABSOLUTE)
                console.begin(connection, _digest(id_), user.name, now)
        except StoreUnavailable as error:
            _log.warning("a session of the console is kept by its signature alone: %s", error)
            kind = _LOOSE
        name = base64.urlsafe_b64encode(user.name.encode()).decode().rstrip("=")
        words = f"{kind}.{id_}.{int(now.timestamp())}.{name}"
        return f"{words}.{self._signing.sign('session', words, _what_is_told(user))}"

    def of(self, cookie: str) -> SignedInUser | None:
        """Return whose session a cookie names; None: nobody's, or one that has ended."""
        signed = self._signed(cookie)
        if signed is None:
            return None
        kind, id_, user, age = signed
        if self._limits.used_up(_ENDED, id_, (1, ABSOLUTE.total_seconds())):
            return None
        role = Role[user.role.upper()]
        try:
            session = self._kept(id_) if kind == _KEPT else None
        except StoreUnavailable as error:
            return SignedInUser(id_, user.name, role, str(error))
        if session is None and (kind == _KEPT or age > _APART):
            return None
        return SignedInUser(id_, user.name, role)

    def genuine(self, cookie: str) -> bool:
        """Return whether a cookie was made here for a user of today; the session may have ended."""
        return self._signed(cookie) is not None

    def end(self, session: SignedInUser) -> None:
        """End a session, wherever it is kept."""
        self._limits.count(_ENDED, session.id)
        try:
            with self._database().write() as connection:
                console.end(connection, _digest(session.id))
        except StoreUnavailable as error:
            _log.warning("a session of the console has ended on this host alone: %s", error)

    def _kept(self, id_: str) -> console.ConsoleSession | None:
        """The session in the database, noted as used; None where there is none, or nobody used it for long. Raises
        `StoreUnavailable`."""
        database, now = self._database(), self._clock()
        with database.read() as connection:
            session = console.session(connection, _digest(id_))
        if session is None or now - session.seen_at > IDLE:
            return None
        if now - session.seen_at > _NOTED:
            try:
                with database.write() as connection:
                    console.seen(connection, session.id, now)
            except StoreUnavailable:
                pass  # a disk that is full: it can be read, and the session goes on
        return session

    def _signed(self, cookie: str) -> tuple[str, str, ConsoleUser, timedelta] | None:
        """What a cookie says: its kind, its id, whose it is, how old; None where it is not ours."""
        parts = cookie.split(".")
        if len(cookie) > 400 or len(parts) != 5:
            return None
        kind, id_, created, encoded, signature = parts
        try:
            name = base64.urlsafe_b64decode(encoded + "=" * (-len(encoded) % 4)).decode()
            age = self._clock() - datetime.fromtimestamp(int(created), UTC)
        except (ValueError, OverflowError, OSError):
            return None
        user = self._users().get(name)
        words = ("session", cookie.rpartition(".")[0], _what_is_told(user)) if user is not None else ()
        if user is None or not self._signing.signed(signature, *words):
            return None
        return (kind, id_, user, age) if age <= ABSOLUTE else None


def _digest(id_: str) -> str:
    """What the database knows of a session: whoever reads it can't take one over."""
    return hashlib.sha256(id_.encode()).hexdigest()


def _what_is_told(user: ConsoleUser) -> str:
    """What the configuration says of a user."""
    secret = user.password or user.password_hash
    return "\0".join((user.name, user.role, secret.get_secret_value() if secret is not None else ""))

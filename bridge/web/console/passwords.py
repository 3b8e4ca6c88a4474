"""Whether a name and a password are right, and how often somebody may try."""

from __future__ import annotations

import hmac
import logging
from collections.abc import Callable, Mapping
from functools import cache

from werkzeug.security import check_password_hash, generate_password_hash

from bridge.config.console import ConsoleUser
from bridge.runtime.limits import SharedLimits
from bridge.store.columns import storable

_log = logging.getLogger("bridge.web.console")
LIMIT = (6, 900.0)
"""So many wrong passwords within so many seconds; then nobody is let in, right or wrong, until that is over."""
_LONGEST = 1024


class TooMany(Exception):
    """There were too many wrong passwords; `seconds` until it may be tried again."""

    def __init__(self, seconds: float) -> None:
        super().__init__(f"{seconds:.0f} s")
        self.seconds = seconds


class Passwords:
    """Checks passwords. `limits`: shared by the serving processes of this host."""

    def __init__(self, users: Callable[[], Mapping[str, ConsoleUser]], limits: SharedLimits) -> None:
        self._users, self._limits = users, limits

    def check(self, name: str, password: str, sender: str) -> ConsoleUser | None:
        """Return the user whose name and password these are; None: they are wrong. `sender`: what counts as one
        address. Raises `TooMany`."""
        self._let_in(name, sender)
        user = self._users().get(name)
        right = _right(user, password)
        if right and user is not None:
            return user
        _log.warning("wrong password at the console", extra={"fields": {"address": sender}})
        self._limits.count("name", name.casefold()[:200])
        self._limits.count("address", sender)
        self._let_in(name, sender)
        return None

    def _let_in(self, name: str, sender: str) -> None:
        wait = max(self._limits.wait("name", name.casefold()[:200], LIMIT), self._limits.wait("address", sender, LIMIT))
        if wait > 0:
            raise TooMany(wait)


def _right(user: ConsoleUser | None, password: str) -> bool:
    """Whether the password is the user's. It takes as long for a name that nobody has."""
    if len(password) > _LONGEST:
        return False
    password = storable(password)
    if user is not None and user.password_hash is not None:
        return check_password_hash(user.password_hash.get_secret_value(), password)
    check_password_hash(nobodys_hash(), password)
    if user is None or user.password is None:
        return False
    return hmac.compare_digest(user.password.get_secret_value().encode(), password.encode())


@cache
def nobodys_hash() -> str:
    """Return what a password is checked against where nobody has that name."""
    return generate_password_hash("", method="scrypt")

"""Signing in: once for all threads, ahead of time, and never twice with what was refused.

Tokens live in memory only. What the CRM refused is remembered until the connector is opened anew, which a changed
configuration does: accounts get locked by a password that is tried again and again.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from itertools import count
from typing import Protocol

from connectors.base import ConnectorError, Context, Deadline, Misconfigured, Unavailable
from connectors.rest.answers import SignInRefused
from connectors.rest.auth import ApiKey, Auth, Basic, Bearer, NoAuth
from connectors.rest.building import Credentials, basic
from connectors.singleflight import SingleFlight

_AHEAD = 60.0
_SETTLED = 60.0  # a refusal so soon after signing in is no session that ran out
_SHARE = 0.1  # of a short life, how much is left when it is renewed
_SIGN_IN = "sign-in"
_numbers = count(1)


@dataclass(slots=True)
class SignedIn:
    """Credentials with how long they are good, on the monotonic clock, and `since` when they are there. `accepted` once
    a request with them was let in; `number` tells them apart."""

    credentials: Credentials
    expires: float = math.inf
    renew_at: float = math.inf
    accepted: bool = False
    number: int = 0
    since: float = -math.inf


def lasting(credentials: Credentials, seconds: float | None, now: float) -> SignedIn:
    """Credentials that are good for so many seconds; None: until the CRM says otherwise."""
    number = next(_numbers)
    if seconds is None or seconds <= 0:
        return SignedIn(credentials, number=number, since=now)
    ahead = min(_AHEAD, seconds * _SHARE)
    return SignedIn(credentials, now + seconds, now + seconds - ahead, number=number, since=now)


class SignIn(Protocol):
    """What the connector needs to know of signing in."""

    def current(self, deadline: Deadline) -> SignedIn:
        """Return what to send along. Raises `ConnectorError`."""

    def renew(self, refused: SignedIn, error: ConnectorError, deadline: Deadline) -> SignedIn:
        """Return what to send along instead of what was refused with this `error`. Raises `ConnectorError`."""


def fixed(auth: Auth) -> Credentials | None:
    """Return the credentials of a way to sign in that takes no request; None for those that do."""
    if isinstance(auth, NoAuth):
        return Credentials({})
    if isinstance(auth, Basic):
        return Credentials({"Authorization": basic(auth.username, auth.password.get_secret_value())})
    if isinstance(auth, Bearer):
        return Credentials({"Authorization": f"{auth.scheme} {auth.token.get_secret_value()}"})
    if isinstance(auth, ApiKey):
        value = auth.value.get_secret_value()
        return Credentials({auth.header: value} if auth.header else {}, ((auth.param, value),) if auth.param else ())
    return None


class Fixed:
    """Credentials that are simply there. Where they hold a password, a refusal is remembered."""

    def __init__(self, credentials: Credentials, *, password: bool) -> None:
        self._signed_in = SignedIn(credentials)
        self._password = password
        self._refused: str | None = None

    def current(self, _deadline: Deadline) -> SignedIn:
        """Return the credentials. Raises `SignInRefused` once they were refused."""
        if self._refused is not None:
            raise SignInRefused(self._refused)
        return self._signed_in

    def renew(self, _refused: SignedIn, error: ConnectorError, _deadline: Deadline) -> SignedIn:
        """There is nothing else to try. Raises `SignInRefused`."""
        text = f"{error}; the sign-in was refused: mend auth"
        if self._password:
            self._refused = f"{text} (it is not tried again before the configuration changes)"
        raise SignInRefused(text, exchange=error.exchange)


class Fetched:
    """Credentials that a request fetches: `fetch` makes it, and raises `ConnectorError`."""

    def __init__(self, fetch: Callable[[Deadline], SignedIn], context: Context) -> None:
        self._fetch = fetch
        self._context = context
        self._clock = context.clock
        self._sign_ins: SingleFlight[SignedIn] = SingleFlight("the sign-in", waiting=context.waiting)
        self._signed_in: SignedIn | None = None
        self._refused: Misconfigured | None = None

    def current(self, deadline: Deadline) -> SignedIn:
        """Return what was fetched, or is fetched now. Raises `ConnectorError`."""
        self._not_refused()
        held, now = self._signed_in, self._clock()
        if held is None or now >= held.expires:
            return self._fetched(held, deadline)
        if now >= held.renew_at and not self._sign_ins.under_way(_SIGN_IN):
            return self._ahead(held, deadline)
        return held

    def renew(self, refused: SignedIn, error: ConnectorError, deadline: Deadline) -> SignedIn:
        """Others than those that were refused, fetched once for all threads. Raises `ConnectorError`."""
        held = self._signed_in
        if held is not None and held.number != refused.number:
            return held
        # what nobody could use in time, such as in an outage, may have run out all the same
        if not refused.accepted and self._clock() - refused.since < _SETTLED:
            raise Misconfigured(f"{error}; refused right after signing in: does this user have the rights?",
                                exchange=error.exchange)  # fmt: skip
        return self._fetched(refused, deadline)

    def _ahead(self, held: SignedIn, deadline: Deadline) -> SignedIn:
        """Renewed before it runs out, by one thread while the others go on."""
        try:
            return self._fetched(held, deadline)
        except Unavailable as error:
            self._context.log.warning("the sign-in could not be renewed ahead of time: %s", error)
            held.renew_at = min(held.expires, self._clock() + (held.expires - self._clock()) / 2)
            return held

    def _fetched(self, stale: SignedIn | None, deadline: Deadline) -> SignedIn:
        """Something else than `stale`, fetched once for all who want it."""

        def fetch() -> SignedIn:
            self._not_refused()
            held = self._signed_in
            if held is not None and held is not stale and self._clock() < held.expires:
                return held
            return self._sign_in(deadline)

        return self._sign_ins.get(_SIGN_IN, fetch, deadline)

    def _sign_in(self, deadline: Deadline) -> SignedIn:
        try:
            self._signed_in = self._fetch(deadline)
        except SignInRefused as error:
            self._signed_in = None
            text = f"the sign-in was refused: {error}"
            self._refused = Misconfigured(
                f"{text} (it is not tried again before the configuration changes)", exchange=error.exchange
            )
            raise Misconfigured(f"{text}; mend auth", exchange=error.exchange) from error
        return self._signed_in

    def _not_refused(self) -> None:
        if self._refused is not None:
            raise Misconfigured(str(self._refused), exchange=self._refused.exchange)

"""What a configuration says about who may come in, made ready for use once."""

from __future__ import annotations

import hmac
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

from pydantic import SecretStr

from bridge.config.callbacks import CallbackSource
from bridge.config.model import Configuration
from bridge.service.composition import Current
from bridge.web import addresses
from bridge.web.addresses import Address

_REMEMBERED = 200
"""Characters of an X-Forwarded-For up to which it is remembered: a stranger may send thousands that are long."""


@dataclass(frozen=True, slots=True)
class BodyLimits:
    """On what terms a request is taken in: how large it may be, whether it may send a body at all, and within how many
    seconds. Nothing is read from whoever has no business here."""

    max_body: int
    body: bool
    seconds: float = 10.0


@dataclass(frozen=True, slots=True)
class Client:
    """Who sent a request. `address` is None where that can't be known, `text` is empty then. `sender`: what counts as
    one for a rate limit. `admitted`: whether `server.allowed_ips` lets it use the platform's URLs."""

    address: Address | None
    text: str
    sender: str
    admitted: bool


class AccessPolicy:
    """Who may come in by one configuration."""

    def __init__(self, configuration: Configuration) -> None:
        server = configuration.server
        self.configuration = configuration
        self.body, self.no_body = BodyLimits(server.max_body, body=True), BodyLimits(server.max_body, body=False)
        self.lines = {line.number: line for line in configuration.lines}
        self._allowed = addresses.networks(server.allowed_ips)
        self._proxies = addresses.networks(server.trusted_proxies)
        self._client = lru_cache(maxsize=4096)(self._find_client)  # the platform comes from a few addresses
        self._keys = _AcceptedSecrets(server.url_key)
        self._tokens = _AcceptedSecrets(server.metrics_token)
        self._sources = {
            source.title: (source, _AcceptedSecrets(source.token)) for source in configuration.callbacks if source.token
        }

    def client(self, remote: str, forwarded: str) -> Client:
        """Return who sent a request, see `addresses.client`."""
        forwarded = forwarded if self._proxies else ""
        find = self._client if len(forwarded) <= _REMEMBERED else self._find_client
        return find(remote, forwarded)

    def is_proxy(self, remote: str) -> bool:
        """Return whether the other end of a connection is one of `server.trusted_proxies`."""
        return addresses.covered(addresses.parse(remote), self._proxies)

    def _find_client(self, remote: str, forwarded: str) -> Client:
        address = addresses.client(remote, forwarded, self._proxies)
        admitted = not self._allowed or addresses.covered(address, self._allowed)
        return Client(address, str(address or ""), addresses.neighbourhood(address), admitted)

    def behind_key(self, path: str) -> str | None:
        """Return the rest of a path after the key, the whole of it where no key is configured; None: the key is
        wrong."""
        if not self._keys:
            return path
        key, _, rest = path.partition("/")
        return rest if key in self._keys else None

    def source(self, name: str) -> CallbackSource | None:
        """Return the source of callbacks of this name, where it takes tasks by HTTP."""
        return self._sources[name][0] if name in self._sources else None

    def is_token(self, token: str, source: str) -> bool:
        """Return whether a token is one of that source's."""
        return source in self._sources and token in self._sources[source][1]

    def reads_metrics(self, authorization: str, remote: str, host: str, forwarded: bool) -> bool:
        """Return whether the metrics may be read: with the token, where one is configured; else from this machine
        itself.

        That is what a request that came through a proxy is not, nor one whose Host is another name than this machine's
        own: a browser here asks so for a page from elsewhere, whose name was made to lead here.
        """
        if self._tokens:
            return bearer(authorization) in self._tokens
        address = addresses.parse(remote)
        return address is not None and address.is_loopback and not forwarded and addresses.is_loopback(host)


class _AcceptedSecrets:
    """The secrets of which any will do. `in` takes a time that does not tell how much of one was right."""

    def __init__(self, secrets: Iterable[SecretStr]) -> None:
        self._secrets = tuple(secret.get_secret_value().encode("utf-8", "replace") for secret in secrets)

    def __bool__(self) -> bool:
        return bool(self._secrets)

    def __contains__(self, given: str) -> bool:
        matches = [hmac.compare_digest(given.encode("utf-8", "replace"), secret) for secret in self._secrets]
        return any(matches)


def bearer(authorization: str) -> str:
    """Return the token of an Authorization header; empty where it has none, which no configured token is."""
    scheme, _, token = authorization.partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""


class AccessPolicies:
    """The access policy of whichever configuration is the newest."""

    def __init__(self, current: Current) -> None:
        self._current = current
        self._policy = AccessPolicy(current.configuration)

    def now(self) -> AccessPolicy:
        """Return that of the newest configuration."""
        configuration = self._current.configuration
        if self._policy.configuration is not configuration:
            self._policy = AccessPolicy(configuration)
        return self._policy

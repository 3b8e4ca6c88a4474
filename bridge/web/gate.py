"""What a configuration says about who may come in, made ready for use once."""

from __future__ import annotations

import hmac
from collections.abc import Iterable

from pydantic import SecretStr

from bridge.config.callbacks import CallbackSource
from bridge.config.model import Configuration
from bridge.runtime import log
from bridge.service.composition import Current
from bridge.web import addresses
from bridge.web.addresses import Address


class AccessPolicy:
    """Who may come in by one configuration."""

    def __init__(self, configuration: Configuration) -> None:
        server = configuration.server
        self.configuration = configuration
        self.max_body = server.max_body
        self.lines = {line.number: line for line in configuration.lines}
        self._allowed = addresses.networks(server.allowed_ips)
        self._proxies = addresses.networks(server.trusted_proxies)
        self._keys = _Secrets(server.url_key)
        self._tokens = _Secrets(server.metrics_token)
        self._sources = {
            source.title: (source, _Secrets(source.token)) for source in configuration.callbacks if source.token
        }

    def client(self, remote: str, forwarded: str) -> Address | None:
        """Who sent a request, see `addresses.client`."""
        return addresses.client(remote, forwarded, self._proxies)

    def admits(self, client: Address | None) -> bool:
        """Whether `server.allowed_ips` lets this address use the platform's URLs."""
        return not self._allowed or addresses.covered(client, self._allowed)

    def behind_key(self, path: str) -> str | None:
        """The rest of a path after the key, the whole of it where no key is configured; None: the key is wrong."""
        if not self._keys:
            return path
        key, _, rest = path.partition("/")
        return rest if key in self._keys else None

    def source(self, name: str) -> CallbackSource | None:
        """The source of callbacks of this name, where it takes tasks by HTTP."""
        return self._sources[name][0] if name in self._sources else None

    def is_token(self, given: str, source: str) -> bool:
        """Whether a token is one of that source's."""
        return source in self._sources and given in self._sources[source][1]

    def reads_metrics(self, authorization: str, remote: str, host: str, forwarded: bool) -> bool:
        """Whether the metrics may be read: with the token, where one is configured; else from this machine itself.

        That is what a request that came through a proxy is not, nor one whose Host is another name than this machine's
        own: a browser here asks so for a page from elsewhere, whose name was made to lead here.
        """
        if self._tokens:
            return bearer(authorization) in self._tokens
        address = addresses.parse(remote)
        return address is not None and address.is_loopback and not forwarded and addresses.is_loopback(host)


class _Secrets:
    """The secrets of which any will do. `in` takes a time that does not tell how much of one was right."""

    def __init__(self, secrets: Iterable[SecretStr]) -> None:
        self._secrets = tuple(secret.get_secret_value().encode("utf-8", "replace") for secret in secrets)

    def __bool__(self) -> bool:
        return bool(self._secrets)

    def __contains__(self, given: str) -> bool:
        found = [hmac.compare_digest(given.encode("utf-8", "replace"), secret) for secret in self._secrets]
        return any(found)


def bearer(authorization: str) -> str:
    """The token of an Authorization header; empty where it has none, which no configured token is."""
    scheme, _, token = authorization.partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""


class AccessPolicies:
    """The gate of whichever configuration is the newest; its secrets are kept out of the log from then on."""

    def __init__(self, current: Current) -> None:
        self._current = current
        self._gate = _made(current.configuration)

    def now(self) -> AccessPolicy:
        """That of the newest configuration."""
        configuration = self._current.configuration
        if self._gate.configuration is not configuration:
            self._gate = _made(configuration)
        return self._gate


def _made(configuration: Configuration) -> AccessPolicy:
    log.hide(log.secrets_in(configuration))
    return AccessPolicy(configuration)

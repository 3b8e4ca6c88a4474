"""What a configuration says about who may come in, made ready for use once."""

from __future__ import annotations

import hmac

from pydantic import SecretStr

from bridge import log
from bridge.config.model import Configuration
from bridge.service import Current
from bridge.web import addresses
from bridge.web.addresses import Address


class Gate:
    """Who may come in by one configuration."""

    def __init__(self, configuration: Configuration) -> None:
        server = configuration.server
        self.configuration = configuration
        self.max_body = server.max_body
        self.lines = {line.number: line for line in configuration.lines}
        self._allowed = addresses.networks(server.allowed_ips)
        self._proxies = addresses.networks(server.trusted_proxies)
        self._key = _bytes(server.url_key)
        self._token = _bytes(server.metrics_token)

    def client(self, remote: str, forwarded: str) -> Address | None:
        """Who sent a request, see `addresses.client`."""
        return addresses.client(remote, forwarded, self._proxies)

    def admits(self, client: Address | None) -> bool:
        """Whether `server.allowed_ips` lets this address use the platform's URLs."""
        return not self._allowed or addresses.covered(client, self._allowed)

    def behind_key(self, path: str) -> str | None:
        """The rest of a path after the key, the whole of it where no key is configured; None: the key is wrong."""
        if not self._key:
            return path
        key, _, rest = path.partition("/")
        return rest if hmac.compare_digest(key.encode("utf-8", "replace"), self._key) else None

    def reads_metrics(self, authorization: str, remote: str, forwarded: bool) -> bool:
        """Whether the metrics may be read: with the token, where one is configured; else from this machine itself,
        which a request that came through a proxy never is."""
        if self._token:
            scheme, _, token = authorization.partition(" ")
            given = token.strip().encode("utf-8", "replace")
            return scheme.lower() == "bearer" and hmac.compare_digest(given, self._token)
        address = addresses.parse(remote)
        return address is not None and address.is_loopback and not forwarded


def _bytes(secret: SecretStr | None) -> bytes:
    return secret.get_secret_value().encode("utf-8", "replace") if secret is not None else b""


class Gates:
    """The gate of whichever configuration is the newest; its secrets are kept out of the log from then on."""

    def __init__(self, current: Current) -> None:
        self._current = current
        self._gate = _made(current.configuration)

    def now(self) -> Gate:
        """That of the newest configuration."""
        configuration = self._current.configuration
        if self._gate.configuration is not configuration:
            self._gate = _made(configuration)
        return self._gate


def _made(configuration: Configuration) -> Gate:
    log.hide(log.secrets_in(configuration))
    return Gate(configuration)

"""The adapter below a connector's session: one pool, one TLS context, whole answers within a deadline."""

from __future__ import annotations

import ssl
import sys
from collections.abc import Callable, Iterable
from functools import lru_cache
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import requests
from requests.adapters import HTTPAdapter

from connectors.base import Deadline, Misconfigured, TimedOut
from connectors.http.sockets import POOLS, current, within

_CHUNK = 65_536
_HOSTS = 8


class TooLarge(Exception):
    """An answer is larger than it may be; the message says so."""


class _Unchanging(ssl.SSLContext):
    """A context that many threads connect with at once.

    urllib3 sets the application protocols anew before each handshake. OpenSSL frees the old ones then, while another
    thread may be copying them into its own handshake, which then sends garbage: rarely, but to a caller who waits.
    """

    def __init__(self, _protocol: int) -> None:
        super().set_alpn_protocols(["http/1.1"])

    def set_alpn_protocols(self, alpn_protocols: Iterable[str]) -> None:
        """Nothing to set: it was, before the first connection."""


class Adapter(HTTPAdapter):
    """Sends within the deadline, and reads the answer to its end before it hands it out.

    `deliver` is the session's: requests' own calls are led through it. `size`: how many connections are kept.
    """

    def __init__(
        self, deliver: Callable[[requests.PreparedRequest, Deadline, Any], requests.Response], size: int,
        tls: ssl.SSLContext,
    ) -> None:  # fmt: skip
        self._deliver = deliver
        self._tls = tls
        self._pools: dict[tuple[object, ...], Any] = {}
        super().__init__(pool_connections=_HOSTS, pool_maxsize=max(1, size), max_retries=0)

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        """Use one TLS context for all connections: loading the certificates for each costs more than the request."""
        super().init_poolmanager(*args, **kwargs, ssl_context=self._tls)
        self.poolmanager.pool_classes_by_scheme = POOLS

    def proxy_manager_for(self, proxy: Any, **kwargs: Any) -> Any:
        """Do as above, through a proxy."""
        manager = super().proxy_manager_for(proxy, **kwargs, ssl_context=self._tls)
        manager.pool_classes_by_scheme = POOLS
        return manager

    def get_connection_with_tls_context(self, request: Any, verify: Any, proxies: Any = None, cert: Any = None) -> Any:
        """Return the pool of the request's host. requests works out which that is anew for each request, which takes a
        tenth of it."""
        url = urlsplit(request.url)
        host = (url.scheme, url.netloc, *(proxies or {}).items())
        pool = self._pools.get(host)
        if pool is None:
            if len(self._pools) >= _HOSTS:
                self._pools.clear()
            pool = self._pools[host] = super().get_connection_with_tls_context(request, verify, proxies, cert)
        return pool

    def close(self) -> None:
        """Let go of the pools: each closes its connections when nobody holds it any more."""
        self._pools.clear()
        super().close()

    def request_url(self, request: Any, proxies: Any) -> str:
        """Return what stands in the first line of a request; without a proxy there is nothing to find out for it."""
        return super().request_url(request, proxies) if proxies else request.path_url

    def cert_verify(self, conn: Any, url: Any, verify: Any, cert: Any) -> None:
        """Nothing to set: the TLS context verifies, always."""

    def send(  # type: ignore[override]  # called by requests alone, by keyword
        self, request: Any, *, timeout: Any = None, proxies: Any = None, **_rest: Any
    ) -> requests.Response:
        """Send a request, as requests does for each of its own; the deadline is that of `within`, or an earlier
        timeout."""
        deadline = current()
        if isinstance(timeout, (int, float)):
            deadline = deadline.within(timeout)
        return self._deliver(request, deadline, dict(proxies or {}))

    def whole(
        self, request: requests.PreparedRequest, deadline: Deadline, proxies: dict[str, str], largest: int
    ) -> requests.Response:
        """Send, and read the whole answer, `largest` bytes at most. Raises `TooLarge`, `TimedOut`, and what requests
        and urllib3 raise."""
        left = deadline.remaining
        if not left:
            raise TimedOut(f"{request.method}: no time left to ask")
        with within(deadline):
            response = super().send(request, stream=True, timeout=left, verify=True, proxies=proxies)
            try:
                response._content = _body(response, largest)  # what requests itself does on first use
            except BaseException:
                response.close()
                raise
        response._content_consumed = True  # type: ignore[attr-defined]  # as above
        return response


def _body(response: requests.Response, largest: int) -> bytes:
    announced = response.headers.get("Content-Length", "")
    if announced.isdecimal() and int(announced) > largest:
        raise TooLarge(_too_large(response, largest, int(announced)))
    chunks, size = [], 0
    for chunk in response.raw.stream(_CHUNK, decode_content=True):
        chunks.append(chunk)
        size += len(chunk)
        if size > largest:
            raise TooLarge(_too_large(response, largest, size))
    return b"".join(chunks)


def _too_large(response: requests.Response, largest: int, size: int) -> str:
    kind = response.headers.get("Content-Type", "no content type")
    return (
        f"the answer ({response.status_code}, {kind}) is larger than {largest / 1e6:g} MB: {size / 1e6:.3g} MB or "
        "more; ask for less, such as by a filter, fewer fields or pages"
    )


def certificates(ca_file: Path | None) -> ssl.SSLContext:
    """Return what certificates are checked against: `ca_file` alone, else REQUESTS_CA_BUNDLE, else the public
    authorities. Any number of threads may connect with it. Raises `Misconfigured`."""
    with requests.Session() as session:
        bundle = session.merge_environment_settings("https://localhost", {}, None, None, None)["verify"]
    path = str(ca_file) if ca_file else bundle if isinstance(bundle, str) else requests.utils.DEFAULT_CA_BUNDLE_PATH
    try:
        return _context(path, Path(path).stat().st_mtime_ns)
    except (OSError, ssl.SSLError) as error:
        raise Misconfigured(f"the certificates in {path} can't be read: {error}") from error


@lru_cache(maxsize=8)
def _context(path: str, _changed: int) -> ssl.SSLContext:
    """The context for a file of certificates or a folder, as it was at that change. Sessions share it: the public
    authorities take a twentieth of a second to read, and a megabyte."""
    context = _Unchanging(ssl.PROTOCOL_TLS_CLIENT)  # which verifies the certificate and its name
    if sys.version_info >= (3, 13):  # as `ssl.create_default_context` does there
        context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN | ssl.VERIFY_X509_STRICT
    if Path(path).is_dir():
        context.load_verify_locations(capath=path)
    else:
        context.load_verify_locations(cafile=path)
    return context

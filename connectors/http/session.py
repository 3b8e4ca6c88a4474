"""HTTP for connectors: one pooled session that keeps every request within its deadline and says what went wrong.

`Session` is a `requests.Session`, so that libraries that bring their own requests (simple-salesforce) can be handed it:
whatever goes through it waits for its turn (`Context.pace`), ends by the deadline of `within(…)`, is no larger than it
may be, stays on its host, and fails as one of the errors of `connectors.base`. What a connector builds itself goes
through `Session.exchange`, which skips what requests does anew for each call and tries again what may pass.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import timedelta
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urljoin, urlsplit

import requests
import urllib3
from tenacity import RetryCallState, Retrying, retry_if_exception, wait_random_exponential

from connectors.base import ConnectorError, Context, Deadline, Misconfigured, TimedOut, Unavailable, nothing_seen
from connectors.http.failures import Broken, translate
from connectors.http.sockets import within
from connectors.http.transport import Adapter, TooLarge, certificates
from connectors.masking import Mask

__all__ = ["LARGEST", "Session", "within"]

LARGEST = 5_000_000
_REDIRECTS = 5
T = TypeVar("T")


class Session(requests.Session):
    """A connector's way to its CRM, shared by all threads.

    `ca_file`: a private CA's certificates (PEM), trusted instead of the public ones. `timeout`: seconds for a request
    that no `within` bounds, and the most for any. `largest`: bytes of an answer, unpacked. `mask` knows the secrets.
    Proxies and REQUESTS_CA_BUNDLE are taken from the environment once. Raises `Misconfigured` for a `ca_file` that
    can't be read.
    """

    def __init__(
        self, context: Context, *, ca_file: Path | None = None, timeout: float = 30.0, largest: int = LARGEST
    ) -> None:
        super().__init__()
        self.trust_env = False
        self.context = context
        self.timeout = timeout
        self.largest = largest
        self.mask = Mask()
        self.traced = context.see is not nothing_seen
        self._adapter = Adapter(self.deliver, context.concurrency, certificates(ca_file))
        self.mount("https://", self._adapter)
        self.mount("http://", self._adapter)
        self._settings = lru_cache(maxsize=64)(_environment)
        self._retrying = Retrying(
            retry=retry_if_exception(_may_pass), wait=_pause, stop=_too_late, sleep=self._sleep, reraise=True
        )

    def merge_environment_settings(  # type: ignore[override]  # requests' own type for the result is private
        self, url: Any, proxies: Any, stream: Any, _verify: Any, cert: Any
    ) -> dict[str, Any]:
        """Return the proxies for this URL, read from the environment once for each host."""
        return {
            "proxies": {**self._proxies(str(url)), **(proxies or {})},
            "stream": stream,
            "verify": True,
            "cert": cert,
        }

    def get_redirect_target(self, resp: requests.Response) -> str | None:
        """Return where an answer sends us; only ever to the same host. Raises `ConnectorError` for another."""
        target = super().get_redirect_target(resp)
        url = self._target(resp) if target is not None else None
        if url is not None:
            self._stay(resp, url)
        return target

    def exchange(
        self, request: requests.PreparedRequest, deadline: Deadline, judge: Callable[[requests.Response], T], *,
        idempotent: bool, follow: bool = True,
    ) -> T:  # fmt: skip
        """Send a request that is ready to go, and what `judge` makes of the answer.

        `judge` raises `ConnectorError` for an answer that is none. Where the request is `idempotent`, what may pass is
        tried again as long as that ends before the deadline: a connection that broke at once, the rest after a pause.
        Where that try is cut short, the first failure is raised. Redirects stay on the host; without `follow` the
        answer that redirects is judged itself. Cookies are neither kept nor sent. Raises `ConnectorError`.
        """
        try:
            return self._once(request, deadline, judge, follow)
        except Unavailable as error:
            if not (idempotent and _may_pass(error)):
                raise
            first = error
        failures = [first]

        def again(request: requests.PreparedRequest, _deadline: Deadline) -> T:
            if failures:  # the first try is made above: tenacity's way around it costs as much as a tenth of it
                raise failures.pop()
            return self._once(request, deadline, judge, follow)

        try:
            result: T = self._retrying(again, request, deadline)
        except TimedOut as error:  # cut short: what was said the first time tells more
            raise first from error
        return result

    def describe(self, response: requests.Response) -> str:
        """Return a request and the start of its answer, masked."""
        answer = f"→ {response.status_code} {response.reason or ''}".rstrip()
        kind, size = response.headers.get("Content-Type", "no content type"), len(response.content)
        took = f"{response.elapsed.total_seconds() * 1000:.0f} ms"
        body = self.mask.body(response.content, kind)
        return f"{self._asked(response.request)}\n{answer} ({kind}, {size} bytes, {took})\n{body}".rstrip()

    def place(self, request: requests.PreparedRequest) -> str:
        """Return a request in a few words, masked: its method and URL without the query."""
        return f"{request.method} {self.mask.url(str(request.url).partition('?')[0])}"

    def deliver(self, request: requests.PreparedRequest, deadline: Deadline, proxies: Any = None) -> requests.Response:
        """Send one request, follow no redirects, and return its whole answer; a cassette that plays gives it instead.
        Raises `ConnectorError`."""
        cassette = self.context.cassette
        if cassette is None:
            response = self._fetched(request, deadline, proxies)
        else:
            response = cassette.deliver(request, lambda: self._fetched(request, deadline, proxies), self.mask)
        if self.traced:
            self.context.see(self.describe(response))
        return response

    def _fetched(self, request: requests.PreparedRequest, deadline: Deadline, proxies: Any) -> requests.Response:
        if proxies is None:
            proxies = self._proxies(str(request.url))
        began = time.monotonic()
        try:
            with self.context.waiting():
                self.context.pace.wait(deadline)
                response = self._adapter.whole(request, deadline.within(self.timeout), proxies, self.largest)
        except TooLarge as error:
            raise self._failed(request, Misconfigured(f"{self.place(request)}: {error}")) from None
        except (ConnectorError, requests.RequestException, urllib3.exceptions.HTTPError, OSError, ValueError) as error:
            place = f"{self.place(request)} (after a wait of {(time.monotonic() - began) * 1000:,.0f} ms)"
            raise self._failed(request, translate(error, place, self.mask.text)) from error
        response.elapsed = timedelta(seconds=time.monotonic() - began)
        return response

    def _failed(self, request: requests.PreparedRequest, failure: ConnectorError) -> ConnectorError:
        failure.exchange = f"{self._asked(request)}\n→ {self.mask.text(str(failure))}"
        if self.traced:
            self.context.see(failure.exchange)
        return failure

    def _once(
        self,
        request: requests.PreparedRequest,
        deadline: Deadline,
        judge: Callable[[requests.Response], T],
        follow: bool,
    ) -> T:
        response = self.deliver(request, deadline)
        for _ in range(_REDIRECTS):
            target = self._target(response)
            if target is None:
                return judge(response)
            if not follow:
                self._stay(response, target)
                return judge(response)
            response = self.deliver(self._redirected(response, target), deadline)
        raise Misconfigured(
            f"{self.place(request)}: redirected more than {_REDIRECTS} times", exchange=self.describe(response)
        )

    def _target(self, response: requests.Response) -> str | None:
        """The whole URL that an answer sends us to. Raises `Unavailable` where that is none."""
        target = response.headers.get("Location") if 300 <= response.status_code < 400 else None
        if target is None:
            return None
        try:
            url = urljoin(response.url, target)
            _ = urlsplit(url).port
        except ValueError as error:
            text = f"{self.place(response.request)}: redirected to what is no address: {self.mask.text(str(error))}"
            raise Unavailable(text, exchange=self.describe(response)) from None
        return url

    def _redirected(self, response: requests.Response, url: str) -> requests.PreparedRequest:
        self._stay(response, url)
        request = response.request.copy()
        request.url = url
        if not _same_host(response.url, url):
            for name in ("Authorization", "Cookie"):  # they were the first host's
                request.headers.pop(name, None)
        if response.status_code in (307, 308) or request.method in ("GET", "HEAD"):
            return request
        if response.status_code != 303:
            raise Misconfigured(
                f"{self.place(response.request)}: redirected to {self.mask.url(url)}; a {request.method} can't follow: "
                "write that address in the configuration",
                exchange=self.describe(response),
            )
        request.method, request.body = "GET", None
        for name in ("Content-Length", "Content-Type"):
            request.headers.pop(name, None)
        return request

    def may_follow(self, before: str, after: str) -> bool:
        """Return whether a redirect from one URL to another is followed: on the same host, and not out of TLS."""
        return _same_host(before, after)

    def left_host(self, response: requests.Response, url: str) -> ConnectorError:
        """Return what is raised for an answer that redirects to a URL which is not followed."""
        for_good = response.status_code in (301, 308)
        text = (
            f"{self.place(response.request)}: redirected to {self.mask.url(url)}, another host, which is not followed: "
            + ("write that address in the configuration if it is right" if for_good else "is this a login page?")
        )
        return (Misconfigured if for_good else Unavailable)(text, exchange=self.describe(response))

    def _stay(self, response: requests.Response, url: str) -> None:
        """Raise where a redirect leaves the host, or TLS."""
        if not self.may_follow(response.url, url):
            raise self.left_host(response, url)

    def _proxies(self, url: str) -> dict[str, str]:
        parts = urlsplit(url)
        return self._settings(f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}")

    def _asked(self, request: requests.PreparedRequest) -> str:
        head = f"{request.method} {self.mask.url(str(request.url))}"
        body = request.body if isinstance(request.body, (str, bytes)) else None
        shown = self.mask.body(body, str(request.headers.get("Content-Type", "")) if request.headers else "")
        return f"{head}\n{shown}" if shown else head

    def _sleep(self, seconds: float) -> None:
        with self.context.waiting():
            _wait(seconds)


def _environment(host: str) -> dict[str, str]:
    with requests.Session() as session:
        return dict(session.merge_environment_settings(host, {}, None, None, None)["proxies"])


def _same_host(before: str, after: str) -> bool:
    """Whether a redirect stays with the host; TLS may be gained, never lost."""
    old, new = urlsplit(before), urlsplit(after)
    ports = {"http": 80, "https": 443}
    was = (old.scheme, old.hostname, old.port or ports.get(old.scheme))
    now = (new.scheme, new.hostname, new.port or ports.get(new.scheme))
    return was == now or (was[1] == now[1] and was[::2] == ("http", 80) and now[::2] == ("https", 443))


def _may_pass(error: BaseException) -> bool:
    """What a second try within the same call can help: not what was late, the rest of that time is for others."""
    return isinstance(error, Unavailable) and not isinstance(error, TimedOut)


_spread = wait_random_exponential(multiplier=0.1, max=2.0)


def _pause(state: RetryCallState) -> float:
    error = state.outcome.exception() if state.outcome else None
    if isinstance(error, Broken) and state.attempt_number == 1:
        return 0.0
    asked = error.retry_after if isinstance(error, Unavailable) else None
    return asked if asked is not None else 0.05 + _spread(state)


def _too_late(state: RetryCallState) -> bool:
    deadline: Deadline = state.args[1]
    return state.attempt_number >= 4 or state.upcoming_sleep >= deadline.remaining


def _wait(seconds: float) -> None:
    if seconds > 0:
        time.sleep(seconds)

"""What requests, urllib3 and the socket raise, in the words of `connectors.base`; and what a status means."""

from __future__ import annotations

import ssl
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

import requests
import urllib3

from connectors.base import ConnectorError, Misconfigured, TimedOut, Unavailable

PASSING = frozenset({408, 425, 429})
LONGEST_PAUSE = 3600.0
_BAD_REQUEST = (
    requests.exceptions.InvalidURL,
    requests.exceptions.InvalidSchema,
    requests.exceptions.MissingSchema,
    requests.exceptions.InvalidHeader,
    urllib3.exceptions.LocationParseError,
    UnicodeError,
)
_TIMED_OUT = (requests.Timeout, urllib3.exceptions.TimeoutError, TimeoutError)
_NOT_CONNECTED = urllib3.exceptions.NewConnectionError
_CLOCK_FAULTS = (9, 10)  # OpenSSL: not yet valid, expired
_NAME_FAULTS = (62, 64)  # another host's, another address's


class Broken(Unavailable):
    """The connection broke before the answer was there."""


def passes(status: int) -> bool:
    """Return whether an HTTP status may be another one later."""
    return status in PASSING or status >= 500


def retry_after(response: requests.Response) -> float | None:
    """Return for how many seconds an answer asks us to stay away (`Retry-After`, seconds or a date), at most an hour;
    None: unsaid."""
    header = response.headers.get("Retry-After", "").strip()
    if not header:
        return None
    if header.isdecimal():
        return min(float(header), LONGEST_PAUSE)
    until, now = _date(header), _date(response.headers.get("Date", "")) or datetime.now(UTC)
    return None if until is None else min(max((until - now).total_seconds(), 0.0), LONGEST_PAUSE)


def translate(error: Exception, place: str, mask: Callable[[str], str] = str) -> ConnectorError:
    """Return the failure of a request, `place` (its method and URL). A `ConnectorError` is itself. The errors' own
    words may hold what the other side sent: they go through `mask`."""
    chain = list(_causes(error))
    for cause in chain:
        if isinstance(cause, ConnectorError):
            return cause
    if any(isinstance(cause, _BAD_REQUEST) for cause in chain):
        return Misconfigured(f"{place}: {_last(chain, mask)}: mend the address, or what is filled in")
    certificate = next((cause for cause in chain if isinstance(cause, ssl.SSLCertVerificationError)), None)
    if certificate is not None:
        return _untrusted(certificate, place)
    # urllib3 derives "no connection could be made" from its timeouts
    if any(isinstance(cause, _TIMED_OUT) and not isinstance(cause, _NOT_CONNECTED) for cause in chain):
        return TimedOut(f"{place}: no whole answer in time")
    return _lost(chain, place, mask)


def _lost(chain: list[BaseException], place: str, mask: Callable[[str], str]) -> Unavailable:
    cut = next((cause for cause in chain if isinstance(cause, urllib3.exceptions.IncompleteRead)), None)
    if cut is not None:
        return Broken(f"{place}: the answer broke off after {cut.partial} bytes, {cut.expected} more were to come")
    if any(isinstance(cause, urllib3.exceptions.DecodeError) for cause in chain):
        return Unavailable(f"{place}: the answer can't be unpacked, it is not compressed as it says")
    if any(isinstance(cause, urllib3.exceptions.NameResolutionError) for cause in chain):
        return Unavailable(f"{place}: no such host, or no name server answers")
    if any(isinstance(cause, ConnectionRefusedError) for cause in chain):
        return Unavailable(f"{place}: connection refused")
    if any(isinstance(cause, (requests.exceptions.ProxyError, urllib3.exceptions.ProxyError)) for cause in chain):
        return Unavailable(f"{place}: the proxy: {_last(chain, mask)}")
    if any(isinstance(cause, (_NOT_CONNECTED, ssl.SSLError)) for cause in chain):
        return Unavailable(f"{place}: no connection: {_last(chain, mask)}")
    return Broken(f"{place}: the connection broke: {_last(chain, mask)}")


def _untrusted(error: ssl.SSLCertVerificationError, place: str) -> ConnectorError:
    message = error.verify_message.rstrip(".")
    if error.verify_code in _CLOCK_FAULTS:
        return Unavailable(f"{place}: {message}; renew the server's certificate, or set this machine's clock")
    if error.verify_code in _NAME_FAULTS:
        return Misconfigured(f"{place}: {message}; write the address with the name that the certificate has")
    return Misconfigured(f"{place}: certificate not trusted: {message}; a private CA goes into ca_file")


def _causes(error: BaseException) -> Iterator[BaseException]:
    """The error and all that it wraps: its arguments, `reason`, cause and context."""
    seen: set[int] = set()
    waiting: list[object] = [error]
    while waiting:
        cause = waiting.pop(0)
        if not isinstance(cause, BaseException) or id(cause) in seen:
            continue
        seen.add(id(cause))
        yield cause
        waiting += [*cause.args, getattr(cause, "reason", None), cause.__cause__, cause.__context__]


def _last(chain: list[BaseException], mask: Callable[[str], str]) -> str:
    """The innermost error in words, without the objects that urllib3 puts into its texts."""
    inner = chain[-1]
    words = mask((inner.strerror if isinstance(inner, OSError) and inner.strerror else str(inner)).strip())
    return f"{type(inner).__name__}: {words}" if words else type(inner).__name__


def _date(text: str) -> datetime | None:
    try:
        date = parsedate_to_datetime(text)
    except (ValueError, TypeError, IndexError):
        return None
    return date if date.tzinfo else date.replace(tzinfo=UTC)

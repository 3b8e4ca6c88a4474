"""Sends an emission request to the platform, once, and tells for certain when nothing was sent.

A connection is made first and used for this request alone. Whatever fails until it stands (name, connection, proxy,
TLS) is `NOT_SENT`; whatever fails from the first byte of the request on `MAY_HAVE_RUNG`. So a request is not written
where less than half of the time is left for its answer. No redirect is followed, nothing is tried twice, certificates
are verified, and proxies of the environment are not used: the request goes to the configured URL only.
"""

from __future__ import annotations

import http.client
import logging
import ssl
import time
from collections.abc import Callable, Collection
from contextlib import closing
from dataclasses import dataclass
from typing import Literal
from urllib.parse import urlsplit

from bridge.callbacks import wire
from bridge.config.emission import Emission
from bridge.infocaller.emission import EmissionReply, EmissionRequest, decode, encode
from bridge.infocaller.messages import Format
from bridge.infocaller.results import Consequence
from bridge.texts import Language, Text
from connectors.base import Deadline
from connectors.http.transport import certificates
from connectors.phone import mask

_log = logging.getLogger(__name__)
_LONGEST_ANSWER = 64 * 1024
_ACCEPT = {Format.JSON: "application/json, */*;q=0.1", Format.XML: "text/xml, application/xml, */*;q=0.1"}

_WORDS = {
    "record": Text("not sent: it can't be recorded"),
    "name": Text("not sent: the name can't be resolved"),
    "connect": Text("not sent: no connection"),
    "proxy": Text("not sent: the proxy lets nothing through"),
    "tls": Text("not sent: no secure connection"),
    "late": Text("sent, not answered in time"),
    "lost": Text("sent, the connection was lost"),
    "garbled": Text("sent, answered by something that is not HTTP"),
}

SendFailure = Literal["", "record", "name", "connect", "proxy", "tls", "late", "lost", "garbled"]


@dataclass(frozen=True, slots=True)
class Sent:
    """What came of one request.

    `reply` is the answer, readable or not; None where there was none: `failure` says how that came, and `detail` in the
    system's words. `record`: it did not get as far as here, because no note could be made of it. `ms` it took.
    """

    reply: EmissionReply | None = None
    failure: SendFailure = ""
    detail: str = ""
    ms: int = 0

    @property
    def certainly_not(self) -> bool:
        """Whether it is certain that no byte of the request left."""
        return self.failure in ("record", "name", "connect", "proxy", "tls")

    def consequence(self, from_task: Collection[str] = ()) -> Consequence:
        """Return what follows; `from_task` as for `EmissionReply.consequence`."""
        if self.reply is not None:
            return self.reply.consequence(from_task)
        return Consequence.NOT_SENT if self.certainly_not else Consequence.MAY_HAVE_RUNG

    def reason(self, language: Language = "en") -> str:
        if self.reply is not None:
            return self.reply.reason().render(language)
        return Text("{failure} ({detail})", failure=_WORDS[self.failure], detail=self.detail).render(language)


class Emitter:
    """Sends the requests of one line. Keeps nothing between two requests; any number of threads may share it."""

    def __init__(self, emission: Emission, tls: ssl.SSLContext | None = None) -> None:
        """`tls`: what certificates are checked against, in place of `emission.ca_file` or the public authorities.
        Raises `connectors.base.Misconfigured` where those can't be read."""
        parts = urlsplit(emission.url)
        secure = parts.scheme == "https"
        self._emission = emission
        self._host = parts.netloc
        self._target = f"{parts.path or '/'}{f'?{parts.query}' if parts.query else ''}"
        self._address = wire.Endpoint(
            host=parts.hostname or "",
            port=parts.port or (443 if secure else 80),
            tls=(tls or certificates(emission.ca_file)) if secure else None,
            proxy=emission.proxy.get_secret_value() if emission.proxy else "",
        )

    def send(self, request: EmissionRequest, password: str, clock: Callable[[], float] = time.monotonic) -> Sent:
        """Send the request, once. Blocks for `emission.timeout` at most, and for as long as the system takes to look up
        the platform's name.

        ProtocolError where the request may not go out (`emission.problems`); any other failure is in what it returns.
        """
        body, content_type = encode(request, password, self._emission.format, self._emission.xml_root)
        started = clock()
        sent = self._sent(body, content_type, clock)
        ms = round((clock() - started) * 1000)
        sent = Sent(sent.reply, sent.failure, sent.detail, ms)
        fields = {"line": request.line_number, "number": mask(request.number), "consequence": str(sent.consequence())}
        _log.info("emission: %s", sent.reason(), extra={"fields": {**fields, "ms": ms}})
        return sent

    def _sent(self, body: bytes, content_type: str, clock: Callable[[], float]) -> Sent:
        whole = Deadline.after(self._emission.timeout, clock)
        soon = Deadline.after(self._emission.timeout / 2, clock)
        try:
            sock = wire.connect(self._address, soon)
        except wire.Unreached as error:
            return Sent(failure=error.step.value, detail=str(error))
        with closing(sock):
            if soon.passed:  # the system's resolver took the time
                return Sent(failure="connect", detail="no time left to be answered")
            return self._exchange(wire.Wire(sock, whole), body, content_type)

    def _exchange(self, connected: wire.Wire, body: bytes, content_type: str) -> Sent:
        """From here on the phone may ring, whatever fails."""
        headers = {
            "Host": self._host,
            "User-Agent": "infocaller-bridge",
            "Accept": _ACCEPT[self._emission.format],
            "Accept-Encoding": "identity",
            "Content-Type": content_type,
            "Connection": "close",
        }
        try:
            connection = wire.over(connected, self._address.host, self._address.port)
            connection.request("POST", self._target, body, headers)
            answer = connection.getresponse()
        except TimeoutError:
            return Sent(failure="late", detail=f"{self._emission.timeout}")
        except http.client.RemoteDisconnected:  # also a BadStatusLine
            return Sent(failure="lost", detail="closed without an answer")
        except OSError as error:
            return Sent(failure="lost", detail=error.strerror or type(error).__name__)
        except (http.client.HTTPException, ValueError) as error:  # ValueError: a header that is no number
            return Sent(failure="garbled", detail=type(error).__name__)
        with closing(answer):
            return Sent(decode(answer.status, _body(answer)))


def _body(answer: http.client.HTTPResponse) -> bytes:
    """As much of the body as came; whether that is a whole answer is the reader's question, because a document that
    ends can be read whatever the connection does after it.

    Byte by byte from the buffer, because a longer read loses what it has when it fails.
    """
    body = bytearray()
    try:
        while len(body) < _LONGEST_ANSWER and (byte := answer.read(1)):
            body += byte
    except (OSError, http.client.HTTPException, ValueError) as error:
        _log.warning("emission: the answer broke off after %d bytes: %s", len(body), type(error).__name__)
    return bytes(body)

"""One connection that can't be held beyond a deadline: opened, by a proxy's tunnel if need be, and secured.

Each read and write may take only what is left until the deadline (`connectors.http.sockets`).
"""

from __future__ import annotations

import http.client
import io
import socket
import ssl
from base64 import b64encode
from dataclasses import dataclass, field
from enum import StrEnum
from typing import cast
from urllib.parse import unquote, urlsplit

from connectors.base import Deadline
from connectors.http.sockets import DeadlineReader, limit

_MOST_RECEIVED = 1024**2


class Step(StrEnum):
    """Where opening a connection failed."""

    NAME = "name"
    CONNECT = "connect"
    PROXY = "proxy"
    TLS = "tls"


class Unreached(Exception):
    """There is no connection, so nothing was sent over it. The message says why, in the system's words."""

    def __init__(self, step: Step, why: str) -> None:
        super().__init__(why)
        self.step = step


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where to connect. `tls` None: without encryption. `proxy`: `http://user:password@host:port`, empty: straight."""

    host: str
    port: int
    tls: ssl.SSLContext | None = None
    proxy: str = field(default="", repr=False)


class Wire:
    """What http.client needs of a socket, bound to a deadline; whoever opened the socket closes it."""

    def __init__(self, sock: socket.socket, deadline: Deadline) -> None:
        self._sock = sock
        self._deadline = deadline

    def sendall(self, data: bytes) -> None:
        """Send all of it, or raise OSError; how much left by then can't be known."""
        view = memoryview(data)
        while view:
            limit(self._sock, self._deadline)
            view = view[self._sock.send(view) :]

    def makefile(self, *_mode: object) -> io.BufferedReader:
        """Return what is received, as a file."""
        return io.BufferedReader(DeadlineReader(self._sock, self._deadline, _MOST_RECEIVED))

    def close(self) -> None:
        """Nothing: the answer is still to be read when http.client calls this."""


def over(wire: Wire, host: str, port: int) -> http.client.HTTPConnection:
    """Return an HTTP connection over `wire`; it never opens another one by itself."""
    connection = http.client.HTTPConnection(host, port)
    connection.sock = cast(socket.socket, wire)
    connection.auto_open = 0
    return connection


def connect(address: Endpoint, deadline: Deadline) -> socket.socket:
    """Return a connected socket, secured and verified where `address.tls` is set. Raises `Unreached`.

    The system's resolver has no deadline: how long it may take to look a name up is set in resolv.conf.
    """
    proxy = urlsplit(address.proxy)
    host, port = (proxy.hostname or "", proxy.port or 80) if address.proxy else (address.host, address.port)
    sock = _dial(host, port, deadline)
    try:
        if address.proxy:
            _tunnel(sock, address, deadline)
        if address.tls is None:
            return sock
        limit(sock, deadline)
        return address.tls.wrap_socket(sock, server_hostname=address.host)  # one timeout for the whole handshake
    except OSError as error:  # what ssl raises is one, too
        sock.close()
        raise Unreached(Step.TLS, _why(error)) from error
    except BaseException:
        sock.close()
        raise


def _dial(host: str, port: int, deadline: Deadline) -> socket.socket:
    """Each address of the host gets its part of the time."""
    try:
        addresses = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:  # UnicodeError: no host can have such a name
        raise Unreached(Step.NAME, f"{host}: {_why(error)}") from error
    last: OSError = TimeoutError("timed out")
    for number, (family, kind, protocol, _name, place) in enumerate(addresses):
        sock = socket.socket(family, kind, protocol)
        try:
            limit(sock, deadline.within(deadline.remaining / (len(addresses) - number)))
            sock.connect(place)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        except OSError as error:
            sock.close()
            last = error
        else:
            return sock
    raise Unreached(Step.CONNECT, f"{host}:{port}: {_why(last)}") from last


def _tunnel(sock: socket.socket, address: Endpoint, deadline: Deadline) -> None:
    proxy = urlsplit(address.proxy)
    headers = {}
    if proxy.username is not None:
        user = f"{unquote(proxy.username)}:{unquote(proxy.password or '')}"
        headers["Proxy-Authorization"] = f"Basic {b64encode(user.encode()).decode()}"
    host = f"[{address.host}]" if ":" in address.host else address.host
    wire = Wire(sock, deadline)
    try:
        connection = over(wire, host, address.port)
        connection.request("CONNECT", f"{host}:{address.port}", headers=headers)
        answer = http.client.HTTPResponse(cast(socket.socket, wire), method="CONNECT")
        answer.begin()
    except (OSError, http.client.HTTPException) as error:
        raise Unreached(Step.PROXY, f"{proxy.hostname}: {_why(error)}") from error
    if not 200 <= answer.status < 300:
        raise Unreached(Step.PROXY, f"{proxy.hostname}: HTTP {answer.status} {answer.reason}"[:200])


def _why(error: Exception) -> str:
    """The system's words, or the name of the fault where it has none."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return error.verify_message.rstrip(".")
    if isinstance(error, ssl.SSLError):
        return (error.reason or "the TLS handshake failed").lower().replace("_", " ")
    if isinstance(error, TimeoutError):
        return "no answer in time"
    return (error.strerror if isinstance(error, OSError) else "") or type(error).__name__

"""What the emitter tells of a request, on real sockets: above all, when it is certain that nothing was sent."""

from __future__ import annotations

import json
import socket
import ssl
import time
from collections.abc import Callable
from itertools import chain, repeat
from typing import Any
from urllib.parse import parse_qs

import pytest
import trustme

from bridge.callbacks.emitter import Emitter, Sent
from bridge.config.emission import Emission
from bridge.errors import ProtocolError
from bridge.infocaller.emission import EmissionRequest
from bridge.infocaller.results import Consequence
from tests.fakes.sockets import RawServer, reset
from tests.ports import free_port

PASSWORD = "hush39"
REQUEST = EmissionRequest("912345678", "+34600111222", "callbacks", variables={"TAREA": "ñ"})
ACCEPTED = json.dumps({"callRequest": {"idcall": "77", "Resultado": "0", "ResultadoTexto": "Aceptada"}}).encode()


def http(body: bytes = ACCEPTED, status: str = "200 OK", headers: str = "", length: int | None = None) -> bytes:
    size = len(body) if length is None else length
    return f"HTTP/1.1 {status}\r\nContent-Length: {size}\r\n{headers}\r\n".encode() + body


def send(url: str, tls: ssl.SSLContext | None = None, **emission: Any) -> Sent:
    section = Emission.model_validate({"url": url, "timeout": "20s", **emission})
    return Emitter(section, tls).send(REQUEST, PASSWORD)


def answering(answer: bytes) -> RawServer:
    server = RawServer()

    def handler(sock: socket.socket) -> None:
        server.read(sock)
        sock.sendall(answer)

    server.handler = handler
    return server


# --- what was accepted


def test_an_accepted_request_tells_its_idcall() -> None:
    with answering(http()) as server:
        sent = send(f"{server.url}/emision?v=1")
    assert sent.consequence() is Consequence.ACCEPTED
    assert sent.reply is not None
    assert sent.reply.idcall == "77"
    head, _, body = server.requests[0].partition(b"\r\n\r\n")
    assert head.startswith(b"POST /emision?v=1 HTTP/1.1\r\n")
    assert f"Host: 127.0.0.1:{server.port}".encode() in head
    document = json.loads(parse_qs(body.decode())["apiCALLjson"][0])
    assert document["callRequest"]["callData"]["numtelefono"] == "+34600111222"


def test_the_format_and_root_of_the_line_are_used() -> None:
    with answering(http()) as server:
        send(server.url, format="xml", xml_root="callRequest")
    body = server.requests[0].partition(b"\r\n\r\n")[2].decode()
    assert "<callRequest " in parse_qs(body, encoding="iso-8859-1")["apiCALLxml"][0]
    assert ">ñ<" in parse_qs(body, encoding="iso-8859-1")["apiCALLxml"][0]


def test_each_request_has_a_connection_of_its_own() -> None:
    with answering(http()) as server:
        emitter = Emitter(Emission(url=server.url))
        for _ in range(3):
            assert emitter.send(REQUEST, PASSWORD).consequence() is Consequence.ACCEPTED
    assert server.accepted == 3


def test_a_chunked_answer_is_read() -> None:
    chunks = b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in (ACCEPTED[:10], ACCEPTED[10:]))
    with answering(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + chunks + b"0\r\n\r\n") as server:
        assert send(server.url).consequence() is Consequence.ACCEPTED


def test_a_whole_document_counts_though_the_connection_does_not_end() -> None:
    server = RawServer()

    def handler(sock: socket.socket) -> None:
        server.read(sock)
        sock.sendall(http(length=len(ACCEPTED) + 100))
        server.stopping.wait(60)

    server.handler = handler
    with server:
        assert send(server.url, timeout="3s").consequence() is Consequence.ACCEPTED


def test_a_request_that_breaks_a_limit_never_leaves() -> None:
    with answering(http()) as server:
        emitter = Emitter(Emission(url=server.url))
        with pytest.raises(ProtocolError, match="EsperaMax"):
            emitter.send(EmissionRequest("912345678", "+34600111222", "g", max_wait=301), PASSWORD)
    assert server.accepted == 0


# --- certainly not sent


def test_a_refused_connection_sent_nothing() -> None:
    sent = send(f"http://127.0.0.1:{free_port()}")
    assert (sent.consequence(), sent.failure) == (Consequence.NOT_SENT, "connect")
    assert "refused" in sent.reason().lower()
    assert "no enviada" in sent.reason("es")


@pytest.mark.parametrize("host", ["platform.invalid", "a" * 64 + ".example", "xn--.invalid"])
def test_a_name_that_does_not_resolve_sent_nothing(host: str) -> None:
    sent = send(f"https://{host}/")
    assert (sent.consequence(), sent.failure) == (Consequence.NOT_SENT, "name")


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


def server_tls(authority: trustme.CA, name: str = "localhost") -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(name).configure_cert(context)
    return context


def trusting(authority: trustme.CA) -> ssl.SSLContext:
    context = ssl.create_default_context()
    authority.configure_trust(context)
    return context


def secure(authority: trustme.CA, name: str = "localhost") -> RawServer:
    server = RawServer(tls=server_tls(authority, name))

    def handler(sock: socket.socket) -> None:
        server.read(sock)
        sock.sendall(http())

    server.handler = handler
    return server


def test_over_tls_the_certificate_is_verified(authority: trustme.CA, tmp_path: Any) -> None:
    bundle = tmp_path / "authority.pem"
    authority.cert_pem.write_to_path(str(bundle))
    with secure(authority) as server:
        assert send(server.url, trusting(authority)).consequence() is Consequence.ACCEPTED
        assert send(server.url, ca_file=str(bundle)).consequence() is Consequence.ACCEPTED
        unknown = send(server.url)
    assert (unknown.consequence(), unknown.failure) == (Consequence.NOT_SENT, "tls")
    assert len(server.requests) == 2


def test_a_certificate_for_another_name_sent_nothing(authority: trustme.CA) -> None:
    with secure(authority, "elsewhere.example") as server:
        sent = send(server.url, trusting(authority))
    assert (sent.consequence(), sent.failure) == (Consequence.NOT_SENT, "tls")
    assert server.requests == []


@pytest.mark.parametrize("greeting", [b"HTTP/1.1 400 Bad Request\r\n\r\n", b"", b"\x15\x03\x01\x00\x02\x02\x28"])
def test_a_server_that_speaks_no_tls_was_sent_nothing(greeting: bytes) -> None:
    with RawServer(lambda sock: sock.sendall(greeting)) as server:
        sent = send(f"https://127.0.0.1:{server.port}")
    assert (sent.consequence(), sent.failure) == (Consequence.NOT_SENT, "tls")


def test_a_handshake_that_hangs_or_trickles_ends_in_time_and_sent_nothing() -> None:
    def trickle(sock: socket.socket) -> None:
        sock.sendall(b"\x16\x03\x03\x40\x00")
        while not server.stopping.wait(0.05):
            sock.sendall(b"\x00")

    for handler in (None, trickle):
        with RawServer(handler) as server:
            started = time.monotonic()
            sent = send(f"https://127.0.0.1:{server.port}", timeout="1s")
            assert time.monotonic() - started < 30
        assert (sent.consequence(), sent.failure) == (Consequence.NOT_SENT, "tls")


def test_a_request_is_not_written_when_half_of_the_time_is_gone() -> None:
    with answering(http()) as server:
        emitter = Emitter(Emission.model_validate({"url": server.url, "timeout": "10s"}))
        for seconds, consequence in ((4.0, Consequence.ACCEPTED), (6.0, Consequence.NOT_SENT)):
            readings = chain([0.0] * 3, repeat(seconds))  # the start and both deadlines are set; then it is later
            assert emitter.send(REQUEST, PASSWORD, readings.__next__).consequence() is consequence
    assert len(server.requests) == 1


# --- may have rung


def test_a_reset_before_the_request_was_read_may_have_rung() -> None:
    def handler(sock: socket.socket) -> None:
        sock.recv(1)
        reset(sock)

    with RawServer(handler) as server:
        sent = send(server.url)
    assert (sent.consequence(), sent.failure) == (Consequence.MAY_HAVE_RUNG, "lost")
    assert server.accepted == 1


@pytest.mark.parametrize("end", [reset, socket.socket.close])
def test_a_connection_lost_after_the_request_may_have_rung(end: Callable[[socket.socket], None]) -> None:
    server = RawServer()

    def handler(sock: socket.socket) -> None:
        server.read(sock)
        end(sock)

    server.handler = handler
    with server:
        sent = send(server.url)
    assert (sent.consequence(), sent.failure) == (Consequence.MAY_HAVE_RUNG, "lost")
    assert server.accepted == 1


def test_no_answer_in_time_may_have_rung() -> None:
    with RawServer() as server:
        sent = send(server.url, timeout="3s")  # half of which it has to be written
    assert (sent.consequence(), sent.failure) == (Consequence.MAY_HAVE_RUNG, "late")
    assert "3s" in sent.reason()


@pytest.mark.parametrize("before", [b"", b"HTTP/1.1 200 OK\r\nX: ", http(length=10_000)[: -len(ACCEPTED)]])
def test_a_trickle_ends_in_time_and_may_have_rung(before: bytes) -> None:
    server = RawServer()

    def handler(sock: socket.socket) -> None:
        server.read(sock)
        sock.sendall(before)
        while not server.stopping.wait(0.05):
            sock.sendall(b"H")

    server.handler = handler
    with server:
        started = time.monotonic()
        sent = send(server.url, timeout="2s")
        assert time.monotonic() - started < 60
    assert sent.consequence() is Consequence.MAY_HAVE_RUNG


def test_a_huge_answer_is_not_read_to_its_end() -> None:
    server = RawServer()
    written = 0

    def handler(sock: socket.socket) -> None:
        nonlocal written
        server.read(sock)
        sock.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
        while True:
            written += sock.send(b" " * 65536)

    server.handler = handler
    with server:
        sent = send(server.url)
    assert sent.consequence() is Consequence.MAY_HAVE_RUNG
    assert written < 100 * 1024**2


def test_endless_headers_are_not_read_to_their_end() -> None:
    server = RawServer()

    def handler(sock: socket.socket) -> None:
        server.read(sock)
        while True:
            sock.sendall(b"HTTP/1.1 100 Continue\r\nX: " + b"y" * 50_000 + b"\r\n\r\n")

    server.handler = handler
    with server:
        assert send(server.url).consequence() is Consequence.MAY_HAVE_RUNG


@pytest.mark.parametrize(
    "answer",
    [
        http(b"<html>down</html>", "500 Internal Server Error"),
        http(ACCEPTED, "503 Service Unavailable"),
        http(b"\x00\x01 garbage"),
        http(b""),
        http(b"", "204 No Content"),
        http(ACCEPTED[:-10], length=len(ACCEPTED)),
        http(ACCEPTED[:-10]),
        b"SSH-2.0-OpenSSH_9.2\r\n",
        b"HTTP/1.1 abc\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n50\r\n" + ACCEPTED[:20],
        b"\xff" * 100_000,
    ],
)
def test_what_is_no_answer_may_have_rung(answer: bytes) -> None:
    with answering(answer) as server:
        sent = send(server.url)
    assert sent.consequence() is Consequence.MAY_HAVE_RUNG
    assert sent.reason()
    assert sent.reason("es")
    assert server.accepted == 1


def test_a_server_error_keeps_the_idcall_that_may_settle_it() -> None:
    with answering(http(ACCEPTED, "500 Internal Server Error")) as server:
        sent = send(server.url)
    assert sent.reply is not None
    assert sent.reply.idcall == "77"


# --- rang nobody


def test_a_redirect_is_not_followed_and_pauses_the_line() -> None:
    with answering(http()) as elsewhere:
        moved = http(b"", "302 Found", f"Location: {elsewhere.url}/\r\n")
        with answering(moved) as server:
            sent = send(server.url)
        assert elsewhere.accepted == 0
    assert sent.consequence() is Consequence.PAUSE_LINE


def test_a_404_pauses_the_line_even_when_its_page_never_ends() -> None:
    with answering(http(b"<html>", "404 Not Found", length=1000)) as server:
        assert send(server.url).consequence() is Consequence.PAUSE_LINE


# --- proxies


def test_proxies_of_the_environment_are_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{free_port()}")
    monkeypatch.delenv("no_proxy", raising=False)
    with answering(http()) as server:
        assert send(server.url).consequence() is Consequence.ACCEPTED


def test_a_configured_proxy_is_tunnelled_through_and_sees_its_own_password_only(authority: trustme.CA) -> None:
    proxy = RawServer()

    def forward(sock: socket.socket) -> None:
        proxy.read(sock)
        sock.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
        with socket.create_connection(("127.0.0.1", server.port)) as onward:
            pump(sock, onward)

    proxy.handler = forward
    with secure(authority) as server, proxy:
        sent = send(server.url, trusting(authority), proxy=f"http://u%40x:pa%3Ass@127.0.0.1:{proxy.port}")
    assert sent.consequence() is Consequence.ACCEPTED
    assert proxy.requests[0].startswith(f"CONNECT localhost:{server.port} HTTP/1.1\r\n".encode())
    assert b"Basic dUB4OnBhOnNz" in proxy.requests[0]
    assert b"dUB4OnBhOnNz" not in server.requests[0]


def pump(one: socket.socket, other: socket.socket) -> None:
    """Both ways, until either ends."""
    one.settimeout(0.05)
    other.settimeout(0.05)
    while True:
        for source, target in ((one, other), (other, one)):
            try:
                data = source.recv(65536)
            except TimeoutError:
                continue
            if not data:
                return
            target.sendall(data)


@pytest.mark.parametrize(
    "answer",
    [b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n", b"HTTP/1.1 502 Bad Gateway\r\n\r\n", b"", b"what?"],
)
def test_a_proxy_that_refuses_sent_nothing(answer: bytes) -> None:
    with answering(answer) as proxy:
        sent = send("https://platform.invalid/", proxy=f"http://me:hush-hush@127.0.0.1:{proxy.port}")
    assert (sent.consequence(), sent.failure) == (Consequence.NOT_SENT, "proxy")
    assert "hush" not in sent.reason()


def test_a_proxy_that_is_away_or_hangs_sent_nothing() -> None:
    away = send("https://platform.invalid/", proxy=f"http://127.0.0.1:{free_port()}")
    assert (away.consequence(), away.failure) == (Consequence.NOT_SENT, "connect")
    with RawServer() as proxy:
        hung = send("https://platform.invalid/", proxy=f"http://127.0.0.1:{proxy.port}", timeout="500ms")
    assert (hung.consequence(), hung.failure) == (Consequence.NOT_SENT, "proxy")


def test_nothing_said_or_logged_holds_a_secret_or_a_whole_number(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG")
    with answering(http(b"no: apiCALLjson of +34600111222 refused")) as server:
        sent = send(server.url)
    said = caplog.text + sent.reason() + str([record.__dict__.get("fields") for record in caplog.records])
    assert "•••222" in said
    assert "600111222" not in said
    assert PASSWORD not in said
    assert "firma" not in said

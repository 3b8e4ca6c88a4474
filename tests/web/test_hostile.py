"""Senders that break off, never finish, send too much or no HTTP at all: told where possible, never in the way."""

from __future__ import annotations

import re
import socket

import pytest

from bridge.infocaller.messages import Format
from tests.web.bridge_process import KEY, Bridge, query, until, written

PATH = f"/infocaller/{KEY}/query"


def head(*headers: str, method: str = "POST", path: str = PATH) -> bytes:
    return "\r\n".join((f"{method} {path} HTTP/1.1", "Host: bridge", *headers, "", "")).encode()


def answer(connection: socket.socket) -> str:
    """What comes until the other side ends or the answer is whole; empty when it ended without a word."""
    received = b""
    while True:
        try:
            data = connection.recv(65536)
        except ConnectionResetError:
            break
        received += data
        length = re.search(rb"content-length: (\d+)\r\n", received, re.I)
        whole = length and len(received.partition(b"\r\n\r\n")[2]) >= int(length[1])
        if not data or whole:
            break
    return received.decode("latin-1")


def exchange(bridge: Bridge, *parts: bytes) -> str:
    with bridge.raw() as connection:
        try:
            for part in parts:
                connection.sendall(part)
        except OSError:  # the other side has heard enough
            pass
        return answer(connection)


def still_serves(bridge: Bridge) -> bool:
    return bridge.post("query", *written(query())).status == 200


@pytest.mark.parametrize("size", [400_000, 50_000_000])
def test_a_request_that_is_too_large_is_told_so(bridge: Bridge, size: int) -> None:
    text = exchange(bridge, head(f"Content-Length: {size}", "Content-Type: application/json"), b"{" * size)
    assert text.startswith("HTTP/1.1 413")
    assert '"Result": "413"' in text
    assert "server.max_body" in text
    assert still_serves(bridge)


@pytest.mark.parametrize("size", [400_000, 50_000_000])
def test_a_request_that_is_too_large_is_told_so_though_it_did_not_say_its_size(bridge: Bridge, size: int) -> None:
    chunk = b"2710\r\n" + b"<" * 10_000 + b"\r\n"
    parts = [head("Transfer-Encoding: chunked", "Content-Type: text/xml"), chunk * (size // 10_000), b"0\r\n\r\n"]
    text = exchange(bridge, *parts)
    assert text.startswith("HTTP/1.1 413")
    assert "<Result>413</Result>" in text
    assert still_serves(bridge)


def test_who_asks_before_sending_too_much_need_not_send_it(bridge: Bridge) -> None:
    text = exchange(bridge, head("Content-Length: 400000", "Expect: 100-continue"))
    assert text.startswith("HTTP/1.1 413")


def test_who_asks_before_sending_is_told_to_go_on(bridge: Bridge) -> None:
    body, content_type = written(query())
    with bridge.raw() as connection:
        connection.sendall(
            head(f"Content-Length: {len(body)}", f"Content-Type: {content_type}", "Expect: 100-continue")
        )
        assert connection.recv(100).startswith(b"HTTP/1.1 100")
        connection.sendall(body)
        assert answer(connection).startswith("HTTP/1.1 200")


def test_a_chunked_request_is_served(bridge: Bridge) -> None:
    body, content_type = written(query(), Format.XML)
    pieces = b"".join(b"%x\r\n%s\r\n" % (len(body[i : i + 7]), body[i : i + 7]) for i in range(0, len(body), 7))
    text = exchange(bridge, head("Transfer-Encoding: chunked", f"Content-Type: {content_type}"), pieces, b"0\r\n\r\n")
    assert text.startswith("HTTP/1.1 200")
    assert "<Result>0</Result>" in text


def test_a_request_without_a_length_has_no_body(bridge: Bridge) -> None:
    assert exchange(bridge, head("Content-Type: application/json")).startswith("HTTP/1.1 400")


def test_a_request_that_breaks_off_is_not_read_as_if_it_were_whole(bridge: Bridge) -> None:
    body, content_type = written(query())
    with bridge.raw() as connection:
        connection.sendall(head(f"Content-Length: {len(body) + 1}", f"Content-Type: {content_type}") + body)
        connection.shutdown(socket.SHUT_WR)
        text = answer(connection)
    assert text.startswith("HTTP/1.1 400")
    assert "broke off" in text


@pytest.mark.parametrize(
    "request_",
    [
        head("Content-Length: 5", "Content-Length: 6") + b"{{{{{{",
        head("Content-Length: -5"),
        head("Content-Length: 5x") + b"{{{{{",
        head("Content-Length: 99999999999999999999999"),
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
        b"POST\r\n\r\n",
        head("Bad Header: x"),
        head("X: a\x00b"),
        head("X: " + "a" * 500_000),
        head(*(f"X-{number}: a" for number in range(5_000))),
        head(path="/" + "a" * 500_000),
    ],
    ids=range(11),
)
def test_what_is_no_http_is_turned_away_and_others_are_served(bridge: Bridge, request_: bytes) -> None:
    text = exchange(bridge, request_)
    assert not text or re.match(r"HTTP/1\.[01] 4\d\d", text), text
    assert still_serves(bridge)


def test_a_header_cannot_be_smuggled_into_the_answer(bridge: Bridge) -> None:
    text = exchange(bridge, head(path=f"{PATH}/a%0d%0aSet-Cookie:%20x=1", method="GET"))
    assert "set-cookie" not in text.lower()


def test_a_length_beside_chunks_does_not_smuggle_a_second_request_in(bridge: Bridge) -> None:
    smuggled = head(method="GET", path="/healthz")
    with bridge.raw() as connection:
        connection.sendall(head("Content-Length: 5", "Transfer-Encoding: chunked") + b"0\r\n\r\n" + smuggled)
        assert answer(connection).startswith("HTTP/1.1 400")
        assert answer(connection) == ""


@pytest.mark.parametrize("pieces", [b"zz\r\n{}\r\n0\r\n\r\n", b"5\r\n{}\r\n0\r\n\r\n", b"ffffffffffffffffff\r\n{}"])
def test_chunks_that_are_none_are_turned_away(bridge: Bridge, pieces: bytes) -> None:
    with bridge.raw() as connection:
        connection.sendall(head("Transfer-Encoding: chunked", "Content-Type: application/json") + pieces)
        connection.shutdown(socket.SHUT_WR)
        text = answer(connection)
    assert not text or text.startswith("HTTP/1.1 4"), text
    assert still_serves(bridge)


def test_a_connection_is_kept_for_the_next_request_whatever_became_of_this_one(bridge: Bridge) -> None:
    body, content_type = written(query())
    good = head(f"Content-Length: {len(body)}", f"Content-Type: {content_type}") + body
    refused = head("Content-Length: 3", "Content-Type: application/json") + b"{{{"
    with bridge.raw() as connection:
        for request_, status in [(good, "200"), (refused, "400"), (good, "200"), (head(method="GET"), "405")] * 3:
            connection.sendall(request_)
            assert answer(connection)[9:12] == status


def test_who_asks_before_sending_and_has_no_business_here_is_told_so_at_once(bridge: Bridge) -> None:
    text = exchange(bridge, head("Content-Length: 40", "Expect: 100-continue", path=PATH.replace(KEY, "wrong")))
    assert text.startswith("HTTP/1.1 404")


def test_requests_sent_one_behind_the_other_are_answered_in_order(bridge: Bridge) -> None:
    bodies = [written(query("ECO", {"DATO": f"n{number}"}))[0] for number in range(5)]
    form = "Content-Type: application/x-www-form-urlencoded"
    with bridge.raw() as connection:
        connection.sendall(b"".join(head(f"Content-Length: {len(body)}", form) + body for body in bodies))
        received = ""

        def more() -> bool:
            nonlocal received
            received += connection.recv(65536).decode()
            return received.count("ApiCall") == 5

        until(more)
    assert re.findall(r'"n\d"', received) == [f'"n{number}"' for number in range(5)]


def test_senders_that_never_finish_are_told_or_cut_and_others_are_served_meanwhile(bridge: Bridge) -> None:
    """In a body, in the headers and before a word."""
    body = head("Content-Length: 1000", "Content-Type: text/xml") + b"<"
    starts = [body] * 120 + [head()[:-4]] * 10 + [b""] * 10
    slow = [socket.create_connection(("127.0.0.1", bridge.port), timeout=60) for _ in starts]
    try:
        for connection, start in zip(slow, starts, strict=True):
            connection.sendall(start)
        assert still_serves(bridge)
        for connection in slow[:60]:
            connection.sendall(b" ")
        ended = [answer(connection) for connection in slow]
    finally:
        for connection in slow:
            connection.close()
    assert {text[9:12] for text in ended[:120]} == {"408"}
    assert not any(text.startswith("HTTP/1.1 2") for text in ended)
    assert still_serves(bridge)


def test_who_is_late_does_not_end_the_connections_of_others_at_the_same_address(bridge: Bridge) -> None:
    with bridge.raw() as late, bridge.raw() as steady:
        late.sendall(head("Content-Length: 10") + b"{")
        for _ in range(1_000):
            steady.sendall(head(method="GET", path="/healthz"))
            assert answer(steady).startswith("HTTP/1.1 200")
            late.settimeout(0.05)
            try:
                text = answer(late)
                break
            except TimeoutError:
                continue
        steady.sendall(head(method="GET", path="/healthz"))
        assert answer(steady).startswith("HTTP/1.1 200")
    assert text.startswith("HTTP/1.1 408")


def test_strangers_cannot_keep_threads_waiting(bridge: Bridge) -> None:
    """Whoever does not know the key is answered before the body has come."""
    for path in (PATH.replace(KEY, "wrong"), "/", "/healthz", "/metrics"):
        text = exchange(bridge, head("Content-Length: 1000", path=path) + b"{")
        assert re.match(r"HTTP/1\.1 40[45]", text)

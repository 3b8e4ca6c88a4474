"""Bodies are read only from who may send them, and slow senders with a right key leave room for Queries."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress

import pytest

from tests.web.bridge_process import KEY, LINE, PASSWORD, Bridge, query, running, written

TOKEN = "a-token-that-nobody-can-guess"
OTHER = "another-token-that-nobody-can-guess"
CONFIGURATION = f"""
server: {{url_key: {KEY}, workers: 1, threads: 40}}
lines:
  - {{number: "{LINE}", password: "{PASSWORD}"}}
callbacks:
  - {{name: web, line: "{LINE}", rule_group: callbacks, token: [{TOKEN}, {OTHER}]}}
queries:
  ECO: {{answer: {{ECO: dicho}}}}
"""


@pytest.fixture(scope="module")
def bridge(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bridge]:
    folder = tmp_path_factory.mktemp("bodies")
    (folder / "config.yaml").write_text(CONFIGURATION)
    with running(folder) as bridge:
        yield bridge


@pytest.fixture(scope="module")
def beset(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bridge]:
    """One that hears so many wrong tokens that it turns further ones away."""
    folder = tmp_path_factory.mktemp("beset")
    (folder / "config.yaml").write_text(CONFIGURATION)
    with running(folder) as bridge:
        yield bridge


def answered(bridge: Bridge, path: str, *headers: str, seconds: float = 60.0) -> str:
    """What is answered to the head of a request whose body never comes; empty: nothing, for so long."""
    head = "\r\n".join([f"POST {path} HTTP/1.1", "Host: localhost", "Content-Length: 1000", *headers])
    with bridge.raw() as connection:
        connection.settimeout(seconds)
        connection.sendall(f"{head}\r\n\r\n{{".encode())
        try:
            return connection.recv(65536).decode()[9:12]
        except TimeoutError:
            return ""


@pytest.mark.parametrize(
    ("path", "headers", "status"),
    [
        ("/callbacks/nobody", (f"Authorization: Bearer {TOKEN}",), "404"),
        ("/callbacks/web", (), "401"),
        ("/callbacks/web", ("Authorization: Bearer wrong",), "401"),
        ("/callbacks/web", (f"Authorization: Basic {TOKEN}",), "401"),
        (f"/callbacks/web/{TOKEN[:-1]}/outbound-message", (), "404"),
        (f"/callbacks/nobody/{TOKEN}/outbound-message", (), "404"),
        (f"/callbacks/web/{TOKEN}/anything", (), "404"),
        ("/console/", (), "404"),
        ("/console/login", (), "404"),
    ],
)
def test_who_may_send_nothing_is_answered_before_a_body_has_come(
    bridge: Bridge, path: str, headers: tuple[str, ...], status: str
) -> None:
    assert answered(bridge, path, *headers) == status


def test_who_has_the_token_is_waited_for(bridge: Bridge) -> None:
    assert answered(bridge, "/callbacks/web", f"Authorization: Bearer {TOKEN}", seconds=1) == ""


@pytest.mark.parametrize("path", ["/callbacks/nobody", "/callbacks/web", "/console/x"])
@pytest.mark.parametrize("size", [1000, 256 * 1024])
def test_who_sends_all_the_same_sees_the_answer(bridge: Bridge, path: str, size: int) -> None:
    for _ in range(2):
        assert bridge.ask("POST", path, b"{" * size).status in (401, 404)


@pytest.mark.parametrize("token", [TOKEN, OTHER])
def test_either_of_two_tokens_will_do(bridge: Bridge, token: str) -> None:
    body = f'{{"id": "{token[:5]}", "phone": "600111222"}}'.encode()
    assert bridge.ask("POST", "/callbacks/web", body, {"Authorization": f"Bearer {token}"}).status == 202
    assert bridge.ask("POST", "/callbacks/web", body, {"Authorization": f"Bearer {token}x"}).status == 401


@contextmanager
def slow_senders(bridge: Bridge, path: str, length: int, senders: int = 120, each: int = 6) -> Iterator[None]:
    """So many threads with so many connections each that send the start of a body, a byte now and then, and begin anew
    when they are ended."""
    stop = threading.Event()
    head = f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: {length}\r\nContent-Type: application/json\r\n\r\n{{"

    def begun() -> socket.socket:
        connection = socket.create_connection(("127.0.0.1", bridge.port), timeout=10)
        connection.sendall(head.encode())
        connection.setblocking(False)
        return connection

    def send() -> None:
        mine: list[socket.socket] = []
        while not stop.wait(0.3):
            with suppress(OSError):
                while len(mine) < each:
                    mine.append(begun())
            for connection in list(mine):
                try:
                    connection.send(b" ")
                    ended = connection.recv(4096) is not None
                except BlockingIOError:
                    ended = False
                except OSError:
                    ended = True
                if ended:
                    connection.close()
                    mine.remove(connection)
        for connection in mine:
            connection.close()

    threads = [threading.Thread(target=send) for _ in range(senders)]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        stop.set()
        for thread in threads:
            thread.join()


@pytest.mark.parametrize("path", ["/callbacks/ANYTHING", "/callbacks/web", f"/infocaller/{KEY}/query"])
def test_queries_are_answered_beside_hundreds_of_slow_senders(beset: Bridge, path: str) -> None:
    with slow_senders(beset, path, 1000):
        time.sleep(2)
        assert [beset.post("query", *written(query())).status for _ in range(50)] == [200] * 50


def test_who_is_late_is_told_so_and_who_idles_beside_them_is_left_alone(bridge: Bridge) -> None:
    """At the same address, between requests of its own, while many are late."""
    head = f"POST /infocaller/{KEY}/query HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n{{".encode()
    with ExitStack() as stack:
        idle, *late = (stack.enter_context(bridge.raw()) for _ in range(30))
        for connection in late:
            connection.sendall(head)
        for _ in range(6):
            idle.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
            assert idle.recv(65536).startswith(b"HTTP/1.1 200")
            time.sleep(2)
        assert {connection.recv(65536)[:12] for connection in late} == {b"HTTP/1.1 408"}
        idle.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
        assert idle.recv(65536).startswith(b"HTTP/1.1 200")

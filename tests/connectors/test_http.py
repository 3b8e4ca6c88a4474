"""The session that connectors share, also as other libraries use it."""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import pytest
import requests
import trustme

from connectors.base import Context, Deadline, Misconfigured, TimedOut, Unavailable
from connectors.http.session import Session, within
from connectors.http.transport import certificates
from tests.fakes.rest_crm import RestCrm
from tests.fakes.salesforce.tls import server_files


@pytest.fixture
def session(tmp_path: Path) -> Iterator[Session]:
    with contextlib.closing(Session(Context(folder=tmp_path))) as session:
        yield session


@pytest.mark.parametrize("fault", ["hang", "trickle", "trickle_header"])
def test_requests_of_other_libraries_end_by_the_deadline_too(crm: RestCrm, session: Session, fault: str) -> None:
    crm.faults.add(fault)
    with pytest.raises(TimedOut, match="no whole answer in time"), within(Deadline.after(0.4)):
        session.get(f"{crm.url}/customers")
    with pytest.raises(TimedOut):
        session.get(f"{crm.url}/customers", timeout=0.2)


def test_each_thread_has_a_deadline_of_its_own(crm: RestCrm, session: Session) -> None:
    crm.delay = 0.3
    ready = threading.Barrier(2)

    def ask(seconds: float) -> bool:
        with within(Deadline.after(seconds)):
            ready.wait(30)
            try:
                return session.get(f"{crm.url}/customers", params={"q": "1"}).ok
            except TimedOut:
                return False

    with ThreadPoolExecutor(2) as pool:
        assert list(pool.map(ask, [0.1, 30.0])) == [False, True]


def test_it_works_as_any_session_of_requests(crm: RestCrm, session: Session) -> None:
    answer = session.post(f"{crm.url}/calls", json={"key": "ñ"}, headers={"X-A": "b"})
    assert (answer.status_code, answer.json()) == (201, {"key": "ñ", "id": 1})
    assert session.get(f"{crm.url}/nothing").status_code == 404
    assert crm.requests[0].headers["X-A"] == "b"


def test_a_redirect_to_another_host_is_not_followed(crm: RestCrm, session: Session) -> None:
    crm.faults.add("redirect", "/customers", to="https://elsewhere.example/login?token=abc")
    with pytest.raises(Unavailable, match=r"https://elsewhere\.example/login.*another host"):
        session.get(f"{crm.url}/customers")
    crm.faults.clear()
    crm.faults.add("redirect", "/customers", to="/orders?number=00077", times=1)
    assert session.get(f"{crm.url}/customers").json()["data"][0]["number"] == "00077"


@pytest.mark.parametrize("target", ["http://[::1", "http://127.0.0.1:port/x"])
def test_a_redirect_to_what_is_no_address_is_told(crm: RestCrm, session: Session, target: str) -> None:
    crm.faults.add("redirect", "/customers", to=target)
    with pytest.raises(Unavailable, match="redirected to what is no address"):
        session.get(f"{crm.url}/customers")
    request = requests.Request("GET", f"{crm.url}/customers").prepare()
    with pytest.raises(Unavailable, match="redirected to what is no address"):
        session.exchange(request, Deadline.after(5), lambda response: response, idempotent=False)


def test_what_no_web_server_says_is_masked_as_answers_are(session: Session) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server, ThreadPoolExecutor(1) as pool:

        def greet() -> None:
            connection, _ = server.accept()
            with connection:
                connection.recv(65_536)
                connection.sendall(b"hello 600112233\r\n")

        greeted = pool.submit(greet)
        with pytest.raises(Unavailable, match=r"hello ••••••233$"):
            session.get(f"http://127.0.0.1:{server.getsockname()[1]}/")
        greeted.result(30)


def test_a_redirect_never_loses_tls(tmp_path: Path) -> None:
    with tls_crm(tmp_path) as (crm, certificate):
        crm.faults.add("redirect", to=f"http://localhost:{crm.port}/customers")
        session = Session(Context(folder=tmp_path), ca_file=certificate)
        with contextlib.closing(session), pytest.raises(Unavailable, match="another host"):
            session.get(f"{crm.url}/customers")
    assert len(crm.requests) == 1


@contextlib.contextmanager
def tls_crm(folder: Path) -> Iterator[tuple[RestCrm, Path]]:
    certificate, key = server_files(folder)
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(certificate, key)
    with RestCrm(tls=tls) as crm:
        yield crm, certificate


def test_a_certificate_that_nobody_vouches_for_is_refused_and_a_private_ca_is_taken(
    tmp_path: Path, session: Session
) -> None:
    with tls_crm(tmp_path) as (crm, certificate):
        with pytest.raises(Misconfigured, match=r"certificate not trusted.*ca_file"):
            session.get(f"{crm.url}/customers")
        with pytest.raises(Misconfigured, match="not trusted"):
            session.get(f"{crm.url}/customers", verify=False)
        with contextlib.closing(Session(Context(folder=tmp_path), ca_file=certificate)) as trusting:
            assert trusting.get(f"{crm.url}/customers").status_code == 200


@pytest.mark.parametrize(
    ("name", "until", "kind", "cure"),
    [
        ("localhost", datetime(2026, 1, 1, tzinfo=UTC), Unavailable, "certificate has expired; renew the server's"),
        ("crm.example.com", None, Misconfigured, "not valid for 'localhost'; write the address with the name"),
    ],
    ids=["expired", "another name"],
)
def test_a_certificate_that_has_expired_or_is_anothers_says_what_to_do(
    tmp_path: Path, name: str, until: datetime | None, kind: type[Exception], cure: str
) -> None:
    authority, tls = trustme.CA(), ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(name, not_after=until).configure_cert(tls)
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    session = Session(Context(folder=tmp_path), ca_file=tmp_path / "ca.pem")
    with RestCrm(tls=tls) as crm, contextlib.closing(session), pytest.raises(kind, match=cure):
        session.get(f"https://localhost:{crm.port}/customers")


def test_the_environments_ca_bundle_is_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with tls_crm(tmp_path) as (crm, certificate):
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate))
        with contextlib.closing(Session(Context(folder=tmp_path))) as session:
            monkeypatch.delenv("REQUESTS_CA_BUNDLE")
            assert session.get(f"{crm.url}/customers").status_code == 200


def test_a_ca_file_that_can_not_be_read_is_told(tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_text("nonsense")
    for name in ("ca.pem", "nothing.pem"):
        with pytest.raises(Misconfigured, match=name):
            Session(Context(folder=tmp_path), ca_file=tmp_path / name)


def test_the_environments_proxy_is_used_and_no_proxy_heeded(
    crm: RestCrm, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with contextlib.closing(Session(Context(folder=tmp_path))) as session:
        assert session.get(f"{crm.url}/customers").ok
        with pytest.raises(Unavailable, match=r"refused|proxy"):
            session.get("http://crm.example/customers")


@pytest.mark.parametrize(
    ("url", "error", "said"),
    [
        ("http://127.0.0.1:9/x", Unavailable, "connection refused"),
        ("http://nobody.invalid/x", Unavailable, "no such host"),
        ("http://[broken/x", Misconfigured, "mend the address"),
        ("ftp://127.0.0.1/x", Misconfigured, "mend the address"),
    ],
)
def test_what_could_not_be_sent_is_told(session: Session, url: str, error: type[Exception], said: str) -> None:
    with pytest.raises((error, requests.exceptions.InvalidURL, requests.exceptions.InvalidSchema)) as raised:
        session.get(url)
    if isinstance(raised.value, error):
        assert said in str(raised.value)


def test_nothing_is_sent_after_the_deadline(crm: RestCrm, session: Session) -> None:
    with pytest.raises(TimedOut), within(Deadline.after(-1)):
        session.get(f"{crm.url}/customers")
    assert crm.requests == []


def test_others_compute_while_it_waits_and_its_turn_is_waited_for(crm: RestCrm, tmp_path: Path) -> None:
    order: list[str] = []

    class Pace:
        def wait(self, deadline: Deadline) -> None:
            order.append(f"pace {deadline.remaining > 0}")

    @contextlib.contextmanager
    def waiting() -> Iterator[None]:
        order.append("away")
        yield
        order.append("back")

    context = Context(folder=tmp_path, pace=Pace(), waiting=waiting, see=lambda _: order.append("seen"))
    with contextlib.closing(Session(context)) as session:
        session.get(f"{crm.url}/customers")
    assert order == ["away", "pace True", "back", "seen"]


def test_as_many_connections_are_kept_as_there_are_threads(crm: RestCrm, tmp_path: Path) -> None:
    crm.delay = 0.05
    with contextlib.closing(Session(Context(folder=tmp_path, concurrency=12))) as session:
        with ThreadPoolExecutor(12) as pool:
            list(pool.map(lambda _: session.get(f"{crm.url}/customers").ok, range(60)))
        assert len(session.adapters) == 2
        pools = session.get_adapter(crm.url).poolmanager  # type: ignore[attr-defined]  # of its own kind
        assert pools.connection_from_url(crm.url).num_connections <= 12


def test_a_context_that_threads_share_is_not_changed_any_more_by_each_connection(tmp_path: Path) -> None:
    context = certificates(server_files(tmp_path)[0])
    context.set_alpn_protocols(["another"])  # as urllib3 does before each handshake, whoever else is in one
    sent = ssl.MemoryBIO()
    with pytest.raises(ssl.SSLWantReadError):
        context.wrap_bio(ssl.MemoryBIO(), sent, server_hostname="localhost").do_handshake()
    hello = sent.read()
    assert b"\x08http/1.1" in hello
    assert b"another" not in hello
    assert (context.verify_mode, context.check_hostname) == (ssl.CERT_REQUIRED, True)

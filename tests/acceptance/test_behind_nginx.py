"""The bridge behind nginx with TLS, by the file that operators copy (deploy/nginx.conf); a CA of its own."""

from __future__ import annotations

import os
import shutil
import socket
import ssl
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
import requests
import trustme

from bridge.infocaller.messages import Format
from tests.acceptance.processes import Bridge, ready
from tests.fakes.loopback import HttpLoopback, HttpRequest
from tests.ports import free_port
from tests.waiting import until
from tests.web.bridge_process import KEY, LINE, PASSWORD, query, written

CONFIGURED = Path(__file__).parent.parent.parent / "deploy" / "nginx.conf"
NGINX = shutil.which("nginx", path=os.environ.get("PATH", "") + ":/usr/sbin")
CONSOLE_PASSWORD = "what nobody guesses"
CONFIGURATION = """
server:
  port: {port}
  url_key: {key}
  workers: 1
  trusted_proxies: [127.0.0.1]
  allowed_ips: [127.0.0.1]
  console_password: {console}
lines:
  - {{number: "{line}", password: "{password}"}}
queries:
  ECO: {{answer: {{QUIEN: "{{{{ caller }}}}"}}}}
"""


@dataclass(frozen=True)
class Served:
    """Where nginx listens, and who signed its certificate."""

    port: int
    plain_port: int
    authority: Path
    log: Path
    bridge: int

    @property
    def base(self) -> str:
        return f"https://localhost:{self.port}"


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    if os.environ.get("CI") == "true":
        assert NGINX, "CI serves by nginx: .ci/run fetches it"
    if not NGINX:
        pytest.skip("no nginx on this machine")
    folder = tmp_path_factory.mktemp("nginx")
    config = folder / "config.yaml"
    port, plain, secure = free_port(), free_port(), free_port()
    text = CONFIGURATION.format(port=port, key=KEY, line=LINE, password=PASSWORD, console=CONSOLE_PASSWORD)
    config.write_text(text, encoding="utf-8")
    authority = _certificates(folder)
    bridge = Bridge(config)
    bridge.start()
    try:
        until(lambda: ready(port), 120)
        with _Nginx(folder, plain, secure, port):
            yield Served(secure, plain, authority, bridge.log, port)
    finally:
        assert bridge.stop() == 0


def _certificates(folder: Path) -> Path:
    """nginx's key and certificate in `folder`; the path of the one who signed it."""
    authority = trustme.CA()
    issued = authority.issue_cert("localhost")
    issued.private_key_pem.write_to_path(folder / "privkey.pem")
    for part in issued.cert_chain_pems:
        part.write_to_path(folder / "fullchain.pem", append=True)
    authority.cert_pem.write_to_path(folder / "ca.pem")
    return folder / "ca.pem"


class _Nginx:
    """nginx by the operators' file, with this test's ports and folders, and no user to change to. `folder` has its
    certificate; `hosts`: where bridges listen."""

    def __init__(self, folder: Path, plain: int, secure: int, *hosts: int) -> None:
        text = CONFIGURED.read_text("utf-8")
        places = "".join(
            f"{kind}_temp_path {folder}/{kind};" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
        )
        for there, here in {
            "user www-data;": "user root;" if os.geteuid() == 0 else "",
            "worker_processes auto;": "worker_processes 1;",
            "/run/nginx.pid": f"{folder}/nginx.pid",
            "error_log stderr": f"error_log {folder}/error.log",
            "http {\n": f"http {{\n{places}\n",
            "server 127.0.0.1:8080;": "".join(f"server 127.0.0.1:{host};" for host in hosts),
            "listen 80 ": f"listen 127.0.0.1:{plain} ",
            "listen 443 ": f"listen 127.0.0.1:{secure} ",
            "/etc/nginx/tls": str(folder),
        }.items():
            assert there in text, there
            text = text.replace(there, here)
        self._file = folder / "nginx.conf"
        self._file.write_text(text, encoding="utf-8")
        self._folder, self._port = folder, secure

    def __enter__(self) -> None:
        assert NGINX
        command = [NGINX, "-c", str(self._file), "-p", str(self._folder), "-g", "daemon off;"]
        self._process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
        until(self._listens, 30)

    def _listens(self) -> bool:
        assert self._process.poll() is None, (self._folder / "error.log").read_text("utf-8")
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self._port)) == 0

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        self._process.wait(30)


@pytest.fixture
def session(served: Served) -> Iterator[requests.Session]:
    with requests.Session() as session:
        session.trust_env = False
        session.verify = str(served.authority)
        yield session


@pytest.mark.parametrize("form", list(Format))
def test_a_query_is_answered(served: Served, session: requests.Session, form: Format) -> None:
    body, kind = written(query(), form)
    answer = session.post(
        f"{served.base}/infocaller/{KEY}/query", data=body, headers={"Content-Type": kind}, timeout=30
    )
    assert answer.status_code == 200
    assert "600111222" in answer.text


def test_the_console_knows_that_it_is_behind_tls(served: Served, session: requests.Session) -> None:
    page = session.get(f"{served.base}/console/login", timeout=30)
    assert page.status_code == 200
    assert page.headers["Strict-Transport-Security"]
    cookies = page.raw.headers.getlist("Set-Cookie")
    assert cookies
    assert all("Secure" in cookie and "HttpOnly" in cookie for cookie in cookies)


def test_plain_http_is_led_to_https(served: Served, session: requests.Session) -> None:
    answer = session.get(f"http://127.0.0.1:{served.plain_port}/console/", allow_redirects=False, timeout=30)
    assert answer.status_code == 301
    assert answer.headers["Location"].startswith("https://")


def test_what_is_not_for_strangers_stays_inside(served: Served, session: requests.Session) -> None:
    assert session.get(f"{served.base}/metrics", timeout=30).status_code == 403
    large = b"x" * 300_000
    assert session.post(f"{served.base}/infocaller/{KEY}/query", data=large, timeout=30).status_code == 413


def test_a_slow_sender_is_nginxs_alone(served: Served, session: requests.Session) -> None:
    """A body that never comes to its end is not passed on: the bridge hears nothing of it, and answers others."""
    before = _known_requests(served, session)
    context = ssl.create_default_context(cafile=str(served.authority))
    head = f"POST /infocaller/{KEY}/query HTTP/1.1\r\nHost: localhost\r\nContent-Length: 900\r\n\r\n"
    with (
        socket.create_connection(("localhost", served.port)) as plain,
        context.wrap_socket(plain, server_hostname="localhost") as slow,
    ):
        slow.sendall(head.encode() + b"{")
        assert session.get(f"{served.base}/readyz", timeout=30).status_code == 200
        slow.settimeout(60)
        assert slow.recv(4096)[:12] in {b"HTTP/1.1 408", b""}  # nginx closes it after client_body_timeout
    assert _requests(served) == before


def _requests(served: Served) -> list[str]:
    """What the bridge logged of requests, but for those that ask whether it is ready."""
    return [line for line in served.log.read_text("utf-8").splitlines() if "route=" in line and "readyz" not in line]


def _known_requests(served: Served, session: requests.Session) -> list[str]:
    """The same, with all that came before now: lines are written a moment later, in their order."""

    def probes() -> int:
        return served.log.read_text("utf-8").count("readyz")

    before = probes()
    assert session.get(f"http://127.0.0.1:{served.bridge}/readyz", timeout=30).status_code == 200
    until(lambda: probes() > before)
    return _requests(served)


class _IllHost(HttpLoopback):
    """Takes everything, says nothing to the platform, and breaks off with all others. `paths`: what came."""

    def __init__(self) -> None:
        super().__init__()
        self.paths: list[str] = []

    def take(self, request: HttpRequest) -> None:
        self.paths.append(request.path)
        if request.path.startswith("/infocaller/"):
            self.over.wait()
        request.close_connection = True


@pytest.fixture
def beside_an_ill_one(served: Served) -> Iterator[tuple[Served, _IllHost]]:
    """The bridge, and a host that nginx asks first."""
    plain, secure = free_port(), free_port()
    with _IllHost() as ill, _Nginx(served.authority.parent, plain, secure, ill.port, served.bridge):
        yield replace(served, port=secure, plain_port=plain), ill


def test_the_platform_is_answered_though_the_first_host_says_nothing(
    beside_an_ill_one: tuple[Served, _IllHost], session: requests.Session
) -> None:
    served, ill = beside_an_ill_one
    body, kind = written(query(), Format.JSON)
    address, headers = f"{served.base}/infocaller/{KEY}/query", {"Content-Type": kind}
    answer = session.post(address, data=body, headers=headers, timeout=60)
    assert (answer.status_code, len(ill.paths)) == (200, 1)


def test_a_task_is_sent_once(beside_an_ill_one: tuple[Served, _IllHost], session: requests.Session) -> None:
    served, ill = beside_an_ill_one
    before = _known_requests(served, session)
    answer = session.post(f"{served.base}/callbacks/web", json={"phone": "600111222"}, timeout=60)
    assert (answer.status_code, ill.paths) == (502, ["/callbacks/web"])
    assert _requests(served) == before

"""A bridge as it runs in earnest: `serve` in a process tree of its own, talked to over real sockets."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPResponse
from pathlib import Path

from bridge.infocaller.document import write_request
from bridge.infocaller.messages import Document, Format
from tests.waiting import PATIENCE
from tests.web import nursery

KEY = "unguessable-part-of-the-url"
PASSWORD = "3956"
LINE = "912345678"
CALLER = "600111222"
SERVE = [sys.executable, "-m", "bridge", "serve", "--port", "0"]
LISTENING = re.compile(r"listening on http://127\.0\.0\.1:(\d+)")
CONFIGURATION = """
server:
  url_key: ${BRIDGE_URL_KEY}
  workers: 2
  threads: 40
%s
lines:
  - {number: "912345678", password: "${INFOCALLER_PASSWORD}"}
queries:
  ECO:
    answer: {ECO: "{{ vars.DATO }}", QUIEN: "{{ caller }}", LINEA: "{{ line }}"}
  FALLO:
    answer: {result: 3, text: "no hay", X: "1"}
"""


def betrays(text: str, password: str = PASSWORD) -> bool:
    """Whether the password stands in `text` by itself: its four digits come about by chance in ids and ports."""
    return re.search(rf"(?<![0-9A-Za-z]){password}(?![0-9A-Za-z])", text) is not None


def query(name: str = "ECO", variables: Mapping[str, str] | None = None, **fields: str) -> Document:
    """A Query as the platform sends it."""
    return Document(
        Format.JSON,
        fields.pop("line", LINE),
        fields.pop("call", "98565656"),
        call_type="R",
        caller_number=fields.pop("caller", CALLER),
        query_name=name,
        variables=variables or {"DATO": "dicho"},
    )


def written(document: Document, form: Format = Format.JSON, password: str = PASSWORD) -> tuple[bytes, str]:
    """Body and Content-Type, signed."""
    return write_request(document, form, password=password)


@dataclass
class Reply:
    """What came back."""

    status: int
    headers: Mapping[str, str]
    text: str


def reply_of(response: HTTPResponse) -> Reply:
    """All of it."""
    body = response.read()
    charset = response.headers.get_content_charset("utf-8")
    return Reply(response.status, {k.lower(): v for k, v in response.getheaders()}, body.decode(charset))


@dataclass
class Bridge:
    """A bridge that runs."""

    process: subprocess.Popen[bytes] | nursery.Started
    log_file: Path
    configuration: Path
    port: int = 0

    def post(
        self, path: str, body: bytes, content_type: str = "application/json", headers: Mapping[str, str] | None = None
    ) -> Reply:
        """POST to a path below `/infocaller/<key>/`, or to an absolute one."""
        return self.ask("POST", path, body, {"Content-Type": content_type, **(headers or {})})

    def ask(
        self,
        method: str,
        path: str,
        body: bytes = b"",
        headers: Mapping[str, str] | None = None,
        *,
        seconds: float = 30.0,
    ) -> Reply:
        """Any request, with at most so many seconds of silence."""
        where = path if path.startswith("/") else f"/infocaller/{KEY}/{path}"
        connection = HTTPConnection("127.0.0.1", self.port, timeout=seconds)
        try:
            connection.request(method, where, body, dict(headers or {}))
            return reply_of(connection.getresponse())
        finally:
            connection.close()

    @contextmanager
    def raw(self) -> Iterator[socket.socket]:
        """A bare connection."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=30) as connection:
            yield connection

    @property
    def log(self) -> str:
        """All that it logged so far."""
        return self.log_file.read_text("utf-8")

    @property
    def tree(self) -> list[int]:
        """The processes: the parent, the serving ones, the background work."""
        children: list[str] = []
        for task in sorted(
            Path(f"/proc/{self.process.pid}/task").glob("*/children"), key=lambda path: path.parent.name
        ):
            with suppress(OSError):  # the thread has ended
                children += task.read_text().split()
        return [self.process.pid, *(pid for pid in map(int, children) if is_running(pid))]

    @property
    def serving(self) -> list[int]:
        """The serving processes."""
        return [pid for pid in self.tree[1:] if b"bridge.server.background" not in command_line(pid)]


def until(holds: Callable[[], object], seconds: float = 30.0) -> None:
    """Wait until it holds."""
    end = time.monotonic() + seconds * PATIENCE
    while not holds():
        assert time.monotonic() < end, "it never came to hold"
        time.sleep(0.02)


def answers(bridge: Bridge, seconds: float = 30.0) -> bool:
    """Whether it serves, within so many seconds."""
    try:
        return bridge.ask("GET", "/healthz", seconds=seconds).status == 200
    except OSError:
        return False


def command_line(pid: int) -> bytes:
    """How it was started; empty when it has ended."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""


def is_running(pid: int) -> bool:
    """Whether there is such a process, other than as a zombie."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"


@contextmanager
def running(
    folder: Path, server: str = "", *, work: bool = False, temporary: Path | None = None,
    environ: Mapping[str, str] | None = None,
) -> Iterator[Bridge]:  # fmt: skip
    """A bridge in `folder`; `server` are more lines of its `server:` section; `work`: with its background work;
    `temporary`: its TMPDIR, default `folder`; `environ`: more variables. It is gone when the block ends."""
    configuration = folder / "config.yaml"
    if not configuration.exists():
        configuration.write_text(CONFIGURATION % server)
        configuration.chmod(0o600)
    log_file = folder / "log"
    variables = (
        os.environ
        | {"BRIDGE_URL_KEY": KEY, "INFOCALLER_PASSWORD": PASSWORD, "TMPDIR": str(temporary or folder)}
        | dict(environ or {})
    )
    with log_file.open("wb") as log:
        command = [*SERVE, "-c", str(configuration), *([] if work else ["--web"])]
        process: subprocess.Popen[bytes] | nursery.Started
        if os.environ.get("PYTEST_CURRENT_TEST", "").startswith("tests/acceptance"):
            process = subprocess.Popen(command, stderr=log, env=variables, start_new_session=True)
        else:
            process = nursery.start(command[3:], variables, log.fileno())
    bridge = Bridge(process, log_file, configuration)
    try:
        until(lambda: LISTENING.search(bridge.log) or process.poll() is not None)
        found = LISTENING.search(bridge.log)
        assert found, bridge.log
        bridge.port = int(found[1])
        until(lambda: answers(bridge))
        yield bridge
    finally:
        _end(process)


def _end(process: subprocess.Popen[bytes] | nursery.Started) -> None:
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise

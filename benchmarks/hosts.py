"""Several hosts on one PostgreSQL, upgraded one by one, and each failing in turn: `python -m benchmarks.hosts` (about
six minutes; `--seconds 8` for shorter phases). Needs nginx, PostgreSQL's programs and git; the database cluster is this
run's own.

Two hosts serve the platform behind nginx and two do the background work, each a process tree with a state folder and a
line to PostgreSQL of its own. The load is that of `benchmarks.chaos`: events, Queries that save, callbacks that ring.
They begin with an earlier version (`--before COMMIT`; by itself the last one with other tables) and are upgraded one
after the other while the rest goes on. Then a web host and a working host are killed with -9 and stay away, lose their
line to the database, are frozen for longer than a lease and go on, and PostgreSQL is restarted in the middle of its
work. At last a working host gets a version that wants no other beside it, and the others, too old by then, follow. In
the end all that was acknowledged must be there, once, and no phone rang twice. Exit code 1 where a promise was broken.
"""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.chaos import CONFIG, LINE, PASSWORD, TOKEN, Load, Result, drained, judge, wait
from benchmarks.cluster import Cluster, Sessions
from benchmarks.load import free_port, machine
from bridge.callbacks import CallbackService
from bridge.config.load import load
from bridge.queue import queue_for
from bridge.simulator.calls import Target
from bridge.simulator.emission import EmissionPlatform
from bridge.simulator.outcomes import CallOutcome, OutcomeSender
from bridge.simulator.script import Reaction
from bridge.store.database import unprepared
from bridge.store.emissions import Mode
from bridge.store.tables import REVISION
from tests.acceptance.processes import Bridge, ready
from tests.acceptance.versions import NEXT, ROOT, earlier_version, next_version
from tests.fakes.proxy import Proxy

LEASE = 20.0
"""Seconds for which a working host holds what it has taken (`bridge.delivery.worker.WorkerSettings`)."""
NGINX = """
worker_processes 1;
pid {folder}/nginx.pid;
error_log {folder}/nginx.log;
events {{ worker_connections 1024; }}
http {{
    access_log off;
    client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
    upstream bridge {{ {servers} keepalive 16; }}
    server {{
        listen 127.0.0.1:{port};
        proxy_http_version 1.1;
        proxy_set_header Connection "";
        proxy_connect_timeout 2s;
        location /infocaller/ {{
            proxy_next_upstream error timeout http_502 http_503 non_idempotent;
            proxy_next_upstream_tries 2;
            proxy_next_upstream_timeout 15s;
            proxy_read_timeout 7s;
            proxy_pass http://bridge;
        }}
        location / {{ proxy_pass http://bridge; }}
    }}
}}
"""


@dataclass
class Host:
    """A machine: its processes, and its line to the database."""

    name: str
    port: int
    bridge: Bridge
    line: Proxy

    def freeze(self, seconds: float) -> None:
        """Let nothing of it run for a while, as a machine whose disk hangs or that is moved."""
        pids = self.bridge.pids()
        try:
            for pid in pids:
                os.kill(pid, signal.SIGSTOP)
            time.sleep(seconds)
        finally:
            for pid in pids:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGCONT)


class Hosts:
    """Two web hosts behind nginx, two working hosts, and whoever talks to them."""

    def __init__(self, stack: ExitStack, options: argparse.Namespace) -> None:
        self.result, self._options, self._seconds = Result(), options, options.seconds
        self.folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        self._before = earlier_version(self.folder, options.before) if options.before else None
        names = {"--web": ("web1", "web2"), "--work": ("work1", "work2")}
        self.cluster = stack.enter_context(Cluster(self.folder, sum(names.values(), ())))
        self.port = free_port()
        target = Target(f"http://127.0.0.1:{self.port}", LINE, PASSWORD, timeout=10)
        outcomes = OutcomeSender({LINE: target}, lambda _entry: [CallOutcome(delay=1.0)])
        self.platform = stack.enter_context(EmissionPlatform({LINE: PASSWORD}, outcomes=outcomes))
        self.platform.script.always(Reaction(delay=0.05))
        self.web, self.work = ([self._host(stack, name, role) for name in names[role]] for role in names)
        for host in self.all:
            host.bridge.code = self._before
            host.bridge.start()
        for host in self.web:
            if not wait(lambda: ready(host.port), 120):  # noqa: B023 - asked here
                raise RuntimeError(host.bridge.log.read_text("utf-8"))
        stack.enter_context(self._nginx())
        self.sessions = stack.enter_context(Sessions(self.cluster))
        # the tables stay of the version that the hosts have
        self.database = unprepared(self.cluster.url(), self.folder, patience=30)
        stack.callback(self.database.close)
        configuration = load(self.folder / "web1" / "config.yaml").configuration
        self.desk = CallbackService(
            self.database, queue_for(self.database), lambda: configuration, lambda: datetime.now(UTC)
        )  # fmt: skip

    @property
    def all(self) -> list[Host]:
        """All four."""
        return [*self.web, *self.work]

    def _host(self, stack: ExitStack, name: str, role: str) -> Host:
        folder = self.folder / name
        folder.mkdir()
        port, line = free_port(), stack.enter_context(Proxy("127.0.0.1", self.cluster.port))
        values = {"port": port, "line": LINE, "password": PASSWORD, "token": TOKEN, "url": self.platform.url}
        written = CONFIG.format(database=self.cluster.url(name, line.port), **values)
        for file in ("survey.csv", "calls.csv"):  # what all hosts write to, as they would to one CRM
            written = written.replace(file, str(self.folder / file))
        (folder / "config.yaml").write_text(written, encoding="utf-8")
        return Host(name, port, Bridge(folder / "config.yaml", role), line)

    @contextmanager
    def _nginx(self) -> Iterator[None]:
        nginx = shutil.which("nginx", path=os.environ.get("PATH", "") + ":/usr/sbin")
        if nginx is None:
            raise SystemExit("nginx is not here: install it")
        servers = " ".join(f"server 127.0.0.1:{host.port} fail_timeout=2s;" for host in self.web)
        file = self.folder / "nginx.conf"
        user = "user root;\n" if os.geteuid() == 0 else ""
        file.write_text(user + NGINX.format(folder=self.folder, servers=servers, port=self.port), encoding="utf-8")
        with subprocess.Popen([nginx, "-c", str(file), "-p", str(self.folder), "-g", "daemon off;"]) as process:
            try:
                yield
            finally:
                process.terminate()

    def play(self) -> None:
        """All of it."""
        if not wait(lambda: ready(self.port), 30):
            raise RuntimeError("nginx did not start")
        load = Load(self.port, self.desk, 1)
        try:
            for what, harm in self._harms():
                before = len(load.got.events), load.got.refused
                began = time.monotonic()
                harm()
                took, events = time.monotonic() - began, len(load.got.events) - before[0]
                refused = load.got.refused - before[1]
                self.result.say(what, f"{took:.0f} s, {events} events acknowledged, {refused} requests not answered")
                print(f"{what}: {took:.0f} s", flush=True)
        finally:
            load.stop()
        began = time.monotonic()
        wait(lambda: all(ready(host.port) for host in self.web) and drained(self.database), self._options.drain)
        self.result.say("until all was done", f"{time.monotonic() - began:.0f} s")
        for host in self.all:
            self.result.say(f"connections of {host.name} to PostgreSQL, at most", self.sessions.most[host.name])
        for host in self.all:
            host.bridge.stop()
        judge(self.result, load.got, self.folder, self.database, self.platform.ledger.entries)
        held = [str(one.blocked_reason) for one in self.desk.queries.lines() if one.mode is Mode.HELD]
        self.result.fault("lines held as if the database had been restored", held)

    def _harms(self) -> Iterator[tuple[str, Callable[[], None]]]:
        yield "nothing fails", lambda: time.sleep(self._seconds)
        if self._before is not None:
            what = f"every host is upgraded from {self._options.before}, one after the other"
            yield what, lambda: self._upgrade(None, self.all)
            self.sessions.most.clear()  # the version before counts for nothing
        for host in (self.web[0], self.work[0]):
            yield f"{host.name} is killed with -9 and comes back later", lambda host=host: self._away(host)  # type: ignore[misc]
        for host in (self.web[1], self.work[1]):
            yield f"{host.name} has no line to PostgreSQL", lambda host=host: self._cut(host)  # type: ignore[misc]
        for host in (self.web[0], self.work[0]):
            yield f"{host.name} is frozen for longer than a lease", lambda host=host: host.freeze(LEASE * 1.5)  # type: ignore[misc]
        yield "PostgreSQL is restarted in the middle of its work", self._restart
        code = next_version(self.folder, oldest=NEXT)
        yield f"{self.work[0].name} gets a version that wants no other beside it", lambda: self._leave_behind(code)
        yield "the others get it, too, one after the other", lambda: self._upgrade(code, [*self.web, self.work[1]])

    def _away(self, host: Host) -> None:
        host.bridge.kill()
        time.sleep(self._seconds)
        host.bridge.start()
        time.sleep(self._seconds / 2)

    def _cut(self, host: Host) -> None:
        host.line.away()
        time.sleep(self._seconds)
        host.line.back()
        time.sleep(self._seconds / 2)

    def _restart(self) -> None:
        self.cluster.restart()
        time.sleep(self._seconds)

    def _upgrade(self, code: Path | None, hosts: list[Host]) -> None:
        for host in hosts:
            host.bridge.stop()
            host.bridge.code = code
            host.bridge.start()
            if host in self.web:
                wait(lambda: ready(host.port), 60)  # noqa: B023 - asked here
            time.sleep(self._seconds / 2)

    def _leave_behind(self, code: Path) -> None:
        self._upgrade(code, self.work[:1])
        left = self.work[1].bridge
        if not wait(lambda: not left.runs, 60):
            self.result.fault("working hosts that are too old and work on", [self.work[1].name])
        time.sleep(self._seconds)


def former_tables() -> str:
    """Return the last commit whose tables are not this one's."""
    step = next((ROOT / "bridge" / "store" / "migrations" / "versions").glob(f"{REVISION}_*.py"))
    log = ["git", "-C", str(ROOT), "log", "-1", "--diff-filter=A", "--format=%h", "--", str(step)]
    return subprocess.run(log, check=True, capture_output=True, text=True).stdout.strip() + "~1"


def main() -> int:
    """Print the table; 1 where a promise was broken."""
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--seconds", type=float, default=20, help="how long each host is away")
    arguments.add_argument("--before", default=former_tables(), metavar="COMMIT", help="the version to begin with")
    arguments.add_argument("--drain", type=float, default=600, help="how long what is left may take at most")
    options = arguments.parse_args()
    with ExitStack() as stack:
        hosts = Hosts(stack, options)
        try:
            hosts.play()
        finally:
            for host in hosts.all:
                host.bridge.kill()
        if hosts.result.bad:
            kept = Path(tempfile.mkdtemp(prefix="hosts-"))
            for host in hosts.all:
                shutil.copy(host.bridge.log, kept / f"{host.name}.log")
            print(f"broken promises: {hosts.result.bad}; the hosts' logs: {kept}")
    print(f"\n{machine()}; two web hosts, two working hosts\n\n| what | measured |\n|---|---|")
    for what, measured in hosts.result.rows:
        print(f"| {what} | {measured} |")
    return 1 if hosts.result.bad else 0


if __name__ == "__main__":
    sys.exit(main())

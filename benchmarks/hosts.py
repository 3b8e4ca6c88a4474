"""Several hosts on one PostgreSQL, of which each fails in turn: `python -m benchmarks.hosts` (about four minutes;
`--seconds 10` for shorter phases). Needs nginx and PostgreSQL's programs; the database cluster is this run's own.

Two hosts serve the platform behind nginx and two do the background work, each a process tree with a state folder and a
line to PostgreSQL of its own. The load is that of `benchmarks.chaos`: events, Queries that save, callbacks that ring.
One after the other, a web host and a working host are killed with -9 and stay away, lose their line to the database,
are frozen for longer than a lease and go on, PostgreSQL is restarted in the middle of its work, and every host is
restarted in turn, as an upgrade does it. In the end all that was acknowledged must be there, once, and no phone rang
twice. Exit code 1 where a promise was broken.
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

from sqlalchemy import create_engine, text
from sqlalchemy.exc import SQLAlchemyError

from benchmarks.chaos import CONFIG, LINE, PASSWORD, TOKEN, Load, Result, drained, judge, wait
from benchmarks.load import free_port, machine
from bridge.callbacks import CallbackService
from bridge.config.load import load
from bridge.queue import queue_for
from bridge.simulator.calls import Target
from bridge.simulator.emission import EmissionPlatform
from bridge.simulator.outcomes import CallOutcome, OutcomeSender
from bridge.simulator.script import Reaction
from bridge.store.emissions import Mode
from bridge.store.schema import connect
from tests.acceptance.processes import Bridge, ready, tree
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
        location / {{
            proxy_http_version 1.1;
            proxy_set_header Connection "";
            proxy_connect_timeout 2s;
            proxy_next_upstream error timeout http_502 http_503 non_idempotent;
            proxy_next_upstream_tries 2;
            proxy_next_upstream_timeout 3s;
            proxy_pass http://bridge;
        }}
    }}
}}
"""


def driven(url: str) -> str:
    """Return the address as SQLAlchemy wants it."""
    return url.replace("postgresql:", "postgresql+psycopg:")


class Cluster:
    """A PostgreSQL of this run's own, as whoever may run one."""

    def __init__(self, folder: Path) -> None:
        programs = sorted(Path("/usr/lib/postgresql").glob("*/bin/pg_ctl"))
        found = str(programs[-1]) if programs else shutil.which("pg_ctl")
        if not found:
            raise SystemExit("PostgreSQL's programs are not here: install postgresql")
        self.port, self._control, self._data = free_port(), found, folder / "cluster"
        self._as = ["runuser", "-u", "postgres", "--"] if os.geteuid() == 0 else []
        folder.chmod(0o755)
        self._data.mkdir()
        if self._as:
            shutil.chown(self._data, "postgres", "postgres")
        self._run("init", "--options", "--auth=trust --username=bridge --encoding=UTF8 --no-sync")
        settings = f"port = {self.port}\nlisten_addresses = '127.0.0.1'\nunix_socket_directories = ''\n"
        with (self._data / "postgresql.conf").open("a", encoding="utf-8") as file:
            file.write(settings)
        self._run("start", "--wait", "--log", str(self._data / "log"))
        with create_engine(
            driven(self.url(self.port, "postgres")), isolation_level="AUTOCOMMIT"
        ).connect() as connection:
            connection.execute(text("CREATE DATABASE bridge"))

    @staticmethod
    def url(port: int, name: str = "bridge") -> str:
        """Return the database's address by way of a port."""
        return f"postgresql://bridge@127.0.0.1:{port}/{name}"

    def restart(self) -> None:
        """End every session in the middle of what it does, and begin anew by what is on the disk."""
        self._run("restart", "--mode=immediate", "--wait", "--log", str(self._data / "log"))

    def connections(self) -> int:
        """Return how many sessions there are."""
        engine = create_engine(driven(self.url(self.port)))
        try:
            with engine.connect() as connection:
                count = "SELECT count(*) FROM pg_stat_activity WHERE datname = 'bridge' AND pid <> pg_backend_pid()"
                return int(connection.execute(text(count)).scalar_one())
        finally:
            engine.dispose()

    def stop(self) -> None:
        """End it."""
        self._run("stop", "--mode=immediate", "--wait")

    def _run(self, what: str, *options: str) -> None:
        command = [*self._as, self._control, what, "--pgdata", str(self._data), *options]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, cwd="/")


@dataclass
class Host:
    """A machine: its processes, and its line to the database."""

    name: str
    port: int
    bridge: Bridge
    line: Proxy

    def pids(self) -> list[int]:
        """Return its processes, the parent first."""
        process = self.bridge._process
        return tree(process.pid) if process is not None else []

    def freeze(self, seconds: float) -> None:
        """Let nothing of it run for a while, as a machine whose disk hangs or that is moved."""
        pids = self.pids()
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

    def __init__(self, stack: ExitStack, seconds: float) -> None:
        self.result, self._seconds, self.most = Result(), seconds, 0
        self.folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        self.cluster = Cluster(self.folder)
        stack.callback(self.cluster.stop)
        self.port = free_port()
        target = Target(f"http://127.0.0.1:{self.port}", LINE, PASSWORD, timeout=10)
        outcomes = OutcomeSender({LINE: target}, lambda _entry: [CallOutcome(delay=1.0)])
        self.platform = stack.enter_context(EmissionPlatform({LINE: PASSWORD}, outcomes=outcomes))
        self.platform.script.always(Reaction(delay=0.05))
        self.database = connect(Cluster.url(self.cluster.port), self.folder, patience=30)
        stack.callback(self.database.close)
        self.web = [self._host(stack, f"web{number}", "--web") for number in (1, 2)]
        self.work = [self._host(stack, f"work{number}", "--work") for number in (1, 2)]
        configuration = load(self.folder / "web1" / "config.yaml").configuration
        self.desk = CallbackService(
            self.database, queue_for(self.database), lambda: configuration, lambda: datetime.now(UTC)
        )  # fmt: skip
        for host in self.all:
            host.bridge.start()
        for host in self.web:
            if not wait(lambda: ready(host.port), 120):  # noqa: B023 - asked here
                raise RuntimeError(host.bridge.log.read_text("utf-8"))
        stack.enter_context(self._nginx())

    @property
    def all(self) -> list[Host]:
        """All four."""
        return [*self.web, *self.work]

    def _host(self, stack: ExitStack, name: str, role: str) -> Host:
        folder = self.folder / name
        folder.mkdir()
        port, line = free_port(), stack.enter_context(Proxy("127.0.0.1", self.cluster.port))
        values = {"port": port, "line": LINE, "password": PASSWORD, "token": TOKEN, "url": self.platform.url}
        written = CONFIG.format(database=Cluster.url(line.port), **values)
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
                self._look()
                took, events = time.monotonic() - began, len(load.got.events) - before[0]
                refused = load.got.refused - before[1]
                self.result.say(what, f"{took:.0f} s, {events} events acknowledged, {refused} requests not answered")
                print(f"{what}: {took:.0f} s", flush=True)
        finally:
            load.stop()
        began = time.monotonic()
        wait(lambda: all(ready(host.port) for host in self.web) and drained(self.database), 180)
        self.result.say("until all was done", f"{time.monotonic() - began:.0f} s")
        self.result.say("connections to PostgreSQL, all hosts, at most", self.most)
        for host in self.all:
            host.bridge.stop()
        judge(self.result, load.got, self.folder, self.database, self.platform.ledger.entries)
        held = [one.blocked_reason for one in self.desk.queries.lines() if one.mode is Mode.HELD]
        self.result.fault("lines held as if the database had been restored", held)

    def _harms(self) -> Iterator[tuple[str, Callable[[], None]]]:
        yield "nothing fails", lambda: time.sleep(self._seconds)
        for host in (self.web[0], self.work[0]):
            yield f"{host.name} is killed with -9 and comes back later", lambda host=host: self._away(host)  # type: ignore[misc]
        for host in (self.web[1], self.work[1]):
            yield f"{host.name} has no line to PostgreSQL", lambda host=host: self._cut(host)  # type: ignore[misc]
        for host in (self.web[0], self.work[0]):
            yield f"{host.name} is frozen for longer than a lease", lambda host=host: host.freeze(LEASE * 1.5)  # type: ignore[misc]
        yield "PostgreSQL is restarted in the middle of its work", self._restart
        yield "every host is restarted, one after the other", self._roll

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

    def _roll(self) -> None:
        for host in self.all:
            host.bridge.stop()
            host.bridge.start()
            if host in self.web:
                wait(lambda: ready(host.port), 60)  # noqa: B023 - asked here

    def _look(self) -> None:
        with suppress(SQLAlchemyError):  # it is away
            self.most = max(self.most, self.cluster.connections())


def main() -> int:
    """Print the table; 1 where a promise was broken."""
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--seconds", type=float, default=20, help="how long each host is away")
    options = arguments.parse_args()
    with ExitStack() as stack:
        hosts = Hosts(stack, options.seconds)
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

"""A PostgreSQL of a benchmark's own, and who is connected to it."""

from __future__ import annotations

import os
import shutil
import subprocess
import threading
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

from sqlalchemy import create_engine, text
from sqlalchemy.exc import SQLAlchemyError

from benchmarks.load import free_port

_OWN = "bridge"
_SESSIONS = "SELECT usename, count(*) FROM pg_stat_activity WHERE datname = 'bridge' GROUP BY usename"


class Cluster:
    """A PostgreSQL that ends with its `with` block. Each of `hosts` has a user of its own there, which tells its
    sessions."""

    def __init__(self, folder: Path, hosts: Sequence[str] = ()) -> None:
        programs = sorted(Path("/usr/lib/postgresql").glob("*/bin/pg_ctl"))
        control = str(programs[-1]) if programs else shutil.which("pg_ctl")
        if not control:
            raise SystemExit("PostgreSQL's programs are not here: install postgresql")
        self.port, self._control, self._data = free_port(), control, folder / "cluster"
        self._as = ["runuser", "-u", "postgres", "--"] if os.geteuid() == 0 else []
        folder.chmod(0o755)
        self._data.mkdir()
        if self._as:
            shutil.chown(self._data, "postgres", "postgres")
        self._run("init", "--options", f"--auth=trust --username={_OWN} --encoding=UTF8 --no-sync")
        settings = f"port = {self.port}\nlisten_addresses = '127.0.0.1'\nunix_socket_directories = ''\n"
        with (self._data / "postgresql.conf").open("a", encoding="utf-8") as file:
            file.write(settings)
        self._run("start", "--wait", "--log", str(self._data / "log"))
        maintenance = create_engine(self._driven("postgres"), isolation_level="AUTOCOMMIT")
        with maintenance.connect() as connection:
            connection.execute(text("CREATE DATABASE bridge"))
            for host in hosts:
                connection.execute(text(f"CREATE ROLE {host} LOGIN SUPERUSER"))
        maintenance.dispose()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._run("stop", "--mode=immediate", "--wait")

    def url(self, host: str = _OWN, port: int | None = None) -> str:
        """Return the database's address for a host, by way of a port."""
        return f"postgresql://{host}@127.0.0.1:{port or self.port}/bridge"

    @property
    def pid(self) -> int:
        """The process whose children serve the sessions."""
        return int((self._data / "postmaster.pid").read_text().split("\n", 1)[0])

    def restart(self) -> None:
        """End every session in the middle of what it does, and begin anew by what is on the disk."""
        self._run("restart", "--mode=immediate", "--wait", "--log", str(self._data / "log"))

    def sessions(self) -> Counter[str]:
        """Return how many sessions each host has."""
        engine = create_engine(self._driven("bridge"))
        try:
            with engine.connect() as connection:
                return Counter({host: count for host, count in connection.execute(text(_SESSIONS)) if host != _OWN})
        finally:
            engine.dispose()

    def _driven(self, name: str) -> str:
        return f"postgresql+psycopg://{_OWN}@127.0.0.1:{self.port}/{name}"

    def _run(self, what: str, *options: str) -> None:
        command = [*self._as, self._control, what, "--pgdata", str(self._data), *options]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, cwd="/")


class Sessions:
    """Counts sessions four times a second: `with Sessions(cluster) as sessions:`, then `most`, by host."""

    def __init__(self, cluster: Cluster) -> None:
        self.most: Counter[str] = Counter()
        self._cluster = cluster
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._count, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stopping.set()
        self._thread.join()

    def _count(self) -> None:
        while not self._stopping.wait(0.25):
            with suppress(SQLAlchemyError):  # it is being restarted
                self.most |= self._cluster.sessions()

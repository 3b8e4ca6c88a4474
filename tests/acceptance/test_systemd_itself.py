"""The unit under systemd itself, which runs as process 1 of namespaces of its own: sandbox, watchdog, stop."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from bridge.cli import main
from tests.acceptance.processes import ready, tree
from tests.ports import free_port
from tests.waiting import until
from tests.web.bridge_process import KEY, PASSWORD, command_line

SYSTEMD = Path("/lib/systemd/systemd")
UNSHARE = ("unshare", "--fork", "--pid", "--mount", "--ipc", "--uts", "--cgroup", "--kill-child")
THERE = "/opt/infocaller-bridge-tried"
CONFIGURATION = """
language: en
server: {url_key: "${BRIDGE_URL_KEY}", port: %d, workers: 2}
lines:
  - {number: "912345678", password: "${INFOCALLER_PASSWORD}"}
"""
BOOT = """
set -e
mount --make-rprivate /
mount -t tmpfs tmpfs "$1/own"
for name in etc opt var/lib; do
  mkdir -p "$1/own/$name" "$1/own/work/$name"
  mount -t overlay overlay -o "lowerdir=/$name,upperdir=$1/own/$name,workdir=$1/own/work/$name" "/$name"
done
cp -r "$1/conf" "$2"
cp "$1/units/infocaller-bridge.service" "$1/own/unit"
touch "$1/console" && mount --bind "$1/console" /dev/console
mount -t tmpfs tmpfs /run
mkdir -p /run/systemd/system/infocaller-bridge.service.d
cp "$1/own/unit" /run/systemd/system/infocaller-bridge.service
cat >/run/systemd/system/infocaller-bridge.service.d/alone.conf <<EOF
[Unit]
DefaultDependencies=no
After=
Wants=
[Service]
StandardOutput=append:$1/log
StandardError=inherit
EOF
printf '[Unit]\\nDefaultDependencies=no\\nRequires=infocaller-bridge.service\\n' >/run/systemd/system/tried.target
mount -t proc proc /proc
mount --make-rshared /
exec env -i container=other PATH=/usr/sbin:/usr/bin:/sbin:/bin "$3" --system --unit=tried.target --log-target=console
"""


def possible() -> bool:
    """Whether this machine lets us: root, namespaces, overlays, the program where a service may see it."""
    if os.geteuid() != 0 or not SYSTEMD.exists() or not shutil.which("nsenter") or not shutil.which("unshare"):
        return False
    if Path(sys.prefix).resolve().is_relative_to("/tmp"):  # which the service does not see: PrivateTmp
        return False
    overlay = "mount -t tmpfs tmpfs /mnt && mkdir /mnt/a /mnt/b && "
    overlay += "mount -t overlay overlay -o lowerdir=/opt,upperdir=/mnt/a,workdir=/mnt/b /opt"
    return subprocess.run([*UNSHARE, "sh", "-c", overlay], capture_output=True, check=False).returncode == 0


class Machine:
    """systemd, and what it says of the service."""

    def __init__(self, folder: Path, outer: int) -> None:
        self._folder, self._outer = folder, outer

    def systemctl(self, *arguments: str) -> str:
        [inner] = [pid for pid in tree(self._outer)[1:] if parent(pid) == self._outer]
        command = ["nsenter", "-t", str(inner), "-p", "-m", "--", "systemctl", *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()

    def shows(self, name: str) -> str:
        return self.systemctl("show", "infocaller-bridge", "--value", "-p", name)

    @property
    def serving(self) -> list[int]:
        """The processes of the bridge that answer, as seen from here."""
        name = b"serve\0--config\0" + THERE.encode()
        pids = [pid for pid in tree(self._outer) if name in command_line(pid)]
        return [pid for pid in pids if parent(pid) in pids]

    @property
    def log(self) -> str:
        return "\n".join(
            (self._folder / name).read_text(errors="replace") for name in ("log", "console")
            if (self._folder / name).exists()
        )  # fmt: skip


def parent(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


@contextmanager
def booted(folder: Path) -> Iterator[Machine]:
    (folder / "own").mkdir()
    boot = [*UNSHARE, "sh", "-c", BOOT, "boot", str(folder), THERE, str(SYSTEMD)]
    with (folder / "boot").open("wb") as said:
        outer = subprocess.Popen(boot, stdin=subprocess.DEVNULL, stdout=said, stderr=said)
    try:
        yield Machine(folder, outer.pid)
    finally:
        outer.kill()  # and with it process 1, and with that all of its namespace
        outer.wait()


def test_systemd_starts_it_hears_of_it_and_stops_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    if not possible():
        pytest.skip("it takes root, systemd, and namespaces that may be made")
    conf, units, port = tmp_path / "conf", tmp_path / "units", free_port()
    conf.mkdir()
    units.mkdir()
    (conf / "config.yaml").write_text(CONFIGURATION % port)
    (conf / ".env").write_text(f"BRIDGE_URL_KEY={KEY}\nINFOCALLER_PASSWORD={PASSWORD}\n")
    (conf / ".env").chmod(0o600)
    with pytest.raises(SystemExit):
        main(["service", "install", "--print", "--run-as", "root", "--config", str(conf / "config.yaml")])
    unit = capsys.readouterr().out.replace(str(conf), THERE).replace("WatchdogSec=60", "WatchdogSec=24")
    (units / "infocaller-bridge.service").write_text(unit)
    with booted(tmp_path) as machine:
        try:
            until(lambda: ready(port))
            until(lambda: machine.shows("ActiveState") == "active")
            assert (machine.shows("StatusText"), machine.shows("NRestarts")) == ("running", "0")
            status = Path(f"/proc/{machine.serving[0]}/status").read_text().split()
            assert status[status.index("CapEff:") + 1] == "0" * 16
            assert status[status.index("Seccomp:") + 1] == "2"

            os.kill(machine.serving[0], signal.SIGSTOP)
            until(lambda: "does not answer" in machine.shows("StatusText"))
            until(lambda: machine.shows("NRestarts") == "1")
            until(lambda: machine.shows("StatusText") == "running" and ready(port))

            machine.systemctl("stop", "infocaller-bridge")
            assert (machine.shows("ActiveState"), machine.shows("Result")) == ("inactive", "success")
            assert "is started again" not in machine.log.rpartition("listening on")[2]
        except AssertionError as error:
            raise AssertionError(f"{error}\n{machine.log[-4000:]}\n{(tmp_path / 'boot').read_text()}") from error

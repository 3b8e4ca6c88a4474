"""Walks docs/deployment.md on an empty Debian 12, as a new operator would: `python -m tests.walks.debian` (minutes).

debootstrap makes the Debian, systemd-nspawn boots its systemd, and each block of the page is run in it as it stands, as
root. It shares this machine's network: ports 80, 443 and 8080 must be free. Needs root, and Debian's packages
debootstrap and systemd-container.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import tarfile
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import date
from pathlib import Path

import requests

from bridge.infocaller.document import write_request
from bridge.infocaller.messages import Document, Format
from tests.acceptance.processes import tree

ROOT = Path(__file__).parent.parent.parent
PAGE, UPGRADE = ROOT / "docs" / "deployment.md", ROOT / "docs" / "upgrade.md"
NAME, LINE, PASSWORD = "bridge.example.com", "912345678", "3956"
CUSTOMERS = "nombre,telefono,extension\nAna,600111222,101\nLuis,600333444,102\n"
CERTIFICATES = Path("/etc/ssl/certs/ca-certificates.crt")
SHELL = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/root", "LANG": "C.UTF-8"}


def blocks(page: Path, title: str) -> list[str]:
    """The shell commands of a section, block by block."""
    text = re.sub(r"^( *)```.*?^\1```$", lambda block: block[0].replace("\n#", "\n\0#"), page.read_text("utf-8"),
                  flags=re.M | re.S)  # fmt: skip
    section = re.split(rf"^#+ {re.escape(title)}\n", text, flags=re.M)[1]
    section = re.split(r"^##+ ", section, flags=re.M)[0].replace("\0", "")
    code = re.findall(r"^( *)```sh\n(.*?)^\1```$", section, re.M | re.S)
    return [re.sub(f"^{indent}", "", body, flags=re.M) for indent, body in code]


class Machine:
    """A Debian that systemd-nspawn booted."""

    def __init__(self, folder: Path, nspawn: subprocess.Popen[bytes], environ: Mapping[str, str]) -> None:
        self.folder, self._nspawn, self._environ = folder, nspawn, environ

    def run(self, script: str) -> str:
        """Run commands in one go on where the last ones ended; what they print. Raises `CalledProcessError`."""
        print("".join(f"# {line}\n" for line in script.splitlines()), end="", flush=True)
        script = f'cd "$(cat /run/cwd 2>/dev/null || echo /root)"\n{script}\npwd >/run/cwd\n'
        inside = ["nsenter", "-t", str(self._first()), "-m", "-u", "-i", "-p"]
        done = subprocess.run(
            [*inside, "--", "env", "-i", *(f"{name}={value}" for name, value in self._environ.items()), "bash", "-eu"],
            input=script, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False,
        )  # fmt: skip
        print("".join(f"    {line}\n" for line in done.stdout.splitlines()[-12:]), flush=True)
        done.check_returncode()
        return done.stdout

    def _first(self) -> int:
        """The process that is the first one inside."""
        for pid in tree(self._nspawn.pid)[1:]:
            if Path(f"/proc/{pid}/comm").read_text().strip() == "systemd":
                return pid
        raise AssertionError("nothing runs in it")

    def wait(self, seconds: float = 60.0) -> None:
        """Wait until it has started."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            try:
                if self.run("systemctl is-system-running --wait || :").strip() in ("running", "degraded"):
                    return
            except (AssertionError, subprocess.CalledProcessError, OSError):
                time.sleep(1)
        raise AssertionError("it has not started")


@contextmanager
def booted(folder: Path) -> Iterator[Machine]:
    """The Debian in `folder`, running."""
    environ = dict(SHELL)
    binds = []
    if "PIP_CERT" in os.environ:  # this machine reaches the registry by a proxy with a CA of its own
        environ["PIP_CERT"] = "/run/certificates.crt"
        binds = [f"--bind-ro={CERTIFICATES}:/run/certificates.crt"]
    shutil.copy("/etc/resolv.conf", folder / "etc/resolv.conf")
    command = ["systemd-nspawn", "--quiet", "--register=no", "--keep-unit", "--boot", "--console=pipe", *binds]
    with (folder.parent / "console").open("wb") as console:
        nspawn = subprocess.Popen(
            [*command, "--resolv-conf=off", "-D", str(folder)],
            stdin=subprocess.DEVNULL, stdout=console, stderr=console, start_new_session=True,
        )  # fmt: skip
    try:
        machine = Machine(folder, nspawn, environ)
        machine.wait()
        yield machine
    finally:
        nspawn.send_signal(signal.SIGTERM)  # as if somebody pressed the power button
        try:
            nspawn.wait(60)
        except subprocess.TimeoutExpired:
            nspawn.kill()
            nspawn.wait()


def provide(folder: Path) -> None:
    """What the page takes for granted: the checkout, and a list of customers."""
    source = folder / "opt/infocaller-bridge/source"
    source.mkdir(parents=True)
    archive = subprocess.run(["git", "archive", "HEAD"], cwd=ROOT, stdout=subprocess.PIPE, check=True).stdout
    with tarfile.open(fileobj=io.BytesIO(archive)) as packed:
        packed.extractall(source, filter="data")


def walk(machine: Machine) -> None:
    """The page, from top to bottom, and what must hold at each place."""
    steps = blocks(PAGE, "From an empty Debian 12")
    for block in steps:
        said = machine.run(block)
        if "useradd" in block:  # the list, which the operator copies there
            (machine.folder / "etc/infocaller-bridge/clientes.csv").write_text(CUSTOMERS, encoding="utf-8")
    assert f"https://{NAME}/infocaller/" in said, "the URLs for the panel are printed"
    assert len(steps) >= 9
    answers(machine)
    assert len(calls(machine)) == 1, "the call that was placed is kept"
    exposure = machine.run("systemd-analyze security infocaller-bridge --no-pager | tail -1")
    assert float(re.findall(r"\d+\.\d+", exposure)[0]) < 3, exposure

    back_up, restore = blocks(PAGE, "Backup and restore")[0], blocks(PAGE, "Restore the database")[0]
    machine.run(_sqlite_alone(back_up))
    place_call(machine)
    assert len(calls(machine)) == 2
    machine.run("systemctl stop infocaller-bridge")
    machine.run(_sqlite_alone(restore))
    machine.run("systemctl start infocaller-bridge")
    assert len(calls(machine)) == 1, "the database is as it was backed up"
    answers(machine)

    for block in blocks(PAGE, "The log"):
        machine.run(f"set +e\n{block}")  # without an error in it, the journal says so by its exit code
    upgrade = blocks(UPGRADE, "Upgrade in two commands")[0]
    machine.run(upgrade.replace("PATH_OF_THE_CHECKOUT", "/opt/infocaller-bridge/source"))
    answers(machine)


def walk_on(machine: Machine) -> None:
    """After it was shut down and booted again: what was set up starts by itself. Then everything is removed."""
    answers(machine)
    assert len(calls(machine)) == 1
    for block in blocks(UPGRADE, "Remove the bridge"):
        machine.run(block)
    with socket.socket() as probe:
        assert probe.connect_ex(("127.0.0.1", 8080)) != 0, "nothing listens any more"


def _sqlite_alone(block: str) -> str:
    """The commands about SQLite and the state folder, of the day."""
    lines = [line for line in block.splitlines() if "pg_" not in line]
    return "\n".join(lines).replace("2026-11-28", date.today().isoformat())


def place_call(machine: Machine) -> None:
    simulate = "infocaller-bridge simulate received --query DESVIO --caller 600111222"
    machine.run(f"cd /etc/infocaller-bridge\nrunuser -u infocaller -- {simulate}")


def calls(machine: Machine) -> list[object]:
    """The calls that the bridge keeps."""
    listed = "infocaller-bridge calls list --json"
    kept: list[object] = json.loads(machine.run(f"cd /etc/infocaller-bridge\nrunuser -u infocaller -- {listed}"))
    return kept


def answers(machine: Machine, seconds: float = 60.0) -> None:
    """A Query of the platform's comes through nginx with TLS, by the certificate of the CA, and is answered."""
    secrets = dict(
        line.split("=", 1)
        for line in (machine.folder / "etc/infocaller-bridge/.env").read_text("utf-8").splitlines()
        if line and not line.startswith("#")
    )
    asked = Document(Format.JSON, LINE, "98565656", call_type="R", caller_number="600111222", query_name="DESVIO")
    body, kind = write_request(asked, Format.JSON, password=PASSWORD)
    url = f"https://{NAME}/infocaller/{secrets['BRIDGE_URL_KEY'].strip(chr(39))}/query"
    way = ["--cacert", str(machine.folder / "root/ca/ca.pem"), "--noproxy", "*", "--resolve", f"{NAME}:443:127.0.0.1"]
    document = ["--data-binary", body.decode(), "-H", f"Content-Type: {kind}", url]
    command = ["curl", "--silent", "--fail", *way, *document]
    end = time.monotonic() + seconds
    while (done := subprocess.run(command, capture_output=True, text=True, check=False)).returncode != 0:
        assert time.monotonic() < end, done.stderr or f"curl ended with {done.returncode}"
        time.sleep(1)
    assert '"Ana"' in done.stdout, done.stdout
    plain = requests.get("http://127.0.0.1/readyz", allow_redirects=False, timeout=10)
    assert (plain.status_code, plain.headers["Location"]) == (301, "https://127.0.0.1/readyz")
    print(f"  -- answered through nginx: {done.stdout[:200]}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--base", type=Path, help="a Debian that debootstrap made before, which is copied")
    arguments = parser.parse_args()
    began = time.monotonic()
    with tempfile.TemporaryDirectory(dir="/var/tmp", ignore_cleanup_errors=True) as folder:
        debian = Path(folder, "debian")
        if arguments.base:
            subprocess.run(["cp", "-a", str(arguments.base), str(debian)], check=True)
        else:
            subprocess.run(["debootstrap", "bookworm", str(debian)], check=True, stdout=subprocess.DEVNULL)
        provide(debian)
        with booted(debian) as machine:
            walk(machine)
        with booted(debian) as machine:
            walk_on(machine)
    print(f"the page leads from an empty Debian 12 to a bridge that answers ({time.monotonic() - began:.0f} s)")


if __name__ == "__main__":
    main()

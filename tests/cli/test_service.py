"""`service install` and `uninstall`: the unit, who may have changed it, whom it runs as."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from bridge.config.load import load
from bridge.setup.unit import FILE, Unit, as_we_wrote_it, written_folders
from tests.cli.conftest import Said, said_by

CONFIGURATION = """
language: en
lines:
  - {number: "912345678", password: "${INFOCALLER_PASSWORD}"}
"""
Service = Callable[..., Said]
ME = pwd.getpwuid(os.getuid()).pw_name


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a configuration and its secrets, and beside it `units`."""
    folder = tmp_path / "conf"
    folder.mkdir()
    (folder / "config.yaml").write_text(CONFIGURATION)
    (folder / ".env").write_text("INFOCALLER_PASSWORD=3956\n")
    (folder / ".env").chmod(0o600)
    (tmp_path / "units").mkdir()
    monkeypatch.chdir(folder)
    monkeypatch.setenv("LANG", "en_US.UTF-8")
    monkeypatch.delenv("LC_ALL", raising=False)
    return folder


@pytest.fixture
def service(folder: Path, capsys: pytest.CaptureFixture[str]) -> Service:
    """Run `service`; what it would write into the system goes to `units`."""

    def command(action: str, *arguments: str) -> Said:
        return said_by(capsys, "service", action, "--directory", str(folder.parent / "units"), *arguments)

    return command


@pytest.fixture
def unit(folder: Path) -> Path:
    return folder.parent / "units" / FILE


def test_the_unit_says_who_starts_what_with_which_secrets(folder: Path, service: Service) -> None:
    text = service("install", "--print", "--run-as", "infocaller", "--work").out
    lines = text.splitlines()
    assert f"ExecStart={sys.prefix}/bin/infocaller-bridge serve --work --config {folder}/config.yaml" in lines
    assert {"Type=notify", "User=infocaller", f"LoadCredential=infocaller-bridge.env:{folder}/.env"} <= set(lines)
    assert f"ReadWritePaths=-{folder}" in lines
    assert "3956" not in text
    assert as_we_wrote_it(text)


def test_odd_names_are_written_as_systemd_reads_them() -> None:
    text = Unit(
        ["/opt/a b/bin/x", "--config", '/etc/100%/$x"\\.yaml'],
        "infocaller",
        Path("/etc/100%/.env"),
        [Path("/srv/a b%")],
    ).text()
    assert 'ExecStart="/opt/a b/bin/x" --config "/etc/100%%/$$x\\"\\\\.yaml"\n' in text
    assert 'ReadWritePaths="-/srv/a b%%"\n' in text
    assert "LoadCredential=infocaller-bridge.env:/etc/100%%/.env\n" in text


def test_homes_are_closed_unless_something_is_in_one() -> None:
    closed = Unit(["/opt/x"], "u", None, [Path("/var/lib/infocaller-bridge/state")], [Path("/opt/x")]).text()
    assert "ProtectHome=yes\n" in closed
    assert "ReadWritePaths" not in closed
    assert "LoadCredential" not in closed
    assert "ProtectHome=read-only\n" in Unit(["/opt/x"], "u", None, [Path("/home/ana/bridge")]).text()


def test_it_may_write_where_the_configuration_says_that_it_writes(tmp_path: Path) -> None:
    config = tmp_path / "conf" / "config.yaml"
    config.parent.mkdir()
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "people.csv").write_text("name,phone\n")
    config.write_text(
        f"{CONFIGURATION}database: sqlite:///{tmp_path}/db/bridge.db\nstate: ../state\n"
        "connectors:\n  agenda:\n    type: csv\n    tables:\n"
        f"      contact: {{file: {tmp_path}/data/people.csv, phones: [phone]}}\n"
        "      survey: {file: survey.csv}\n"
    )
    loaded = load(config, {"INFOCALLER_PASSWORD": "3956"})
    assert written_folders(loaded) == [tmp_path / name for name in ("conf", "data", "db", "state")]


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="it takes systemd-analyze")
def test_systemd_finds_little_that_an_attacker_could_do(service: Service, unit: Path) -> None:
    unit.write_text(service("install", "--print", "--run-as", "daemon").out)
    asked = ["systemd-analyze", "security", "--offline=yes", "--threshold=30", str(unit)]  # 3.0, in tenths
    judged = subprocess.run(asked, capture_output=True, text=True, check=False, env={**os.environ, "SYSTEMD_PAGER": ""})
    assert judged.returncode == 0, judged.stdout + judged.stderr
    asked = ["systemd-analyze", "verify", "--man=no", str(unit)]
    verified = subprocess.run(asked, capture_output=True, text=True, check=False)
    assert (verified.returncode, verified.stderr) == (0, "")


def test_it_is_written_once_and_replaced_by_a_later_version(service: Service, unit: Path) -> None:
    said = service("install", "--run-as", ME)
    assert (said.code, said.err) == (0, "")
    assert "systemctl enable --now infocaller-bridge\n" in said.out
    assert unit.stat().st_mode & 0o777 == 0o644
    text = unit.read_text()
    assert "as it should be" in service("install", "--run-as", ME).out
    assert service("install", "--run-as", ME, "--web").code == 0
    assert "serve --web" in unit.read_text() != text
    assert [entry.name for entry in unit.parent.iterdir()] == [FILE]


def test_one_that_somebody_changed_is_left_alone_and_the_difference_shown(service: Service, unit: Path) -> None:
    service("install", "--run-as", ME)
    changed = unit.read_text().replace("LimitNOFILE=32768", "LimitNOFILE=99")
    unit.write_text(changed)
    said = service("install", "--run-as", ME)
    assert said.code == 1
    assert "-LimitNOFILE=99\n+LimitNOFILE=32768\n" in said.err
    assert "was changed by somebody, and is left as it is" in said.err
    assert unit.read_text() == changed
    assert service("uninstall").code == 1
    assert service("install", "--run-as", ME, "--force").code == 0
    assert as_we_wrote_it(unit.read_text())
    assert unit.with_name(f"{FILE}.old").read_text() == changed


def test_a_dry_run_changes_nothing(service: Service, unit: Path) -> None:
    said = service("install", "--run-as", ME, "--dry-run")
    assert (said.code, f"{unit} would be written." in said.out) == (0, True)
    assert not unit.exists()
    service("install", "--run-as", ME)
    assert f"{unit} would be removed." in service("uninstall", "--dry-run").out
    assert unit.exists()


def test_it_is_removed_when_nothing_starts_it_any_more(service: Service, unit: Path) -> None:
    assert "nothing to remove" in service("uninstall").out
    service("install", "--run-as", ME)
    wanted = unit.parent / "multi-user.target.wants" / FILE
    wanted.parent.mkdir()
    wanted.symlink_to(unit)
    said = service("uninstall")
    assert (said.code, unit.exists()) == (1, True)
    assert "systemctl disable --now infocaller-bridge" in said.err
    wanted.unlink()
    said = service("uninstall")
    assert (said.code, unit.exists()) == (0, False)
    assert "docs/upgrade.md" in said.out


def test_a_user_that_is_not_there_is_made_by_two_commands(folder: Path, service: Service, unit: Path) -> None:
    said = service("install", "--run-as", "nobody-of-this-name")
    assert said.code == 1
    assert "  useradd --system --home-dir /var/lib/infocaller-bridge " in said.err
    assert f"  chown -R nobody-of-this-name: {folder}\n" in said.err
    assert not unit.exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may give a file to somebody")
def test_whoever_has_the_configuration_runs_it_but_never_root(folder: Path, service: Service) -> None:
    assert "User=infocaller\n" in service("install", "--print").out
    os.chown(folder / "config.yaml", pwd.getpwnam("daemon").pw_uid, -1)
    assert "User=daemon\n" in service("install", "--print").out


@pytest.mark.skipif(os.geteuid() != 0, reason="root's own files are closed to others")
def test_a_user_that_can_reach_nothing_is_told_what_is_closed(folder: Path, service: Service, unit: Path) -> None:
    (folder / "config.yaml").chmod(0o600)
    said = service("install", "--run-as", "daemon")
    assert said.code == 1
    assert "is closed to it" in said.err
    assert not unit.exists()


def test_a_configuration_with_faults_is_not_installed(folder: Path, service: Service, unit: Path) -> None:
    (folder / "config.yaml").write_text("lines: []\n")
    assert (service("install", "--run-as", ME).code, unit.exists()) == (1, False)


def test_what_may_not_be_written_says_sudo(folder: Path, service: Service) -> None:
    said = service("install", "--run-as", ME, "--directory", str(folder / "none"))
    assert said.code == 1
    assert "can't be written: No such file or directory" in said.err


def test_the_two_halves_together_are_wrong_usage(service: Service) -> None:
    assert service("install", "--web", "--work").code == 2

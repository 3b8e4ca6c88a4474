"""From README to an answered Query on a fresh machine: each command is printed by the one before."""

from __future__ import annotations

import itertools
import json
import os
import re
import shlex
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import openpyxl
import pytest

from tests.acceptance.processes import ready
from tests.cli.terminal import Terminal
from tests.ports import free_port
from tests.waiting import until

pytestmark = pytest.mark.timeout(1800)  # everything is installed anew, beside three other runs
ROOT = Path(__file__).parents[2]
LISTED = [
    ("Código", "Nombre", "Teléfono", "Móvil", "Extensión"),
    (1, "Begoña Núñez", "600 11 12 22", None, 101),
    (2, "José Peña", None, "611222333", 102),
]


def windows_list(folder: Path) -> str:
    """A list as an invoicing program of a Spanish Windows exports it."""
    rows = [";".join("" if cell is None else str(cell) for cell in row) for row in LISTED]
    (folder / "clientes.csv").write_bytes("\r\n".join([*rows, ""]).encode("cp1252"))
    return "clientes.csv"


def workbook(folder: Path) -> str:
    """The same as a workbook, with a title above it."""
    book = openpyxl.Workbook()
    assert book.active is not None
    for row in (("Listado de clientes",), (), *LISTED):
        book.active.append(list(row))
    book.save(folder / "clientes.xlsx")
    return "clientes.xlsx"


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A copy of what the repository holds, as whoever downloads it has it."""
    folder = tmp_path_factory.mktemp("download") / "infocaller-bridge"
    tracked = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    for name in filter(None, tracked.split("\0")):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        if (ROOT / name).is_file():
            shutil.copy2(ROOT / name, folder / name)
    yield folder
    shutil.rmtree(folder.parent)


@pytest.fixture(scope="module")
def after_readme(checkout: Path) -> str:
    """The command that README's first block prints at its end."""
    block = re.search(r"^```sh\n(.*?)^```$", (checkout / "README.md").read_text("utf-8"), re.M | re.S)
    assert block is not None
    ours = ("VIRTUAL_ENV", "PYTHONPATH", "INFOCALLER_PASSWORD", "BRIDGE_URL_KEY")
    environ = {name: value for name, value in os.environ.items() if name not in ours}
    ran = subprocess.run(["sh", "-c", block[1]], cwd=checkout, env=environ, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stdout[-3000:] + ran.stderr[-3000:]
    return ran.stdout.strip().splitlines()[-1].strip()


def commands_of(text: str, *ends: str) -> list[str]:
    """The lines on a screen that are commands to paste: those that end so."""
    return [line.strip() for line in text.splitlines() if line.strip().endswith(ends)]


@pytest.mark.parametrize("listed", [windows_list, workbook])
def test_a_list_becomes_an_answer_on_the_wire(after_readme: str, tmp_path: Path, listed: object) -> None:
    assert callable(listed)
    file = listed(tmp_path)
    with Terminal.running(tmp_path, f"{after_readme} --language es", _clean()) as terminal:
        terminal.answer("¿Dónde están", "")
        terminal.answer("Fichero", file)
        terminal.answer("correcto", "")
        terminal.answer("Número principal", "912345678")
        terminal.answer("Contraseña", "3956")
        terminal.answer("recepción", "100")
        terminal.expect("Ahora:")
        assert terminal.end() == 0
        [serve] = commands_of(terminal.shown, " serve")
    port = free_port()
    config = tmp_path / "config.yaml"
    config.write_text(config.read_text("utf-8").replace("port: 8080", f"port: {port}"), "utf-8")
    with Terminal.running(tmp_path, serve, _clean()) as terminal:
        terminal.expect("listening on")
        until(lambda: ready(port))
        [ask] = [f"{folder}\n{line}" for folder, line in _pairs(terminal.shown) if "curl" in line]
        answered = subprocess.run(["sh", "-c", ask], capture_output=True, text=True, check=False, cwd="/", env=_clean())
        terminal.type("\x03")
        terminal.end()
        assert terminal.shown.rstrip().endswith("message=stopped"), terminal.shown
    call = json.loads(answered.stdout)["ApiCall"]
    assert call["Status"]["Result"] == "0"
    variables = {each["VarName"]: each["VarValue"] for each in call["CustVars"]["CustVar"]}
    assert variables == {"CLIENTE": "SI", "DESTINO": "101", "NOMBRE": "Begoña Núñez"}
    program = shlex.split(serve)[-2]
    for arguments in (["check"], ["test"]):
        ran = subprocess.run(
            [program, *arguments], cwd=tmp_path, capture_output=True, text=True, check=False, env=_clean()
        )
        assert (ran.returncode, ran.stderr) == (0, ""), ran


def _pairs(text: str) -> Iterator[tuple[str, str]]:
    return itertools.pairwise(text.splitlines())


def _clean() -> dict[str, str]:
    """The environment of somebody who has set nothing for the bridge."""
    ours = ("VIRTUAL_ENV", "PYTHONPATH", "INFOCALLER_PASSWORD", "BRIDGE_URL_KEY", "LANG", "LC_ALL", "LC_MESSAGES")
    return {name: value for name, value in os.environ.items() if name not in ours} | {"TERM": "dumb", "LANG": "C.UTF-8"}

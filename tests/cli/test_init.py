"""`init` without anybody to ask: the options say it all."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import openpyxl
import pytest

from bridge.config.load import load
from tests.acceptance.processes import ready
from tests.cli.conftest import Said, said_by
from tests.ports import free_port
from tests.waiting import until
from tests.web.bridge_process import betrays

CSV = "Código;Nombre;Teléfono;Móvil;Extensión\r\n1;Begoña Núñez;600 11 12 22;;101\r\n2;José Peña;;611222333;102\r\n"
ROOT = Path(__file__).parents[2]
Init = Callable[..., Said]


@pytest.fixture
def init(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Init:
    """Run `init` in an empty folder, with nobody at the terminal."""
    monkeypatch.chdir(tmp_path)
    for name in ("LC_ALL", "LC_MESSAGES", "LANG", "INFOCALLER_PASSWORD", "BRIDGE_URL_KEY"):
        monkeypatch.delenv(name, raising=False)

    def command(*arguments: object) -> Said:
        return said_by(capsys, "init", *map(str, arguments))

    return command


def listed(folder: Path, text: str = CSV, encoding: str = "cp1252", name: str = "clientes.csv") -> Path:
    file = folder / name
    file.write_bytes(text.encode(encoding))
    return file


USUAL = ("--yes", "--line", "912345678", "--password", "3956", "--reception", "100")


def test_a_windows_list_becomes_a_configuration_that_passes(
    init: Init, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    listed(tmp_path)
    said = init(*USUAL, "--contacts", "clientes.csv")
    assert (said.code, said.err) == (0, "")
    assert "such as •••222  B••• N•••  → 101" in said.out
    assert "    DESTINO = 101\n" in said.out
    assert not betrays(said.out)
    assert said_by(capsys, "check") == Said(
        0, "config.yaml: good: 1 line, 1 connector, 1 Query, 0 activity rules, 0 sources of callbacks, 2 tests\n", ""
    )
    assert said_by(capsys, "test").out == "2 passed, 0 failed\n"
    assert {entry.name: entry.stat().st_mode & 0o777 for entry in tmp_path.iterdir() if entry.is_file()} == {
        "config.yaml": 0o600, ".env": 0o600, "clientes.csv": 0o644,
    }  # fmt: skip
    asked = said_by(capsys, "ask", "DESVIO", "--caller", "611222333", "--json")
    assert json.loads(asked.out)["variables"] == {"CLIENTE": "SI", "DESTINO": "102", "NOMBRE": "José Peña"}


def test_a_spreadsheet_with_a_title_is_read_below_it(init: Init, tmp_path: Path) -> None:
    book = openpyxl.Workbook()
    assert book.active is not None
    for row in (["Listado de pacientes"], [], ["Paciente", "Tel.", "Médico (ext.)"], ["Ana", 600111222, 101]):
        book.active.append(row)
    book.save(tmp_path / "pacientes.xlsx")
    said = init(*USUAL, "--contacts", "pacientes.xlsx", "nuevo/bridge")
    assert (said.code, said.err) == (0, "")
    assert "    DESTINO = 101\n    NOMBRE = Ana\n" in said.out
    assert load(tmp_path / "nuevo" / "bridge" / "config.yaml", {}).warnings == ()


def test_the_language_is_that_of_the_option_or_of_the_terminal(
    init: Init, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    listed(tmp_path)
    assert "Ahora:" in init(*USUAL, "--contacts", "clientes.csv", "--language", "es", "a").out
    assert "# Dónde escucha el bridge" in (tmp_path / "a" / "config.yaml").read_text("utf-8")
    assert "Next:" in init(*USUAL, "--contacts", "clientes.csv", "b").out
    monkeypatch.setenv("LANG", "ca_ES.UTF-8")
    assert "Ahora:" in init(*USUAL, "--contacts", "clientes.csv", "c").out
    assert load(tmp_path / "b" / "config.yaml", {}).configuration.language == "en"


@pytest.mark.parametrize(
    ("left_out", "option"), [("--line", "--line"), ("--password", "--password"), ("--contacts", "--contacts")]
)
@pytest.mark.parametrize("yes", [True, False])
def test_what_nobody_can_be_asked_is_wrong_usage(
    init: Init, tmp_path: Path, left_out: str, option: str, yes: bool
) -> None:
    listed(tmp_path)
    options = {"--line": "912345678", "--password": "3956", "--contacts": "clientes.csv"}
    del options[left_out]
    said = init(*(["--yes"] if yes else []), *(part for pair in options.items() for part in pair))
    assert said.code == 2
    assert option in said.err
    assert [entry.name for entry in tmp_path.iterdir()] == ["clientes.csv"]


def test_options_that_suffice_need_no_yes(init: Init, tmp_path: Path) -> None:
    listed(tmp_path)
    assert init("--line", "912345678", "--password", "3956", "--contacts", "clientes.csv").code == 0


def test_the_password_may_come_from_the_environment(
    init: Init, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    listed(tmp_path)
    monkeypatch.setenv("INFOCALLER_PASSWORD", "4711")
    assert init("--yes", "--line", "912345678", "--contacts", "clientes.csv").code == 0
    assert "INFOCALLER_PASSWORD=4711" in (tmp_path / ".env").read_text("utf-8")


def test_nothing_is_overwritten(init: Init, tmp_path: Path) -> None:
    listed(tmp_path)
    (tmp_path / "config.yaml").write_text("mine")
    said = init(*USUAL, "--contacts", "clientes.csv")
    assert said.code == 1
    assert "is there already" in said.err
    assert (tmp_path / "config.yaml").read_text() == "mine"
    assert not (tmp_path / ".env").exists()


def test_secrets_that_an_earlier_run_left_are_used(init: Init, tmp_path: Path) -> None:
    listed(tmp_path)
    (tmp_path / ".env").write_text("INFOCALLER_PASSWORD='39 56'\nBRIDGE_URL_KEY=0123456789abcdef0123\n")
    (tmp_path / ".env").chmod(0o600)
    other = init(*USUAL, "--contacts", "clientes.csv")
    assert (other.code, "another INFOCALLER_PASSWORD" in other.err) == (1, True)
    said = init("--yes", "--line", "912345678", "--contacts", "clientes.csv")
    assert (said.code, said.err) == (0, "")
    assert load(tmp_path / "config.yaml", {}).configuration.lines[0].password.get_secret_value() == "39 56"


def test_secrets_of_something_else_are_left_alone(init: Init, tmp_path: Path) -> None:
    listed(tmp_path)
    (tmp_path / ".env").write_text("OTHER=1\n")
    said = init(*USUAL, "--contacts", "clientes.csv")
    assert said.code == 1
    assert "lacks INFOCALLER_PASSWORD, BRIDGE_URL_KEY" in said.err
    assert not (tmp_path / "config.yaml").exists()


def test_columns_that_are_named_count(init: Init, tmp_path: Path) -> None:
    listed(tmp_path, "Uno,Dos,Tres\nAna,600111222,101\n", "utf-8")
    columns = ("--phone-column", "dos", "--name-column", "Uno", "--transfer-column", "TRES")
    said = init(*USUAL, "--contacts", "clientes.csv", *columns)
    assert said.code == 0, said.err
    assert "    DESTINO = 101\n    NOMBRE = Ana\n" in said.out


@pytest.mark.parametrize("option", ["--phone-column", "--name-column", "--transfer-column"])
def test_a_column_that_is_not_there_is_wrong_usage(init: Init, tmp_path: Path, option: str) -> None:
    listed(tmp_path)
    said = init(*USUAL, "--contacts", "clientes.csv", option, "Fono")
    assert said.code == 2
    assert "it has Código, Nombre, Teléfono, Móvil, Extensión" in said.err


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "it is empty"),
        ("\n\n", "its first row is empty"),
        ("Nombre;Teléfono;Teléfono\r\na;b;c\r\n", "the same name"),
        ("Listado de clientes\r\n\r\nNombre;Teléfono\r\nAna;600111222\r\n", "in row 3"),
        ("Nombre;DNI\r\nAna;1\r\n", "no column with telephone numbers"),
        ("\x00\x01\x02" * 50, "it can't be read"),
        ("PK\x03\x04" + "x" * 50, "save it as CSV"),
        ('Nombre,Teléfono\n"Ana,600111222\n', "a quote is opened"),
    ],
)  # fmt: skip
def test_a_list_that_is_none_is_said_to_be(init: Init, tmp_path: Path, text: str, why: str) -> None:
    listed(tmp_path, text, "utf-8")
    said = init(*USUAL, "--contacts", "clientes.csv")
    assert said.code == 1
    assert "clientes.csv: " in said.err
    assert why in said.err
    assert [entry.name for entry in tmp_path.iterdir()] == ["clientes.csv"]


def test_what_is_no_file_is_said_to_be_none(init: Init, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo.csv")
    for name, why in (
        ("fifo.csv", "a pipe"),
        (".", "a folder"),
        ("none.csv", "no such file"),
        ("none.xlsx", "no such file"),
    ):
        said = init(*USUAL, "--contacts", name)
        assert (said.code, why in said.err) == (1, True), said


@pytest.mark.parametrize("text", ["Nombre;Teléfono\r\n", "Nombre;Teléfono"])
def test_a_list_without_rows_will_do(init: Init, tmp_path: Path, text: str, capsys: pytest.CaptureFixture[str]) -> None:
    listed(tmp_path, text)
    said = init(*USUAL, "--contacts", "clientes.csv")
    assert (said.code, said.err) == (0, "")
    assert "no rows yet" in said.out
    assert said_by(capsys, "test").out == "1 passed, 0 failed\n"


def test_a_hostile_header_does_no_harm(init: Init, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    header = '"Tel: ""{{ x }}"" ${HOME} #1","- Nombre: &a *b","Extensio\u0301n\n|","x"\n'
    listed(tmp_path, header + "600111222,'${PATH}' {{ y }},101,=1+1\n", "utf-8")
    said = init(*USUAL, "--contacts", "clientes.csv")
    assert (said.code, said.err) == (0, "")
    assert said_by(capsys, "check").err == ""
    assert said_by(capsys, "test").out == "2 passed, 0 failed\n"
    asked = json.loads(said_by(capsys, "ask", "DESVIO", "--caller", "600111222", "--json").out)
    assert asked["variables"] == {"CLIENTE": "SI", "DESTINO": "101", "NOMBRE": "'${PATH}' {{ y }}"}


def test_a_large_list_is_read_to_its_end(init: Init, tmp_path: Path) -> None:
    with (tmp_path / "clientes.csv").open("w", encoding="utf-8") as file:
        file.write("Nombre;Teléfono;Extensión;Nota\n")
        file.writelines(f"Persona {n};6{n:08};{101 + n % 7};{'x' * 400}\n" for n in range(50_000))
    said = init(*USUAL, "--contacts", "clientes.csv")
    assert (said.code, said.err) == (0, "")
    assert "50,000 rows" in said.out
    assert load(tmp_path / "config.yaml", {}).configuration.lines[0].extensions[:7] == [str(101 + n) for n in range(7)]


@pytest.mark.parametrize("password", ["3956", "39 '\"\\$x#56`ñ"])
def test_from_init_over_serve_to_an_answer_by_the_curl_that_is_printed(
    init: Init, tmp_path: Path, password: str
) -> None:
    listed(tmp_path)
    said = init("--yes", "--line", "912345678", "--password", password, "--contacts", "clientes.csv", "firma ñ")
    assert said.code == 0, said
    serve = next(line.strip() for line in said.out.splitlines() if line.rstrip().endswith(" serve"))
    curl = next(line.strip() for line in said.out.splitlines() if "curl" in line)
    folder = next(line.strip() for line in said.out.splitlines() if line.strip().startswith("cd ") and "&&" not in line)
    port = free_port()
    environ = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}", "PYTHONPATH": str(ROOT)}
    serving = subprocess.Popen(
        ["sh", "-c", f"{serve.replace(' && ', ' && exec ')} --port {port}"],
        cwd=tmp_path, env=environ, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True,
    )  # fmt: skip
    try:
        until(lambda: ready(port) or serving.poll() is not None)
        pasted = f"{folder}\n{curl.replace(':8080', f':{port}')}\n"
        done = subprocess.run(
            ["sh"], input=pasted, capture_output=True, text=True, check=False, cwd=tmp_path, env=environ
        )
    finally:
        os.killpg(serving.pid, signal.SIGTERM)
        serving.wait(60)
    assert '"Result": "0"' in done.stdout.replace('":"', '": "').replace('": 0', '": "0"'), (done.stdout, done.stderr)
    assert "101" in done.stdout

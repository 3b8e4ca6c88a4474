"""`init` with a CRM or a database instead of a list."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from bridge.config.load import load
from bridge.setup.crm import SALESFORCE, crm_source, crms, needs
from connectors.rest import presets
from tests.cli.conftest import said_by
from tests.cli.terminal import Terminal
from tests.cli.test_init import USUAL, Init, init
from tests.connectors.presets.test_shipped import section
from tests.connectors.sql.servers import PASSWORD, served
from tests.fakes.presets import SECRET, PresetCrm
from tests.fakes.presets.pipedrive import Pipedrive

__all__ = ["init"]  # the fixture


def keys(section: dict[str, object], before: str = "") -> set[str]:
    nested = {name: value for name, value in section.items() if isinstance(value, dict)}
    below = {key for name, value in nested.items() for key in keys(value, f"{before}{name}.")}
    return below | {f"{before}{name}" for name in section.keys() - nested.keys() - {"type", "preset"}}


@pytest.mark.parametrize("name", presets.names(presets.shipped()))
def test_what_a_preset_needs_is_what_its_page_shows(name: str) -> None:
    assert set(presets.needs(name)) == keys(section(name))
    assert "needs" not in presets.read(name, presets.shipped())


@pytest.mark.parametrize("crm", crms())
def test_every_crm_makes_a_configuration_without_a_warning(init: Init, tmp_path: Path, crm: str) -> None:
    given = [f"--set={need.key}={need.example or 'a-secret-0123456789'}" for need in needs(crm)]
    said = init(*USUAL, "--crm", crm, "--offline", *given)
    assert (said.code, said.err) == (0, "")
    loaded = load(tmp_path / "config.yaml", {})
    assert loaded.warnings == ()
    written = (tmp_path / "config.yaml").read_text("utf-8")
    assert any(need.secret for need in needs(crm))
    assert not any(f"{need.key.rpartition('.')[2]}: a-secret" in written for need in needs(crm) if need.secret)
    assert len(loaded.configuration.tests) == 1


def test_what_a_crm_needs_is_wrong_usage_where_it_is_left_out(init: Init, tmp_path: Path) -> None:
    said = init(*USUAL, "--crm", "pipedrive")
    assert said.code == 2
    assert "--set base_url=" in said.err
    assert init(*USUAL, "--crm", "no-such-crm").code == 2
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "options",
    [
        ("--contacts", "clientes.csv", "--offline"),
        ("--contacts", "clientes.csv", "--set", "auth.token=x"),
        ("--contacts", "clientes.csv", "--table", "x"),
        ("--crm", "hubspot", "--contacts", "clientes.csv"),
        ("--crm", "hubspot", "--table", "x"),
        ("--crm", "sql", "--offline"),
        ("--crm", "sql", "--name-column", "x"),
    ],
)
def test_an_option_that_answers_nothing_is_wrong_usage(init: Init, tmp_path: Path, options: tuple[str, ...]) -> None:
    said = init(*USUAL, *options)
    assert said.code == 2
    assert "does not go with" in said.err
    assert list(tmp_path.iterdir()) == []


def test_a_key_that_goes_nowhere_is_refused() -> None:
    for key in ("a b", "auth..x", "", "preset.x"):
        with pytest.raises(ValueError, match=r"^"):
            crm_source(SALESFORCE if key == "" else "hubspot", {key: "x"})


def test_a_sign_in_that_fails_writes_nothing_unless_it_is_to(init: Init, tmp_path: Path) -> None:
    given = ("--set=base_url=http://127.0.0.1:9/api/v1", "--set=auth.value=abcd1234", "--set=settings.user_id=1")
    said = init(*USUAL, "--crm", "espocrm", *given)
    assert said.code == 1
    assert "does not work: " in said.err
    assert "abcd1234" not in said.out + said.err
    assert list(tmp_path.iterdir()) == []


def test_a_sign_in_is_tried_and_a_customer_looked_up(init: Init, tmp_path: Path) -> None:
    api = Pipedrive()
    api.person("Begoña Núñez", "+34600112233")
    address = f"--set=base_url={api.section(PresetCrm.url)['base_url']}"
    with PresetCrm(api):
        wrong = init(*USUAL, "--crm", "pipedrive", address, "--set=auth.value=wrong-0123456789")
        assert (wrong.code, "does not work" in wrong.err) == (1, True), wrong
        said = init(*USUAL, "--crm", "pipedrive", address, f"--set=auth.value={SECRET}", "--try", "600112233")
    assert (said.code, said.err) == (0, "")
    assert "NOMBRE = Begoña Núñez" in said.out
    assert SECRET not in said.out + (tmp_path / "config.yaml").read_text("utf-8")
    assert len(load(tmp_path / "config.yaml", {}).configuration.tests) == 1, "tests do without the CRM"


@pytest.mark.parametrize("typed", [False, True])
def test_a_database_is_looked_into(init: Init, tmp_path: Path, typed: bool, capsys: pytest.CaptureFixture[str]) -> None:
    database = sqlite3.connect(tmp_path / "facturas.db")
    database.executescript(
        """CREATE TABLE facturas (numero TEXT, importe REAL); INSERT INTO facturas VALUES ('1', 2.5);
        CREATE TABLE "Clientes {a}" (
            id INTEGER PRIMARY KEY, "Nombre completo" TEXT, "Tel'f" TEXT, movil INTEGER, ext TEXT
        );
        INSERT INTO "Clientes {a}" VALUES (1, 'Begoña Núñez', '+34 600-11 12 22', NULL, '101');
        INSERT INTO "Clientes {a}" VALUES (2, 'José', NULL, 611222333, '102');"""
    )
    database.close()
    if typed:
        with Terminal(tmp_path, "init", "--line", "912345678", "--password", "3956", "--reception", "100") as terminal:
            terminal.answer("Where are", "3")
            terminal.answer("Address", "sqlite:///no-hay.db")
            terminal.answer("Address", "sqlite:///facturas.db")
            terminal.answer("right?", "")
            assert terminal.end() == 0
    else:
        assert init(*USUAL, "--crm", "sql", "--set", "url=sqlite:///facturas.db").code == 0
    assert said_by(capsys, "check", "--connect").err == ""
    assert said_by(capsys, "test").out == "2 passed, 0 failed\n"
    for caller, name in (("600111222", "Begoña Núñez"), ("611222333", "José")):
        assert f"NOMBRE = {name}" in said_by(capsys, "ask", "DESVIO", "--caller", caller).out


@pytest.mark.parametrize("kind", ["postgresql", "mariadb"])
def test_a_database_server_is_looked_into(
    init: Init, tmp_path: Path, kind: str, capsys: pytest.CaptureFixture[str]
) -> None:
    server = served(kind, tmp_path)
    try:
        server.run(
            f"CREATE TABLE clientes (id {server.serial}, nombre VARCHAR(80), telefono VARCHAR(40), movil BIGINT, "
            "ext INTEGER)"
        )
        server.many(
            "INSERT INTO clientes (nombre, telefono, movil, ext) VALUES (?, ?, ?, ?)",
            [("Begoña Núñez", "+34 600-11.12 22", None, 101), ("José", None, 611222333, 102)],
        )
        said = init(*USUAL, "--crm", "sql", "--set", f"url={server.url}")
        assert (said.code, said.err) == (0, "")
        assert PASSWORD not in said.out + (tmp_path / "config.yaml").read_text("utf-8")
        assert said_by(capsys, "check", "--connect").err == ""
        assert said_by(capsys, "test").out == "2 passed, 0 failed\n"
        for caller, name in (("600111222", "Begoña Núñez"), ("611222333", "José")):
            assert f"NOMBRE = {name}" in said_by(capsys, "ask", "DESVIO", "--caller", caller).out
        wrong = init(*USUAL, "--crm", "sql", "--set", f"url={server.url.rpartition('/')[0]}/nothing-there", "other")
        assert (wrong.code, "the database says" in wrong.err) == (1, True)
    finally:
        server.drop()

"""`init` as a person sees it, at a terminal."""

from __future__ import annotations

from pathlib import Path

import pytest

from bridge.config.load import load
from tests.cli.terminal import Terminal
from tests.cli.test_init import listed

QUESTIONS = {
    "es": {
        "kind": "¿Dónde están",
        "file": "Fichero",
        "right": "correcto",
        "line": "Número principal",
        "password": "Contraseña",
        "reception": "recepción",
        "next": "Ahora:",
    },
    "en": {
        "kind": "Where are",
        "file": "File",
        "right": "right?",
        "line": "Main number",
        "password": "password",
        "reception": "reception",
        "next": "Next:",
    },
}


@pytest.mark.parametrize("language", ["es", "en"])
def test_somebody_at_a_terminal_is_led_through(tmp_path: Path, language: str) -> None:
    listed(tmp_path)
    words = QUESTIONS[language]
    with Terminal(tmp_path, "init", "mi línea", environ={"LANG": f"{language}_ES.UTF-8"}) as terminal:
        terminal.answer(words["kind"], "")
        terminal.answer(words["file"], "no-hay.csv")
        terminal.answer(words["file"], "clientes.csv")
        terminal.answer(words["right"], "quizá")
        terminal.answer(words["right"], "")
        terminal.answer(words["line"], "no lo sé")
        terminal.answer(words["line"], "912 345 678")
        terminal.answer(words["password"], "secreta 39'56")
        terminal.answer(words["reception"], "912345678")
        terminal.answer(words["reception"], "100")
        terminal.expect(words["next"])
        assert terminal.end() == 0
    assert "secreta" not in terminal.shown, "the password is not echoed"
    loaded = load(tmp_path / "mi línea" / "config.yaml", {})
    assert loaded.warnings == ()
    assert loaded.configuration.language == language
    assert loaded.configuration.lines[0].password.get_secret_value() == "secreta 39'56"
    assert loaded.configuration.lines[0].extensions == ["101", "102", "100"]


def test_columns_can_be_chosen_by_hand(tmp_path: Path) -> None:
    listed(tmp_path, "A;B;C\n101;600111222;Ana\n", "utf-8")
    options = ("--contacts", "clientes.csv", "--line", "912345678", "--password", "3956", "--reception", "")
    with Terminal(tmp_path, "init", *options) as terminal:
        terminal.answer("right?", "n")
        terminal.answer("numbers", "9")
        terminal.answer("numbers", "2")
        terminal.answer("name", "3")
        terminal.answer("put through", "1")
        terminal.expect("•••222  A•••  → 101")
        terminal.answer("right?", "y")
        assert terminal.end() == 0
    assert "DESTINO = 101" in terminal.shown


@pytest.mark.parametrize("way", ["ctrl-c", "end of input", "kill"])
def test_whoever_leaves_leaves_nothing(tmp_path: Path, way: str) -> None:
    listed(tmp_path)
    with Terminal(tmp_path, "init", "new", "--contacts", "clientes.csv") as terminal:
        terminal.answer("right?", "")
        terminal.answer("Main number", "912345678")
        terminal.expect("password")
        terminal.expect(": ")
        if way == "kill":
            terminal.kill()
            code = terminal.end()
        else:
            code = terminal.leave("\x03" if way == "ctrl-c" else "\x04")
        assert way == "kill" or code == 130
    assert [entry.name for entry in tmp_path.iterdir()] == ["clientes.csv"]
    assert "Traceback" not in terminal.shown

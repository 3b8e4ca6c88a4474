from __future__ import annotations

from pathlib import Path

import pytest
from werkzeug.security import generate_password_hash

from tests.config.files import LINES, loaded, told, warned

HASH = generate_password_hash("not so secret", method="scrypt")


def test_users_have_a_password_or_its_hash(tmp_path: Path) -> None:
    text = f"{LINES}console: {{users: [{{name: turno, password_hash: '{HASH}', role: operator}}]}}\n"
    assert warned(tmp_path, text) == []
    [user] = loaded(tmp_path, text).configuration.console_users.values()
    assert (user.name, user.role) == ("turno", "operator")


def test_the_console_password_makes_one_user(tmp_path: Path) -> None:
    configuration = loaded(tmp_path, f"{LINES}server: {{console_password: not-so-secret}}\n").configuration
    [user] = configuration.console_users.values()
    assert (user.name, user.role) == ("admin", "admin")
    assert loaded(tmp_path, LINES).configuration.console_users == {}


@pytest.mark.parametrize(
    ("section", "path"),
    [
        ("users: [{name: ana, role: admin}]", "console.users[0]"),
        ("users: [{name: ana, role: admin, password: '${EMPTY:-}'}]", "console.users[0]"),
        (f"users: [{{name: ana, role: admin, password: x, password_hash: '{HASH}'}}]", "console.users[0]"),
        ("users: [{name: ana, role: admin, password_hash: 'scrypt:x'}]", "console.users[0].password_hash"),
        ("users: [{name: ana, role: boss, password: x}]", "console.users[0].role"),
        ("users: [{name: ' ', role: admin, password: x}]", "console.users[0].name"),
        (
            "users: [{name: ana, role: admin, password: x}, {name: Ana, role: viewer, password: y}]",
            "console.users[1].name",
        ),
        ("url: bridge.example.com", "console.url"),
        ("url: https://ana:secret@bridge.example.com", "console.url"),
    ],
)
def test_what_is_wrong_with_it_is_said_at_its_place(tmp_path: Path, section: str, path: str) -> None:
    [fault] = told(tmp_path, f"{LINES}console: {{{section}}}\n")
    assert f" {path}" in fault or fault.startswith(path), fault


def test_users_and_the_one_password_do_not_go_together(tmp_path: Path) -> None:
    text = f"{LINES}server: {{console_password: x}}\nconsole: {{users: [{{name: ana, role: admin, password: y}}]}}\n"
    [fault] = told(tmp_path, text)
    assert "server.console_password" in fault


def test_the_public_address_is_that_of_the_bridge(tmp_path: Path) -> None:
    for written in ("https://bridge.example.com", "https://bridge.example.com/", "https://bridge.example.com/console/"):
        configuration = loaded(tmp_path, f"{LINES}console: {{url: '{written}'}}\n").configuration
        assert configuration.console.url == "https://bridge.example.com"

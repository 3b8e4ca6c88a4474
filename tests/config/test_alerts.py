from __future__ import annotations

from pathlib import Path

import pytest

from bridge.config.alerts import Smtp
from tests.config.files import LINES, loaded, told, warned

SMTP = "smtp: {host: localhost, from: bridge@example.com}\n"


def test_the_example_of_the_documents_is_good(tmp_path: Path) -> None:
    text = f"""{LINES}
alerts:
  - email: [ana@example.com]
    severity: error
    after: 3m
    remind: 4h
    resolved: true
  - webhook: https://hooks.example.com/x
smtp: {{host: localhost, port: 25, from: bridge@example.com}}
"""
    assert warned(tmp_path, text) == []
    first, second = loaded(tmp_path, text).configuration.alerts
    assert first.email == ["ana@example.com"]
    assert (second.severity, second.resolved) == ("error", True)
    assert (float(second.after), float(second.remind or 0)) == (180, 4 * 3600)


def test_one_address_needs_no_list_and_reminders_can_be_left_out(tmp_path: Path) -> None:
    [alert] = loaded(tmp_path, f"{LINES}{SMTP}alerts: [{{email: ana@example.com, remind: none}}]").configuration.alerts
    assert (alert.email, alert.remind) == (["ana@example.com"], None)


@pytest.mark.parametrize(
    ("section", "path"),
    [
        ("alerts: [{severity: error}]", "alerts[0]"),
        ("alerts: [{email: ana}]", "alerts[0].email"),
        ('alerts: [{email: "Ana <ana@example.com>"}]', "alerts[0].email"),
        ('alerts: [{email: "ana@example.com, luis@example.com"}]', "alerts[0].email"),
        ("alerts: [{email: ana@example.com, remind: 59s}]", "alerts[0].remind"),
        ("alerts: [{email: ana@example.com, remind: true}]", "alerts[0].remind"),
        ("alerts: [{email: ana@example.com, severity: fatal}]", "alerts[0].severity"),
        ("alerts: [{webhook: hooks.example.com}]", "alerts[0].webhook"),
        ("alerts: [{webhook: 'ftp://hooks.example.com'}]", "alerts[0].webhook"),
    ],
)
def test_what_can_not_be_is_a_fault(tmp_path: Path, section: str, path: str) -> None:
    faults = told(tmp_path, f"{LINES}{SMTP}{section}")
    assert faults
    assert all(f": {path}" in fault for fault in faults)


def test_mails_need_a_mail_server(tmp_path: Path) -> None:
    [fault] = told(tmp_path, f"{LINES}alerts: [{{email: ana@example.com}}]")
    assert "alerts[0].email: needs a mail server: write smtp:" in fault


@pytest.mark.parametrize(
    ("smtp", "text"),
    [
        ("{host: mail.example.com, from: b@example.com, username: b}", "go together"),
        ("{host: mail.example.com, from: b@example.com, username: b, password: x, tls: none}", "readable for anybody"),
        ("{host: mail.example.com, from: b@example.com, ca_file: gone.pem}", "there is no file gone.pem"),
        ("{host: mail.example.com}", "from"),
        ("{host: mail.example.com, from: b@example.com, tls: ssl}", "starttls"),
    ],
)
def test_a_mail_server_that_can_not_be_is_a_fault(tmp_path: Path, smtp: str, text: str) -> None:
    [fault] = told(tmp_path, f"{LINES}smtp: {smtp}")
    assert text in fault


@pytest.mark.parametrize(
    ("keys", "security", "port"),
    [
        ({"host": "localhost"}, "none", 25),
        ({"host": "mail.example.com"}, "starttls", 587),
        ({"host": "mail.example.com", "port": 465}, "tls", 465),
        ({"host": "mail.example.com", "port": 25}, "starttls", 25),
        ({"host": "mail.example.com", "tls": "tls"}, "tls", 465),
        ({"host": "mail.example.com", "tls": "none"}, "none", 25),
    ],
)
def test_mails_leave_this_machine_by_tls_unless_said_otherwise(
    keys: dict[str, object], security: str, port: int
) -> None:
    smtp = Smtp.model_validate({"from": "bridge@example.com", **keys})
    assert (smtp.security, smtp.port_or_default) == (security, port)


def test_an_address_of_a_webhook_is_never_shown(tmp_path: Path) -> None:
    text = f"{LINES}alerts: [{{webhook: 'https://hooks.example.com/s3cret-path'}}]"
    assert "s3cret" not in repr(loaded(tmp_path, text).configuration)
    assert "s3cret" not in str(told(tmp_path, text.replace("https", "gopher")))

"""`alerts test`: a message through each channel, and what came of it."""

from __future__ import annotations

from pathlib import Path

from tests.cli.conftest import Run
from tests.fakes.smtp import MailServer
from tests.fakes.webhook import Hook


def test_each_channel_is_tried_and_said(config: Path, run: Run) -> None:
    text = config.read_text(encoding="utf-8")
    with MailServer() as server, Hook() as hook:
        config.write_text(
            f"{text}language: en\nsmtp: {{host: localhost, port: {server.port}, from: b@example.com}}\n"
            f'alerts: [{{email: ana@example.com}}, {{webhook: "{hook.url}"}}]\n',
            encoding="utf-8",
        )
        mail, webhook = (
            f"e-mail to ana@example.com through localhost:{server.port}",
            f"webhook {hook.url.partition('/services')[0]}/…",
        )
        said = run("alerts", "test")
        assert (said.code, said.out) == (0, f"ok   {mail}: sent\nok   {webhook}: sent\n")
        assert [str(one.message["Subject"]) for one in server.mails] == [
            "[infocaller-bridge] WARNING: This is a test: nothing is wrong."
        ]
        assert [(one["id"], one["resolved"]) for one in hook.taken] == [("test", False)]
        hook.status = 500
        said = run("alerts", "test")
        assert said.code == 1
        assert said.out.startswith(f"ok   {mail}: sent\nFAIL {webhook}: ")
        assert "500" in said.out
        assert "SECRET" not in said.out


def test_without_alerts_there_is_nobody_to_tell(run: Run) -> None:
    said = run("alerts", "test")
    assert (said.code, said.out) == (1, "")
    assert "no alerts:" in said.err


def test_a_connector_at_fault_keeps_no_test_from_being_sent(config: Path, run: Run) -> None:
    with Hook() as hook:
        text = config.read_text(encoding="utf-8")
        assert "connectors:\n" in text
        shop = "{type: rest, base_url: 'https://shop.example.com', auth: {type: bearer, token: '${NEVER_SET}'}}"
        text = text.replace("connectors:\n", f"connectors:\n  shop: {shop}\n", 1)
        config.write_text(f'{text}alerts: [{{webhook: "{hook.url}"}}]\n', encoding="utf-8")
        said = run("alerts", "test")
        assert (said.code, [one["id"] for one in hook.taken]) == (0, ["test"])
        assert "infocaller-bridge check" in said.err

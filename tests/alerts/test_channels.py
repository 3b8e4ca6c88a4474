"""Channels against real servers on loopback, and what comes through them."""

from __future__ import annotations

import ssl
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
import trustme

from bridge.alerts import Channel, Notice, NotTold, Why, channels
from bridge.alerts.message import Wording
from bridge.texts import Text, said
from bridge.troubles import Severity
from tests.alerts.case import configured, trouble
from tests.config.files import LINES, loaded
from tests.fakes.smtp import MailServer
from tests.fakes.webhook import Hook

ANA = "[{email: [ana@example.com, luis@example.com]}]"
NEW = [Notice(Why.NEW, trouble())]


def tls(name: str = "localhost", until: datetime | None = None) -> tuple[trustme.CA, ssl.SSLContext]:
    authority, context = trustme.CA(), ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(name, not_after=until).configure_cert(context)
    return authority, context


def mailer(folder: Path, server: MailServer, more: str = "", alerts: str = ANA, timeout: str = "30s") -> Channel:
    smtp = f"{{host: localhost, port: {server.port}, from: bridge@example.com, timeout: {timeout}{more}}}"
    return channels(configured(folder, alerts, smtp=smtp))[0]


def test_one_mail_tells_several(tmp_path: Path) -> None:
    mild = trouble("line:912345678", Severity.WARNING, text="Line 912345678 emits nothing", count=7)
    over = trouble("spool", text="The spool is in use")
    with MailServer() as server:
        told = [Notice(Why.RESOLVED, over), Notice(Why.NEW, mild), Notice(Why.NEW, trouble())]
        assert mailer(tmp_path, server).send(told) == ""
    [mail] = server.mails
    assert (mail.sender, mail.recipients) == ("bridge@example.com", ["ana@example.com", "luis@example.com"])
    assert mail.message["Subject"] == "[infocaller-bridge] ERROR: 3 troubles: The shop is away"
    assert mail.message["Auto-Submitted"] == "auto-generated"
    assert "crm:shop (ERROR, since 2026-11-23 12:00)\n  The shop is away\n  → Start it\n" in mail.text
    assert "line:912345678 (WARNING, since 2026-11-23 12:00, 7 times)\n  Line 912345678 emits nothing\n" in mail.text
    assert "spool (it was ERROR, since 2026-11-23 12:00)\n  The spool is in use\n" in mail.text
    assert mail.text.index("crm:shop") < mail.text.index("line:") < mail.text.index("spool (")
    assert f"infocaller-bridge status --config {tmp_path / 'bridge.yaml'}" in mail.text


def test_mails_are_in_the_language_of_the_configuration(tmp_path: Path) -> None:
    with MailServer() as server:
        smtp = f"{{host: localhost, port: {server.port}, from: b@example.com}}"
        text = Text("Table {table} of connector {connector} can't be read, Queries get on_error: {why}",
                    table="contact", connector="shop", why="gone")  # fmt: skip
        away = replace(trouble(), text=text)
        channels(configured(tmp_path, ANA, smtp=smtp, more="language: es\n"))[0].send([Notice(Why.RESOLVED, away)])
    assert (
        server.mails[0]
        .message["Subject"]
        .startswith("[infocaller-bridge] Resuelto: La tabla contact del conector shop no se puede leer")
    )
    assert "desde 2026-11-23 12:00" in server.mails[0].text


def test_no_secret_no_whole_number_and_no_line_of_a_strangers_making_comes_out(tmp_path: Path) -> None:
    odd = trouble(
        "unknown_line:600111222", text="600 111 222 said\r\nBcc: x@example.com s3cret-s3cret \u202e end",
        action="`infocaller-bridge lines resume 912345678`",
    )  # fmt: skip
    text = f'{LINES}language: en\nserver: {{metrics_token: "${{T}}"}}\nalerts: [{{email: a@example.com}}]\n'
    with MailServer() as server:
        smtp = f"smtp: {{host: localhost, port: {server.port}, from: b@example.com}}"
        channel = channels(loaded(tmp_path, text + smtp, {"PASSWORD": "3956", "T": "s3cret-s3cret"}))[0]
        channel.send([Notice(Why.NEW, odd)])
    [mail] = server.mails
    whole = f"{mail.message}{mail.text}"
    assert "s3cret" not in whole
    assert "111222" not in whole.replace(" ", "")
    assert mail.message["Bcc"] is None
    assert "\nBcc:" not in mail.text
    assert "lines resume 912345678" in mail.text


@pytest.mark.parametrize("implicit", [False, True], ids=["starttls", "tls"])
def test_mails_go_by_tls_with_a_sign_in(tmp_path: Path, implicit: bool) -> None:
    authority, context = tls()
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    with MailServer(tls=context, implicit=implicit, users={"bridge": "s3cret-word"}) as server:
        kind = "tls" if implicit else "starttls"
        sign_in = f", tls: {kind}, username: bridge, password: s3cret-word, ca_file: ca.pem"
        assert mailer(tmp_path, server, sign_in).send(NEW) == ""
    assert [(mail.tls, mail.user) for mail in server.mails] == [(True, "bridge")]


def test_a_certificate_that_nobody_vouches_for_is_refused(tmp_path: Path) -> None:
    _, context = tls()
    with MailServer(tls=context) as server, pytest.raises(NotTold, match="certificate"):
        mailer(tmp_path, server, ", tls: starttls").send(NEW)
    assert server.mails == []


@pytest.mark.parametrize(
    ("name", "until", "reason", "spanish"),
    [
        ("localhost", datetime(2026, 1, 1, tzinfo=UTC), "certificate has expired; renew the mail server's",
         "el certificado ha caducado; renueve el certificado del servidor de correo, o ponga en hora este equipo"),
        ("mail.example.com", None, "certificate is not valid for 'localhost'; write in smtp: host:",
         "el certificado no es de localhost; ponga en smtp: host: el nombre que tiene el certificado"),
    ],
    ids=["expired", "another name"],
)  # fmt: skip
def test_what_is_wrong_with_the_certificate_is_said_with_what_to_do(
    tmp_path: Path, name: str, until: datetime | None, reason: str, spanish: str
) -> None:
    authority, context = tls(name, until)
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    with MailServer(tls=context) as server:
        channel = mailer(tmp_path, server, ", tls: starttls, ca_file: ca.pem")
        with pytest.raises(NotTold, match=reason) as caught:
            channel.send(NEW)
        assert spanish in said(caught.value).render("es")
        (tmp_path / "ca.pem").unlink()
        with pytest.raises(NotTold, match=r"ca_file .*ca.pem can't be read: No such file"):
            channel.send(NEW)


def test_a_server_without_starttls_gets_nothing(tmp_path: Path) -> None:
    with MailServer() as server, pytest.raises(NotTold, match="no STARTTLS"):
        mailer(tmp_path, server, ", tls: starttls").send(NEW)
    assert server.mails == []


def test_a_wrong_password_is_told_in_the_servers_words_without_the_password(tmp_path: Path) -> None:
    with MailServer(users={"bridge": "right"}) as server, pytest.raises(NotTold) as caught:
        mailer(tmp_path, server, ", username: bridge, password: wrong-s3cret").send(NEW)
    assert "535 5.7.8" in str(caught.value)
    assert "wrong-s3cret" not in str(caught.value)


@pytest.mark.parametrize("command", ["", "EHLO", "MAIL", "RCPT", "DATA"])
def test_a_server_that_hangs_is_left_in_time(tmp_path: Path, command: str) -> None:
    with MailServer(hang=command) as server, pytest.raises(NotTold, match="in time"):  # it would hang for ever
        mailer(tmp_path, server, timeout="2s").send(NEW)


def test_a_server_that_is_away_is_told_as_such(tmp_path: Path) -> None:
    with MailServer() as server:
        channel = mailer(tmp_path, server)
    with pytest.raises(NotTold, match="refused"):
        channel.send(NEW)
    with MailServer(down=True) as server, pytest.raises(NotTold):
        mailer(tmp_path, server).send(NEW)


def test_who_did_not_get_it_is_named_and_the_others_get_it_once(tmp_path: Path) -> None:
    with MailServer(refused=["luis@example.com"]) as server:
        assert "luis@example.com: 550 5.1.1" in mailer(tmp_path, server).send(NEW)
    assert [mail.recipients for mail in server.mails] == [["ana@example.com"]]
    with MailServer(refused=["ana@example.com", "luis@example.com"]) as server, pytest.raises(NotTold, match="550"):
        mailer(tmp_path, server).send(NEW)


def hooked(folder: Path, hook: Hook) -> Channel:
    return channels(configured(folder, f'[{{webhook: "{hook.url}"}}]'))[0]


def test_a_webhook_gets_each(tmp_path: Path) -> None:
    with Hook() as hook:
        assert hooked(tmp_path, hook).send([*NEW, Notice(Why.RESOLVED, trouble("disk", count=3))]) == ""
    assert hook.taken == [
        {
            "id": "crm:shop", "severity": "error", "since": "2026-11-23T12:00:00+01:00", "count": 1,
            "text": "The shop is away", "action": "Start it", "resolved": False,
        },
        {
            "id": "disk", "severity": "error", "since": "2026-11-23T12:00:00+01:00", "count": 3,
            "text": "The shop is away", "action": "Start it", "resolved": True,
        },
    ]  # fmt: skip
    assert {kind for _, kind in hook.asked} == {"application/json"}


@pytest.mark.parametrize("status", [500, 404, 302, 401])
def test_an_answer_that_is_none_fails_without_the_addresss_secrets(tmp_path: Path, status: int) -> None:
    with Hook() as hook:
        hook.status = status
        with pytest.raises(NotTold, match=str(status)) as caught:
            hooked(tmp_path, hook).send(NEW)
    assert "SECRET" not in str(caught.value)


def test_a_webhook_that_is_away_fails_without_the_addresss_secrets(tmp_path: Path) -> None:
    with Hook() as hook:
        channel = hooked(tmp_path, hook)
    with pytest.raises(NotTold) as caught:
        channel.send(NEW)
    assert "SECRET" not in f"{caught.value} {channel.target} {channel.name}"


def test_channels_to_the_same_place_are_told_apart(tmp_path: Path) -> None:
    alerts = "[{email: a@example.com}, {email: a@example.com, severity: warning}, {email: a@example.com, webhook: http://h.example.com/x}]"
    found = channels(configured(tmp_path, alerts, smtp="{host: localhost, from: b@example.com}"))
    assert len({channel.key for channel in found}) == len({channel.name for channel in found}) == 4
    assert [str(channel.target) for channel in found][3] == "webhook http://h.example.com/…"


def test_alerts_lead_to_the_console_where_its_address_is_known(tmp_path: Path) -> None:
    notice = Notice(Why.NEW, trouble())
    users = "console: {url: 'https://bridge.example.com/', users: [{name: ana, password: x, role: admin}]}\n"
    wording = Wording(configured(tmp_path, "[]", more=f"language: en\n{users}"))
    assert wording.hook(notice)["url"] == "https://bridge.example.com/console/"
    assert "what to do: https://bridge.example.com/console/" in wording.mail([notice], "a@x", ["b@x"]).get_content()
    for more in ("language: en\n", "console: {url: 'https://bridge.example.com/'}\n"):
        assert "url" not in Wording(configured(tmp_path, "[]", more=more)).hook(notice)

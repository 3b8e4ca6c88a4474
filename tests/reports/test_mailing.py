"""Reports by e-mail: each once, when its time is over, to a mail server that may be away."""

from __future__ import annotations

import io
from datetime import date, datetime, timedelta
from pathlib import Path

import openpyxl
import pytest

from bridge.config.load import Loaded
from bridge.reports.mailing import ReportMailer, _key
from bridge.troubles import Trouble, Troubles
from tests.alerts.case import configured
from tests.config.files import told
from tests.fakes.smtp import MailServer
from tests.reports.conftest import Switchboard, at

OCTOBER, FIRST = date(2026, 10, 14), date(2026, 11, 1)
MONTHLY = "reports: [{email: [ana@example.com, luis@example.com]}]"


def mailing(folder: Path, server: MailServer, reports: str = MONTHLY, language: str = "es") -> Loaded:
    smtp = f"{{host: localhost, port: {server.port}, from: bridge@example.com, timeout: 2s}}"
    return configured(folder, "[]", smtp=smtp, more=f"language: {language}\n{reports}\n")


class Mailers:
    """Processes that send reports, on one database and one clock."""

    def __init__(self, switchboard: Switchboard) -> None:
        self.board, self.troubles = switchboard, Troubles()

    def start(self, loaded: Loaded) -> ReportMailer:
        """Another process begins."""
        self.loaded = loaded
        return ReportMailer(self.board.database, lambda: self.loaded, self.troubles, lambda: self.board.now)

    def shown(self) -> list[Trouble]:
        return list(self.troubles.all())


@pytest.fixture
def mailers(switchboard: Switchboard) -> Mailers:
    switchboard.call(at(9), wait=12)
    switchboard.count()
    return Mailers(switchboard)


def test_a_month_is_sent_once_when_it_is_over(mailers: Mailers, tmp_path: Path) -> None:
    with MailServer() as server:
        loaded = mailing(tmp_path, server)
        hosts = [mailers.start(loaded), mailers.start(loaded)]

        def look(moment: datetime) -> int:
            mailers.board.now = moment
            for host in hosts:
                host.work()
            return len(server.mails)

        assert look(at(23)) == 0  # September is of nobody's interest
        assert look(at(23, 59, date(2026, 10, 31))) == 0
        assert look(at(5, 59, FIRST)) == 0  # calls of the last evening may still end
        assert look(at(6, 0, FIRST)) == 1
        hosts = [mailers.start(loaded)]  # and again after a restart
        assert look(at(12, 0, FIRST)) == 1
        assert look(at(6, 0, date(2026, 12, 1))) == 2
    first, second = server.mails
    assert first.recipients == ["ana@example.com", "luis@example.com"]
    assert str(first.message["Subject"]) == "[infocaller-bridge] Llamadas de 01/10/2026 a 31/10/2026"
    assert str(second.message["Subject"]) == "[infocaller-bridge] Llamadas de 01/11/2026 a 30/11/2026"
    body = first.message.get_body()
    assert body is not None
    text = str(body.get_content())
    assert "Recibidas: Llamadas 1" in text
    assert "600111222" not in text
    (attached,) = first.message.iter_attachments()
    assert attached.get_filename() == "infocaller-2026-10-01-2026-10-31.xlsx"
    book = openpyxl.load_workbook(io.BytesIO(attached.get_content()))
    assert book["Llamadas"]["A1"].value == "Llamadas: 01/10/2026 a 31/10/2026"


def test_it_comes_when_the_mail_server_is_back(mailers: Mailers, tmp_path: Path) -> None:
    with MailServer(down=True) as server:
        host = mailers.start(mailing(tmp_path, server, language="en"))
        host.work()
        mailers.board.now = at(6, 0, FIRST)
        host.work()
        host.work()
        assert server.connections == 1  # it is not asked again and again
        (trouble,) = mailers.shown()
        assert trouble.id == "alerts:report ana@example.com"
        assert "The report of 2026-10-01 to 2026-10-31 can't be sent to ana@example.com" in str(trouble.text)
        server.down = False
        mailers.board.now += timedelta(minutes=1)
        host.work()
        assert [str(mail.message["Subject"]) for mail in server.mails] == [
            "[infocaller-bridge] Calls of 2026-10-01 to 2026-10-31"
        ]
        assert mailers.shown() == []


def test_that_it_failed_is_over_once_it_goes_to_somebody_else(mailers: Mailers, tmp_path: Path) -> None:
    with MailServer(refused=["ana@example.com", "luis@example.com"]) as server:
        host = mailers.start(mailing(tmp_path, server))
        host.work()
        mailers.board.now = at(6, 0, FIRST)
        host.work()
        assert [trouble.id for trouble in mailers.shown()] == ["alerts:report ana@example.com"]
        mailers.loaded = mailing(tmp_path, server, "reports: [{email: eva@example.com}]")
        host.work()
        assert mailers.shown() == []


def test_that_it_failed_is_over_once_another_host_has_sent_it(mailers: Mailers, tmp_path: Path) -> None:
    with MailServer(down=True) as server:
        host = mailers.start(mailing(tmp_path, server))
        other = ReportMailer(mailers.board.database, lambda: mailers.loaded, Troubles(), lambda: mailers.board.now)
        host.work()
        mailers.board.now = at(6, 0, FIRST)
        host.work()
        assert [trouble.id for trouble in mailers.shown()] == ["alerts:report ana@example.com"]
        server.down = False
        other.work()
        assert len(server.mails) == 1
        mailers.board.now += timedelta(minutes=1)
        host.work()
        assert mailers.shown() == []


def test_who_is_refused_is_said_and_the_others_have_it_once(mailers: Mailers, tmp_path: Path) -> None:
    with MailServer(refused=["luis@example.com"]) as server:
        host = mailers.start(mailing(tmp_path, server))
        host.work()
        mailers.board.now = at(6, 0, FIRST)
        host.work()
        host.work()
        assert [mail.recipients for mail in server.mails] == [["ana@example.com"]]
        assert "luis@example.com" in str(mailers.shown()[0].text)


def test_a_month_waits_for_what_is_not_added_up_but_not_for_ever(mailers: Mailers, tmp_path: Path) -> None:
    with MailServer() as server:
        host = mailers.start(mailing(tmp_path, server))
        host.work()
        mailers.board.call(at(23, 0, date(2026, 10, 31)), wait=1)
        mailers.board.now = at(6, 0, FIRST)
        host.work()
        assert server.mails == []
        mailers.board.now = at(6, 0, FIRST + timedelta(days=1))
        host.work()
        assert len(server.mails) == 1


def test_a_week_is_sent_on_monday(mailers: Mailers, tmp_path: Path) -> None:
    with MailServer() as server:
        loaded = mailing(tmp_path, server, "reports: [{email: ana@example.com, every: week}]", "en")
        host = mailers.start(loaded)
        host.work()
        mailers.board.now = at(8, 0, date(2026, 10, 19))
        host.work()
        host.work()
        assert [str(mail.message["Subject"]) for mail in server.mails] == [
            "[infocaller-bridge] Calls of 2026-10-12 to 2026-10-18"
        ]


def test_a_host_that_never_comes_back_is_waited_for_no_longer_than_its_lease(mailers: Mailers, tmp_path: Path) -> None:
    with MailServer() as server:
        loaded = mailing(tmp_path, server)
        gone, host = mailers.start(loaded), mailers.start(loaded)
        host.work()
        mailers.board.now = at(6, 0, FIRST)
        (rule,) = loaded.configuration.reports
        assert gone._notes.claim(_key(rule), mailers.board.now.timestamp(), 120) is not None
        host.work()
        assert server.mails == []
        mailers.board.now += timedelta(seconds=121)
        host.work()
        assert len(server.mails) == 1


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("reports: [{email: [ana@example.com]}]", "needs a mail server: write smtp:"),
        ("reports: [{email: []}]\nsmtp: {host: localhost, from: b@example.com}", "reports[0].email"),
        ("reports: [{email: ana}]\nsmtp: {host: localhost, from: b@example.com}", "ana@example.com"),
        ("reports: [{email: a@example.com, every: day}]\nsmtp: {host: localhost, from: b@example.com}", "every"),
    ],
)
def test_mistakes_are_found(tmp_path: Path, text: str, fault: str) -> None:
    (mistake,) = told(tmp_path, f'lines: [{{number: "912345678", password: "3956"}}]\n{text}\n')
    assert fault in mistake

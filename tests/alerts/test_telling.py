"""Alerts behind a watch: looks and the clock are handed in, mail servers and databases are real."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from bridge.alerts import Alerts, channels
from bridge.alerts.memory import SharedMemory
from bridge.config.load import Loaded
from bridge.store.database import unprepared
from bridge.store.schema import connect
from bridge.troubles import Look, Severity, Trouble, Troubles
from tests.alerts.case import after, configured, trouble
from tests.fakes.smtp import Mail, MailServer
from tests.fakes.webhook import Hook
from tests.waiting import until

DATABASE = trouble("database", text="The database can't be used")
ALERTS = "[{email: ana@example.com, after: 3m, remind: 4h}]"


class Host:
    """A host with its alerts. `see`: the watch sees these for a while, beginning at this time."""

    def __init__(self, folder: Path, loaded: Loaded) -> None:
        self.state = folder / "state"
        self.state.mkdir(exist_ok=True)
        self.loaded = loaded
        self.now = after(minutes=0)
        self.troubles = Troubles(None, lambda: self.now)
        self.alerts = Alerts(self.state, lambda: self.loaded, self.troubles, lambda: self.now)

    def see(self, now: float, *found: Trouble, looks: int = 8) -> None:
        self.now = now
        for _ in range(looks):
            self.alerts.follow(Look(found, (), {}))
            until(lambda: self.alerts.settled)
            self.now += 5

    def restart(self) -> None:
        self.alerts.close()
        self.alerts = Alerts(self.state, lambda: self.loaded, self.troubles, lambda: self.now)


@pytest.fixture
def hosts(tmp_path: Path) -> Iterator[Callable[..., Host]]:
    made: list[Host] = []

    def make(loaded: Loaded, folder: Path = tmp_path) -> Host:
        made.append(Host(folder, loaded))
        return made[-1]

    yield make
    for host in made:
        host.alerts.close()


def mailing(folder: Path, server: MailServer, alerts: str = ALERTS, more: str = "") -> Loaded:
    smtp = f"{{host: localhost, port: {server.port}, from: bridge@example.com, timeout: 60s}}"
    return configured(folder, alerts, smtp=smtp, more=f"language: en\n{more}")


def subjects(mails: list[Mail]) -> list[str]:
    return [str(mail.message["Subject"]).removeprefix("[infocaller-bridge] ") for mail in mails]


def test_a_whole_story(tmp_path: Path, hosts: Callable[..., Host]) -> None:
    with MailServer() as server:
        host = hosts(mailing(tmp_path, server))
        host.see(after(minutes=1), trouble())
        assert server.mails == []
        for minutes in (3, 4, 60):
            host.see(after(minutes=minutes), trouble(count=minutes))
        host.see(after(minutes=244), trouble(count=500))
        host.see(after(minutes=250))
        host.see(after(minutes=251))
    assert subjects(server.mails) == [
        "ERROR: The shop is away",
        "Still there: The shop is away",
        "Resolved: The shop is away",
    ]


def test_troubles_that_begin_together_are_one_mail(tmp_path: Path, hosts: Callable[..., Host]) -> None:
    with MailServer() as server:
        host = hosts(mailing(tmp_path, server))
        host.see(after(minutes=3), trouble(), looks=1)
        host.see(after(minutes=3, seconds=5), trouble(), trouble("disk", text="The disk is full"))
    assert subjects(server.mails) == ["ERROR: 2 troubles: The shop is away"]


def test_a_restart_tells_nothing_twice_and_knows_what_ended_meanwhile(
    tmp_path: Path, hosts: Callable[..., Host]
) -> None:
    with MailServer() as server:
        host = hosts(mailing(tmp_path, server))
        host.see(after(minutes=3), trouble(), trouble("disk", text="The disk is full"))
        for minutes in (5, 6, 7):
            host.restart()
            host.see(after(minutes=minutes), trouble(), trouble("disk", text="The disk is full"))
        host.restart()
        host.see(after(minutes=9), trouble())
    assert subjects(server.mails) == ["ERROR: 2 troubles: The shop is away", "Resolved: The disk is full"]


def test_a_channel_that_fails_is_a_trouble_waits_longer_each_time_and_holds_up_no_other(
    tmp_path: Path, hosts: Callable[..., Host]
) -> None:
    with MailServer() as server, Hook() as hook:
        server.down = True
        host = hosts(mailing(tmp_path, server, f'[{{email: ana@example.com}}, {{webhook: "{hook.url}", after: 0s}}]'))
        host.see(after(minutes=3), trouble())
        [failing] = host.troubles.all()
        assert (failing.id, failing.severity) == ("alerts:ana@example.com", Severity.ERROR)
        assert "Alerts can't be sent by e-mail to ana@example.com through localhost" in str(failing.text)
        assert [one["id"] for one in hook.taken] == ["crm:shop"]
        before = server.connections
        host.see(after(minutes=4), trouble(), failing, looks=120)  # ten minutes
        assert 3 <= server.connections - before <= 6
        assert [one["id"] for one in hook.taken] == ["crm:shop", "alerts:ana@example.com"]
        server.down = False
        host.see(after(minutes=40), trouble(), failing)
        assert host.troubles.all() == []
    assert subjects(server.mails) == ["ERROR: The shop is away"], "it does not tell of itself"


@pytest.mark.parametrize("resolved", [True, False])
def test_a_channel_that_works_again_is_no_trouble_though_nothing_is_left_to_tell(
    tmp_path: Path, hosts: Callable[..., Host], resolved: bool
) -> None:
    with MailServer() as server:
        server.down = True
        host = hosts(mailing(tmp_path, server, f"[{{email: ana@example.com, resolved: {str(resolved).lower()}}}]"))
        host.see(after(minutes=3), trouble())
        [failing] = host.troubles.all()
        host.see(after(minutes=10), failing)  # what could not be told is over, and nobody has to hear of it
        assert bool(host.troubles.all()) is resolved, "the server is still away"
        server.down = False
        host.see(after(minutes=40), *host.troubles.all())
        assert host.troubles.all() == []
        host.see(after(minutes=50))
    sent = subjects(server.mails)
    assert len(sent) == int(resolved)
    assert all(subject.startswith("Resolved: Alerts can't be sent by e-mail to ana@example.com") for subject in sent)


def test_a_server_that_hangs_holds_up_neither_the_watch_nor_another_channel(
    tmp_path: Path, hosts: Callable[..., Host]
) -> None:
    with MailServer(hang="DATA") as server, Hook() as hook:
        alerts = f'[{{email: ana@example.com, after: 0s}}, {{webhook: "{hook.url}", after: 0s}}]'
        host = hosts(mailing(tmp_path, server, alerts))
        for seconds in range(60, 90, 5):
            host.now = after(seconds=seconds)
            host.alerts.follow(Look((trouble(),), (), {}))
            time.sleep(0.1)
        until(lambda: hook.taken)
        assert (server.connections, server.mails, host.troubles.all()) == (1, [], []), "the mail still waits"


def test_a_webhook_that_fails_in_the_middle_is_not_told_the_beginning_again(
    tmp_path: Path, hosts: Callable[..., Host]
) -> None:
    with Hook() as hook:
        host = hosts(configured(tmp_path, f'[{{webhook: "{hook.url}", after: 0s}}]'))
        hook.status = 500
        host.see(after(minutes=1), trouble(), trouble("disk"))
        assert hook.taken == []
        hook.status = 200
        host.see(after(minutes=5), trouble(), trouble("disk"))
        host.see(after(minutes=6), trouble(), trouble("disk"))
    assert [one["id"] for one in hook.taken] == ["crm:shop", "disk"]


def test_while_the_database_is_away_what_it_would_show_is_not_over(tmp_path: Path, hosts: Callable[..., Host]) -> None:
    with MailServer() as server:
        host = hosts(mailing(tmp_path, server))
        host.see(after(minutes=3), trouble())
        host.see(after(minutes=10), DATABASE, looks=20)
        host.see(after(minutes=15), trouble())
    assert subjects(server.mails) == ["ERROR: The shop is away", "ERROR: The database can't be used",
                                      "Resolved: The database can't be used"]  # fmt: skip


def test_what_was_told_counts_also_where_it_can_not_be_written(tmp_path: Path, hosts: Callable[..., Host]) -> None:
    with MailServer() as server:
        host = hosts(mailing(tmp_path, server))
        host.state.rmdir()
        host.see(after(minutes=3), trouble())
        host.see(after(minutes=4), trouble())
    assert subjects(server.mails) == ["ERROR: The shop is away"]


def test_a_file_that_holds_nonsense_is_no_obstacle(tmp_path: Path, hosts: Callable[..., Host]) -> None:
    with MailServer() as server:
        host = hosts(mailing(tmp_path, server))
        host.see(after(minutes=3), trouble())
        [kept] = host.state.glob("alerts-*.json")
        assert os.stat(kept).st_mode & 0o777 == 0o600
        kept.write_text('{"crm:shop": 3}')
        host.restart()
        host.see(after(minutes=4), trouble())
    assert len(server.mails) == 2


def test_a_changed_configuration_tells_others_and_repeats_nothing(tmp_path: Path, hosts: Callable[..., Host]) -> None:
    with MailServer() as server:
        host = hosts(mailing(tmp_path, server))
        host.see(after(minutes=3), trouble())
        host.loaded = mailing(tmp_path, server, "[{email: ana@example.com, after: 0s}, {email: luis@example.com}]")
        host.see(after(minutes=4), trouble())
    assert [mail.recipients for mail in server.mails] == [["ana@example.com"], ["luis@example.com"]]


@contextmanager
def two_hosts(folder: Path, url: str, server: MailServer, hosts: Callable[..., Host]) -> Iterator[tuple[Host, Host]]:
    connect(url).close()
    pair = []
    for name in ("one", "two"):
        (folder / name).mkdir()
        pair.append(hosts(mailing(folder / name, server, more=f"database: {url}\n"), folder / name))
    yield pair[0], pair[1]


def test_what_the_shared_database_shows_is_told_by_one_host(
    tmp_path: Path, postgres_url: str, hosts: Callable[..., Host]
) -> None:
    disk = trouble("disk", text="The disk is full")
    with MailServer() as server, two_hosts(tmp_path, postgres_url, server, hosts) as (one, two):
        for minutes in (3, 4):
            for host in (one, two):
                host.see(after(minutes=minutes), trouble(), disk)
        assert sorted(subjects(server.mails)) == ["ERROR: 2 troubles: The disk is full", "ERROR: The disk is full"]
        one.alerts.close()
        two.see(after(minutes=5), disk)
        two.see(after(minutes=6), disk)
    assert subjects(server.mails)[2:] == ["Resolved: The shop is away"]


def test_what_one_host_alone_sees_is_told_and_is_over_when_none_does(
    tmp_path: Path, postgres_url: str, hosts: Callable[..., Host]
) -> None:
    with MailServer() as server, two_hosts(tmp_path, postgres_url, server, hosts) as (one, two):
        for seconds in range(180, 300, 5):
            one.see(after(seconds=seconds), looks=1)
            two.see(after(seconds=seconds + 2), trouble(), looks=1)
        assert subjects(server.mails) == ["ERROR: The shop is away"]
        for seconds in range(300, 360, 5):
            for host in (one, two):
                host.see(after(seconds=seconds), looks=1)
    assert subjects(server.mails) == ["ERROR: The shop is away", "Resolved: The shop is away"]


def test_a_host_that_dies_in_its_turn_is_followed_by_another(
    tmp_path: Path, postgres_url: str, hosts: Callable[..., Host]
) -> None:
    with MailServer() as server, two_hosts(tmp_path, postgres_url, server, hosts) as (one, two):
        database = unprepared(postgres_url)
        [channel] = channels(one.loaded)
        assert SharedMemory(database).claim(channel.key, after(minutes=3)) == {}
        database.close()
        two.see(after(minutes=3, seconds=10), trouble())
        assert server.mails == []
        two.see(after(minutes=5), trouble())
    assert subjects(server.mails) == ["ERROR: The shop is away"]


def test_a_database_that_is_away_keeps_nothing_else_from_being_told(tmp_path: Path, hosts: Callable[..., Host]) -> None:
    with MailServer() as server:
        gone = "database: postgresql://nobody@127.0.0.1:9/nowhere\n"
        host = hosts(mailing(tmp_path, server, more=gone))
        host.see(after(minutes=3), DATABASE, trouble())
    assert subjects(server.mails) == ["ERROR: The database can't be used"]

from __future__ import annotations

from collections.abc import Iterable

from bridge.alerts.deciding import Memory, Notice, due, look, settle
from bridge.config.alerts import Alert
from bridge.troubles import Severity, Trouble
from tests.alerts.case import after, trouble

WARNING = trouble("line:912345678", Severity.WARNING)


def rule(**keys: object) -> Alert:
    return Alert.model_validate({"email": ["ana@example.com"], **keys})


class Play:
    """A channel that always goes through, look by look."""

    def __init__(self, rule: Alert) -> None:
        self.rule = rule
        self.told: Memory = {}

    def see(self, now: float, *found: Trouble, visible: bool = True) -> list[tuple[str, str]]:
        by_id = {one.id: one for one in found}
        self.told = look(self.told, by_id, now, lambda _: visible)
        notices = due(self.rule, self.told, by_id, now)
        self.told = settle(self.rule, self.told, notices, now)
        return said(notices)


def said(notices: Iterable[Notice]) -> list[tuple[str, str]]:
    return [(one.why.value, one.trouble.id) for one in notices]


def test_a_trouble_is_told_once_it_has_lasted() -> None:
    play = Play(rule(after="3m"))
    assert play.see(after(seconds=179), trouble()) == []
    assert play.see(after(minutes=3), trouble()) == [("new", "crm:shop")]
    assert play.see(after(minutes=4), trouble()) == []


def test_one_that_ends_before_that_is_never_told() -> None:
    play = Play(rule(after="3m"))
    assert play.see(after(minutes=2), trouble()) == []
    assert play.see(after(minutes=10)) == []


def test_severity_is_a_threshold() -> None:
    assert Play(rule()).see(after(hours=1), WARNING) == []
    assert Play(rule(severity="warning")).see(after(hours=1), WARNING, trouble()) == [
        ("new", WARNING.id),
        ("new", "crm:shop"),
    ]


def test_a_growing_count_tells_nothing_before_the_reminder() -> None:
    play = Play(rule(after="0s", remind="4h"))
    play.see(after(minutes=1), trouble(count=1))
    for minutes in range(2, 240):
        assert play.see(after(minutes=minutes), trouble(count=minutes)) == []
    assert play.see(after(minutes=241), trouble(count=300)) == [("again", "crm:shop")]
    assert play.see(after(minutes=480), trouble(count=301)) == []
    assert play.see(after(minutes=481), trouble(count=301)) == [("again", "crm:shop")]


def test_without_reminders_there_are_none() -> None:
    play = Play(rule(after="0s", remind="none"))
    play.see(after(minutes=1), trouble())
    assert play.see(after(days=30), trouble()) == []


def test_a_warning_that_becomes_an_error_is_told_again() -> None:
    play = Play(rule(after="3m", severity="warning"))
    mild = trouble(severity=Severity.WARNING)
    assert play.see(after(minutes=3), mild) == [("new", "crm:shop")]
    assert play.see(after(minutes=4), trouble()) == [("new", "crm:shop")]
    assert play.see(after(minutes=5), mild) == []
    assert play.see(after(minutes=6), trouble()) == []


def test_its_end_is_told_once_when_it_stays_away() -> None:
    play = Play(rule(after="0s"))
    play.see(after(minutes=1), trouble())
    assert play.see(after(minutes=2)) == []
    assert play.see(after(minutes=2, seconds=10), trouble()) == []  # a restart hid it for a moment
    assert play.see(after(minutes=3)) == []
    assert play.see(after(minutes=4)) == [("resolved", "crm:shop")]
    assert play.see(after(minutes=5)) == []
    assert play.see(after(minutes=6), trouble(since=trouble().since)) == [("new", "crm:shop")]


def test_an_end_that_is_not_to_be_told_is_forgotten() -> None:
    play = Play(rule(after="0s", resolved=False))
    play.see(after(minutes=1), trouble())
    play.see(after(minutes=2))
    assert play.see(after(minutes=3)) == []
    assert play.told == {}


def test_what_can_not_be_seen_is_not_over() -> None:
    play = Play(rule(after="0s"))
    play.see(after(minutes=1), trouble())
    for minutes in range(2, 30):
        assert play.see(after(minutes=minutes), visible=False) == []
    assert play.see(after(minutes=30), trouble()) == []


def test_what_could_not_be_told_is_told_later() -> None:
    told = settle(rule(), {}, [], after(minutes=3))
    assert said(due(rule(), told, {"crm:shop": trouble()}, after(minutes=4))) == [("new", "crm:shop")]

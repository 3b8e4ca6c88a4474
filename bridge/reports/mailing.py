"""Sends the report of each month or week that is over, once, whichever process of however many hosts does it."""

from __future__ import annotations

import hashlib
import logging
import socket
from collections.abc import Callable
from datetime import date, datetime, timedelta
from email.message import EmailMessage

from bridge.alerts import mail
from bridge.config.alerts import ReportRule, Smtp
from bridge.config.load import Loaded
from bridge.reports import making, sheets
from bridge.reports.cells import CallReport, shown
from bridge.reports.period import Period, month_of, today_in, week_of
from bridge.runtime.repeating import RepeatedWork
from bridge.store import callfigures
from bridge.store.database import Database
from bridge.store.sharednotes import SharedNotes
from bridge.texts import Language, Text, said
from bridge.troubles import Severity, Troubles

_log = logging.getLogger("bridge.reports")
_LATE = timedelta(hours=6)
"""After the end of a period: by then, the calls of its last evening are over, and have told so."""
_LATEST = timedelta(days=1)
"""After that, it is sent although calls of the past are still being added up."""
_EVERY = 60.0
_FIRST_PAUSE, _LONGEST_PAUSE = timedelta(minutes=1), timedelta(hours=1)
_LEASE = 120.0
"""Seconds, and those that a mail may take, after which who never came back is waited for no longer."""
_DAY = timedelta(days=1)
_SENT = "sent"
"""The note of the last day of what was sent."""
KIND = "alerts"
"""Of the trouble that one can't be sent."""


class ReportMailer(RepeatedWork):
    """Looks every minute whether there is something to send: `start`, then `stop`. `loaded` gives the newest
    configuration; `clock` the time, aware."""

    def __init__(
        self, database: Database, loaded: Callable[[], Loaded], troubles: Troubles, clock: Callable[[], datetime]
    ) -> None:
        super().__init__(_log, "mailing", first=_EVERY, every=_EVERY)
        self._database, self._loaded, self._troubles, self._clock = database, loaded, troubles, clock
        self._notes = SharedNotes(database, "report")
        self._failures: dict[str, int] = {}
        self._not_before: dict[str, datetime] = {}
        self._reported: dict[str, str] = {}
        """What is told as a trouble, by the rule's key."""

    def work(self) -> None:
        """Send what is due. A mail that `stop` leaves behind is sent again by whoever looks next."""
        loaded, now = self._loaded(), self._clock()
        smtp = loaded.configuration.smtp
        rules = {_key(rule): rule for rule in loaded.configuration.reports}
        for key in self._reported.keys() - rules.keys():
            self._settled(key)
        for key, rule in rules.items():
            if smtp is not None and now >= self._not_before.get(key, now):
                self._see(rule, smtp, key, loaded, now)

    def _see(self, rule: ReportRule, smtp: Smtp, key: str, loaded: Loaded, now: datetime) -> None:
        zone = loaded.configuration.lines[0].timezone
        period = _next(rule, self._notes.read(key).get(_SENT))
        if period is not None and not self._due(period, zone, now):
            if self._failures.get(key):  # another host has sent it since
                self._settled(key)
            return
        note = self._notes.claim(key, now.timestamp(), _LEASE + float(smtp.timeout))
        if note is None:
            return
        sent = note.get(_SENT)
        period = _next(rule, sent)
        if period is None:  # the first look: what is over already was of nobody's interest
            current = _period(rule, today_in(zone, now))
            sent = (current.first - _DAY).isoformat()
        elif self._due(period, zone, now) and self._sent(rule, smtp, key, loaded, period):
            sent = period.last.isoformat()
        self._notes.write(key, {_SENT: sent})

    def _due(self, period: Period, zone: str, now: datetime) -> bool:
        late = now - period.until(zone)
        if late < _LATE:
            return False
        with self._database.read() as connection:
            return late >= _LATEST or not callfigures.left_to_count(connection, 1)

    def _sent(self, rule: ReportRule, smtp: Smtp, key: str, loaded: Loaded, period: Period) -> bool:
        """Whether it was sent, to some of them at least."""
        who, subject = ", ".join(rule.email), f"report {rule.email[0]}"
        try:
            missed = send(self._database, loaded, rule, smtp, period, self._clock())
        except mail.NotSent as error:
            failures = self._failures[key] = self._failures.get(key, 0) + 1
            pause = min(_FIRST_PAUSE * 2 ** (failures - 1), _LONGEST_PAUSE)
            self._not_before[key] = self._clock() + pause
            text = Text("The report of {period} can't be sent to {who}: {why}", period=period.title, who=who,
                        why=said(error))  # fmt: skip
            self._report(key, subject, Severity.ERROR, text)
            return False
        self._failures.pop(key, None)
        _log.info("the report of %s was sent to %d", period.title, len(rule.email))
        if missed:
            text = Text("Some did not get the report of {period}: {missed}", period=period.title, missed=missed)
            self._report(key, subject, Severity.WARNING, text)
        else:
            self._settled(key)
        return True

    def _settled(self, key: str) -> None:
        """Nobody has to see to what was told of this rule."""
        self._failures.pop(key, None)
        self._not_before.pop(key, None)
        subject = self._reported.pop(key, None)
        if subject is not None and subject not in self._reported.values():
            self._troubles.clear(KIND, subject)

    def _report(self, key: str, subject: str, severity: Severity, text: Text) -> None:
        self._reported[key] = subject
        action = Text("Mend what the text names; `infocaller-bridge report --send` tries it")
        self._troubles.report(KIND, subject, severity=severity, text=text, action=action)


def send(database: Database, loaded: Loaded, rule: ReportRule, smtp: Smtp, period: Period, now: datetime) -> str:
    """Make the report of a period and send it to those of a rule. Returns nothing, or who did not get it though others
    did. Raises `bridge.alerts.mail.NotSent` and `StoreUnavailable`."""
    configuration = loaded.configuration
    report = making.make(database, configuration, period, now)
    return mail.send(message(report, loaded, smtp.from_, rule), smtp, rule.email, loaded.folder)


def message(report: CallReport, loaded: Loaded, sender: str, rule: ReportRule) -> EmailMessage:
    """Return the mail: the most important figures as text, all of them as a workbook."""
    language: Language = loaded.configuration.language
    subject = Text("[infocaller-bridge] Calls of {period}", period=report.period.title).render(language)
    made = mail.letter(subject, "\n".join(_lines(report, loaded, language)), sender, rule.email)
    main, _, sub = sheets.MIME.partition("/")
    made.add_attachment(
        sheets.workbook(report, language), maintype=main, subtype=sub, filename=f"{sheets.file_name(report)}.xlsx"
    )
    return made


def _lines(report: CallReport, loaded: Loaded, language: Language) -> list[str]:
    lines = [note.render(language) for note in report.notes]
    for name in ("summary", "speed", "costs"):
        table = report.table(name)
        title = table.title.render(language)
        lines += ["", title, "=" * len(title)]
        for row in [*table.rows, *([table.total] if table.total else [])]:
            words = [
                f"{column.title.render(language)} {shown(value, column.kind, language)}"
                for value, column in zip(row, table.columns, strict=True)
                if value is not None
            ][1:]
            lines.append(f"{shown(row[0], table.columns[0].kind, language)}: {', '.join(words)}")
        if table.note is not None:
            lines.append(table.note.render(language))
    sent_by = Text(
        "Sent by infocaller-bridge on {host}. Who gets this: reports: in {path}",
        host=socket.gethostname(), path=loaded.path.absolute(),
    )  # fmt: skip
    return [*lines, "", sent_by.render(language)]


def _key(rule: ReportRule) -> str:
    return hashlib.sha256(f"{rule.every} {','.join(sorted(rule.email))}".encode()).hexdigest()[:24]


def _period(rule: ReportRule, day: date) -> Period:
    return month_of(day) if rule.every == "month" else week_of(day)


def _next(rule: ReportRule, sent: str | None) -> Period | None:
    """What comes after the last that was sent."""
    return None if sent is None else _period(rule, date.fromisoformat(sent) + _DAY)

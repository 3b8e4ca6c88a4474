"""Notices as people and programs read them: a mail, or JSON. No secret and no whole number of a caller comes out."""

from __future__ import annotations

import re
import socket
from collections.abc import Sequence
from email.message import EmailMessage
from typing import Any
from zoneinfo import ZoneInfo

from bridge.alerts.deciding import Notice, Why
from bridge.alerts.mail import letter
from bridge.config.load import Loaded
from bridge.config.model import Configuration
from bridge.runtime import log
from bridge.texts import Plural, Text
from bridge.troubles import SEVERITIES, Severity

_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2066-\u2069\ufeff]+")
_SUBJECT = 120
_WHY = {Why.NEW: Text("New"), Why.AGAIN: Text("Still there"), Why.RESOLVED: Text("Resolved")}


class Wording:
    """Says notices by a configuration: in its language, on its first line's clock, its secrets hidden."""

    def __init__(self, loaded: Loaded) -> None:
        configuration: Configuration = loaded.configuration
        self._language = configuration.language
        self._zone = ZoneInfo(configuration.lines[0].timezone)
        self._path = loaded.path.absolute()
        self._console = configuration.console_address
        self._hidden = log.Formatter()
        self._hidden.hide(log.secrets_in(configuration))
        own = "|".join(re.escape(line.number) for line in configuration.lines)
        self._own = re.compile(rf"(?<!\d)({own})(?!\d)")

    def safe(self, text: str) -> str:
        """Return the text in one line, without secrets and without whole numbers but those of the lines themselves."""
        pieces = self._own.split(_CONTROL.sub(" ", text))
        return "".join(piece if at % 2 else self._hidden.masked(piece) for at, piece in enumerate(pieces)).strip()

    def mail(self, notices: Sequence[Notice], sender: str, recipients: Sequence[str]) -> EmailMessage:
        """Return one mail about all of these."""
        return letter(self._subject(notices), "\n".join(self._lines(notices)), sender, recipients)

    def hook(self, notice: Notice) -> dict[str, Any]:
        """Return what a webhook gets."""
        trouble = notice.trouble
        address = {"url": self._console} if self._console else {}
        return address | {
            "id": self.safe(trouble.id),
            "severity": trouble.severity.value,
            "since": trouble.since.astimezone(self._zone).isoformat(timespec="seconds"),
            "count": trouble.count,
            "text": self._shown(trouble.text),
            "action": self._shown(trouble.action),
            "resolved": notice.why is Why.RESOLVED,
        }

    def _shown(self, text: Text) -> str:
        return self.safe(text.render(self._language))

    def _subject(self, notices: Sequence[Notice]) -> str:
        worst = min(notices, key=_rank)
        text = worst.trouble.text
        if len(notices) > 1:
            text = Plural("{count:,} trouble: {text}", "{count:,} troubles: {text}", len(notices), text=text)
        kind = SEVERITIES[worst.trouble.severity] if worst.why is Why.NEW else _WHY[worst.why]
        whole = f"[infocaller-bridge] {self._shown(kind)}: {self._shown(text)}"
        return whole if len(whole) <= _SUBJECT else f"{whole[: _SUBJECT - 1]}…"

    def _lines(self, notices: Sequence[Notice]) -> list[str]:
        lines: list[str] = []
        for why in Why:
            same = sorted((notice for notice in notices if notice.why is why), key=_rank)
            if same:
                title = self._shown(_WHY[why])
                lines += [title, "=" * len(title), ""]
            for notice in same:
                lines += [*self._about(notice), ""]
        status = Text("All that needs you now: infocaller-bridge status --config {path}", path=self._path)
        sent_by = Text(
            "Sent by infocaller-bridge on {host}. Who gets this: alerts: in {path}",
            host=socket.gethostname(), path=self._path,
        )  # fmt: skip
        if self._console:
            status = Text("All that needs you now, and what to do: {url}", url=self._console)
        return [*lines, status.render(self._language), sent_by.render(self._language)]

    def _about(self, notice: Notice) -> list[str]:
        trouble, over = notice.trouble, notice.why is Why.RESOLVED
        severity = SEVERITIES[trouble.severity]
        since = Text("since {when:%Y-%m-%d %H:%M}", when=trouble.since.astimezone(self._zone))
        facts: list[Text] = [Text("it was {severity}", severity=severity) if over else severity, since]
        if trouble.count > 1:
            facts.append(Plural("{count:,} time", "{count:,} times", trouble.count))
        head = f"{self.safe(trouble.id)} ({', '.join(fact.render(self._language) for fact in facts)})"
        return [head, f"  {self._shown(trouble.text)}", *([] if over else [f"  → {self._shown(trouble.action)}"])]


def _rank(notice: Notice) -> tuple[int, bool]:
    return list(Why).index(notice.why), notice.trouble.severity is not Severity.ERROR

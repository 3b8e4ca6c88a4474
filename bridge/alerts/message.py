"""Notices as people and programs read them: a mail, or JSON. No secret and no whole number of a caller comes out."""

from __future__ import annotations

import re
import socket
from collections.abc import Sequence
from dataclasses import replace
from email.message import EmailMessage
from email.utils import formatdate, make_msgid
from typing import Any
from zoneinfo import ZoneInfo

from bridge.alerts.deciding import Notice, Why
from bridge.config.load import Loaded
from bridge.config.model import Configuration
from bridge.runtime import log
from bridge.troubles import Severity, Trouble

_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2066-\u2069\ufeff]+")
_SUBJECT = 120
_NAMES: dict[str, dict[object, str]] = {
    "en": {
        Why.NEW: "New",
        Why.AGAIN: "Still there",
        Why.RESOLVED: "Resolved",
        Severity.ERROR: "ERROR",
        Severity.WARNING: "WARNING",
        "several": "{} troubles: {}",
        "since": "since {}",
        "times": "{} times",
        "was": "it was",
        "status": "All that needs you now: infocaller-bridge status --config {}",
        "from": "Sent by infocaller-bridge on {}. Who gets this: alerts: in {}",
    },
    "es": {
        Why.NEW: "Nuevo",
        Why.AGAIN: "Continúa",
        Why.RESOLVED: "Resuelto",
        Severity.ERROR: "ERROR",
        Severity.WARNING: "AVISO",
        "several": "{} problemas: {}",
        "since": "desde {}",
        "times": "{} veces",
        "was": "era",
        "status": "Todo lo que requiere su atención: infocaller-bridge status --config {}",
        "from": "Enviado por infocaller-bridge en {}. Quién lo recibe: alerts: en {}",
    },
}


class Wording:
    """Says notices by a configuration: in its language, on its first line's clock, its secrets hidden."""

    def __init__(self, loaded: Loaded) -> None:
        configuration: Configuration = loaded.configuration
        self._names = _NAMES[configuration.language]
        self._zone = ZoneInfo(configuration.lines[0].timezone)
        self._path = loaded.path.absolute()
        self._hidden = log.Formatter()
        self._hidden.hide(log.secrets_in(configuration))
        own = "|".join(re.escape(line.number) for line in configuration.lines)
        self._own = re.compile(rf"(?<!\d)({own})(?!\d)")

    def safe(self, text: str) -> str:
        """The text in one line, without secrets and without whole numbers but those of the lines themselves."""
        pieces = self._own.split(_CONTROL.sub(" ", text))
        return "".join(piece if at % 2 else self._hidden.masked(piece) for at, piece in enumerate(pieces)).strip()

    def mail(self, notices: Sequence[Notice], sender: str, recipients: Sequence[str]) -> EmailMessage:
        """One mail about all of them."""
        message = EmailMessage()
        message["Subject"] = self._subject(notices)
        message["From"] = sender
        message["To"] = ", ".join(recipients)
        message["Date"] = formatdate()
        message["Message-ID"] = make_msgid(domain=sender.rpartition("@")[2])
        message["Auto-Submitted"] = "auto-generated"
        message.set_content("\n".join(self._lines(notices)), cte="quoted-printable")
        return message

    def hook(self, notice: Notice) -> dict[str, Any]:
        """What a webhook gets."""
        trouble = self._safe(notice.trouble)
        return {
            "id": trouble.id,
            "severity": trouble.severity.value,
            "since": trouble.since.astimezone(self._zone).isoformat(timespec="seconds"),
            "count": trouble.count,
            "text": trouble.text,
            "action": trouble.action,
            "resolved": notice.why is Why.RESOLVED,
        }

    def _safe(self, trouble: Trouble) -> Trouble:
        safe = self.safe
        return replace(trouble, id=safe(trouble.id), text=safe(trouble.text), action=safe(trouble.action))

    def _subject(self, notices: Sequence[Notice]) -> str:
        worst = min(notices, key=_rank)
        text = self.safe(worst.trouble.text)
        if len(notices) > 1:
            text = self._names["several"].format(len(notices), text)
        kind = worst.trouble.severity if worst.why is Why.NEW else worst.why
        whole = f"[infocaller-bridge] {self._names[kind]}: {text}"
        return whole if len(whole) <= _SUBJECT else f"{whole[: _SUBJECT - 1]}…"

    def _lines(self, notices: Sequence[Notice]) -> list[str]:
        lines: list[str] = []
        for why in Why:
            same = sorted((one for one in notices if one.why is why), key=_rank)
            if same:
                lines += [self._names[why], "=" * len(self._names[why]), ""]
            for notice in same:
                lines += [*self._about(notice), ""]
        status = self._names["status"].format(self._path)
        return [*lines, status, self._names["from"].format(socket.gethostname(), self._path)]

    def _about(self, notice: Notice) -> list[str]:
        trouble, names = self._safe(notice.trouble), self._names
        since = names["since"].format(f"{trouble.since.astimezone(self._zone):%Y-%m-%d %H:%M}")
        often = f", {names['times'].format(trouble.count)}" if trouble.count > 1 else ""
        over = notice.why is Why.RESOLVED
        severity = f"{names['was']} {names[trouble.severity]}" if over else names[trouble.severity]
        head = f"{trouble.id} ({severity}, {since}{often})"
        return [head, f"  {trouble.text}", *([] if over else [f"  → {trouble.action}"])]


def _rank(notice: Notice) -> tuple[int, bool]:
    return list(Why).index(notice.why), notice.trouble.severity is not Severity.ERROR

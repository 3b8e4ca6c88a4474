"""Configurations with alerts, and troubles to tell."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

from bridge.config.load import Loaded
from bridge.texts import literal
from bridge.troubles import Severity, Trouble
from tests.config.files import LINES, loaded

START = datetime(2026, 11, 23, 11, 0, tzinfo=UTC)
"""12:00 in Madrid."""


def configured(folder: Path, alerts: str, *, smtp: str = "", more: str = "language: en\n") -> Loaded:
    text = f"{LINES}{more}alerts: {alerts}\n"
    return loaded(folder, f"{text}smtp: {smtp}\n" if smtp else text)


def trouble(
    id_: str = "crm:shop",
    severity: Severity = Severity.ERROR,
    since: datetime = START,
    text: str = "The shop is away",
    action: str = "Start it",
    count: int = 1,
) -> Trouble:
    return Trouble(id_, severity, since, count, literal(text), literal(action))


def after(**what: float) -> float:
    """So long after `START`, Unix time."""
    return (START + timedelta(**what)).timestamp()

"""What follows from what the platform says to an emission request: one table (manual, API de Emisión III)."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import NamedTuple

from bridge.texts import Text


class Consequence(StrEnum):
    """What follows from one emission request; `bridge.callbacks.settling` says what becomes of the callback."""

    ACCEPTED = "accepted"
    """The platform calls; wait for the call's events."""
    TRY_AGAIN = "try_again"
    """The platform failed and says so: the same task again, backing off."""
    NEXT_WINDOW = "next_window"
    """The rules let no call through now: not before the next calling window, three windows at most."""
    PAUSE_LINE = "pause_line"
    """The account's state, not this task's: the line's emissions pause and probe, an alert goes out."""
    STOP_LINE = "stop_line"
    """A fault of configuration: the line's emissions stop until a person resumes them or the configuration changes."""
    PAUSE_SOURCE = "pause_source"
    """One wrong value of the configuration: the source pauses and keeps its tasks, an alert goes out."""
    REJECT = "reject"
    """This request never works: tell the CRM why."""
    MAY_HAVE_RUNG = "may_have_rung"
    """It can't be known whether the phone rings: never again without a person's or the configuration's say."""
    NOT_SENT = "not_sent"
    """It is certain that no byte of the request left: the same task again, backing off."""


class Meaning(NamedTuple):
    """A Resultado: what it means, in Spanish the manual's ResultadoTexto, and what follows."""

    words: Text
    consequence: Consequence


RESULTS: Mapping[int, Meaning] = {
    0: Meaning(Text("accepted"), Consequence.ACCEPTED),
    -1: Meaning(Text("wrong identification"), Consequence.STOP_LINE),
    -2: Meaning(Text("no identification"), Consequence.STOP_LINE),
    -3: Meaning(Text("wrong XML format"), Consequence.STOP_LINE),
    -99: Meaning(Text("the XML parameter is missing"), Consequence.STOP_LINE),
    -100: Meaning(Text("internal error"), Consequence.TRY_AGAIN),
    1: Meaning(Text("wrong signature"), Consequence.STOP_LINE),
    2: Meaning(Text("no such line"), Consequence.STOP_LINE),
    3: Meaning(Text("the line is switched off"), Consequence.PAUSE_LINE),
    4: Meaning(Text("wrong date or time"), Consequence.REJECT),
    5: Meaning(Text("wrong telephone number"), Consequence.REJECT),
    6: Meaning(Text("wrong EsperaMax"), Consequence.PAUSE_SOURCE),
    7: Meaning(Text("wrong Reintentos"), Consequence.PAUSE_SOURCE),
    8: Meaning(Text("no such rule group"), Consequence.PAUSE_SOURCE),
    9: Meaning(Text("a rule ends the call"), Consequence.NEXT_WINDOW),
    10: Meaning(Text("the line is suspended"), Consequence.PAUSE_LINE),
    11: Meaning(Text("not enough balance"), Consequence.PAUSE_LINE),
    12: Meaning(Text("over the credit limit"), Consequence.PAUSE_LINE),
    13: Meaning(Text("no rule is valid now"), Consequence.NEXT_WINDOW),
    14: Meaning(
        Text("too many emissions: the platform's support has to lift it"),
        Consequence.PAUSE_LINE,
    ),
}
"""Every Resultado of the manual. 6 and 7 are `REJECT` where the value was the task's own; any other code is too."""

"""What follows from what the platform says to an emission request: one table (manual, API de Emisión III)."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import NamedTuple


class Consequence(StrEnum):
    """What follows from one emission request. Only what stands in `SENT_AGAIN` may ever go out once more."""

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


SENT_AGAIN = frozenset(
    {
        Consequence.TRY_AGAIN,
        Consequence.NEXT_WINDOW,
        Consequence.PAUSE_LINE,
        Consequence.STOP_LINE,
        Consequence.PAUSE_SOURCE,
        Consequence.NOT_SENT,
    }
)
"""After these the task waits and is sent again by itself: nobody was rung."""


class Meaning(NamedTuple):
    """A Resultado: the manual's ResultadoTexto, the same in English, and what follows."""

    text: str
    english: str
    consequence: Consequence


RESULTS: Mapping[int, Meaning] = {
    0: Meaning("Aceptada", "accepted", Consequence.ACCEPTED),
    -1: Meaning("Identificación no correcta", "wrong identification", Consequence.STOP_LINE),
    -2: Meaning("Identificación no indicada", "no identification", Consequence.STOP_LINE),
    -3: Meaning("Formato XML no correcto", "wrong XML format", Consequence.STOP_LINE),
    -99: Meaning("No se recibe el parámetro XML", "the XML parameter is missing", Consequence.STOP_LINE),
    -100: Meaning("Error interno", "internal error", Consequence.TRY_AGAIN),
    1: Meaning("Firma no correcta", "wrong signature", Consequence.STOP_LINE),
    2: Meaning("Línea infocaller no válida", "no such line", Consequence.STOP_LINE),
    3: Meaning("Línea infocaller apagada", "the line is switched off", Consequence.PAUSE_LINE),
    4: Meaning("Fecha/Hora no válida", "wrong date or time", Consequence.REJECT),
    5: Meaning("Teléfono no válido", "wrong telephone number", Consequence.REJECT),
    6: Meaning("Valor Esperamax no válido", "wrong EsperaMax", Consequence.PAUSE_SOURCE),
    7: Meaning("Valor reintentos no válido", "wrong Reintentos", Consequence.PAUSE_SOURCE),
    8: Meaning("Grupo de reglas no existe o no es válido", "no such rule group", Consequence.PAUSE_SOURCE),
    9: Meaning("Regla de fin de llamada", "a rule ends the call", Consequence.NEXT_WINDOW),
    10: Meaning("Línea suspendida", "the line is suspended", Consequence.PAUSE_LINE),
    11: Meaning("Saldo insuficiente", "not enough balance", Consequence.PAUSE_LINE),
    12: Meaning("Límite de crédito excedido", "over the credit limit", Consequence.PAUSE_LINE),
    13: Meaning("Ninguna regla válida en el grupo de reglas", "no rule is valid now", Consequence.NEXT_WINDOW),
    14: Meaning(
        "Excedido número máximo de emisión de llamadas. Contactar con Atención al Cliente.",
        "too many emissions: the platform's support has to lift it",
        Consequence.PAUSE_LINE,
    ),
}
"""Every Resultado of the manual. 6 and 7 are `REJECT` where the value was the task's own; any other code is too."""

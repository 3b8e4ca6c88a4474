"""A call as an admin reads it in the CRM, in both languages."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from bridge.calls.text import note, subject
from bridge.texts import Language
from connectors.base import Record
from connectors.phone import parse
from tests.calls.test_calls import MADRID, WHOLE, folded
from tests.fakes.exchange import LINE, STARTED, arrival, document, entry, final

ANA = Record("crm", "contact", "1", {"name": "Ana Ñuño"}, ())
EVERYTHING = (
    entry(14, "Inicio", after=0),
    entry(6, "Menú principal", "2", after=3),
    entry(4, "PEDIDO", "00077", after=8),
    entry(2, "101", "", "", "0", "0", after=20),
    entry(2, "911000001", "", "", "40", "0,0345", after=30),
    entry(16, "Cola ventas", after=31),
    entry(17, "PEDIDO", "0", after=32),
    entry(17, "CITA", "1", after=33),
    entry(12, "Aviso", "", "", "", "0,09", after=34),
    entry(3, "Buzón", after=36),
    entry(99, "rareza", after=37),
    entry(7, "Fin de llamada", "", "", "", "0,05", after=75),
)


def written(*arrivals: Any, contact: Record | None = None, language: Language = "es") -> str:
    call = folded(*arrivals)
    call = replace(call, incomplete=not call.over)
    return note(parse(call.caller, "ES"), contact, call, MADRID, language)


def lines(text: str) -> str:
    return "\n".join(line.strip() for line in text.strip().splitlines())


COMPLETE = (WHOLE[1], WHOLE[2], arrival("fin", final(variables={"PEDIDO": "00077", "PIN": ""}, status=EVERYTHING)))


def test_a_whole_call_in_spanish() -> None:
    assert written(*COMPLETE, contact=ANA) == lines("""
        Llamada recibida de Ana Ñuño (+34 600 11 12 22), a 912345678
        02/03/2026 12:58:45, 1 min 15 s, atendida en 911000001, coste 0,0465 €
        12:58:45 Inicio y reglas: Inicio
        12:58:48 Menú: Menú principal, opción 2
        12:58:53 Dato marcado: PEDIDO = 00077
        12:59:05 Llamada: 101, sin contestar
        12:59:15 Llamada: 911000001, 40 s, 0,0345 €
        12:59:16 Cola de espera: Cola ventas
        12:59:17 Consulta: PEDIDO, correcta
        12:59:18 Consulta: CITA, con error
        12:59:19 SMS enviado: Aviso, 0,09 €
        12:59:21 Contestador: Buzón
        12:59:22 Acción 99: rareza
        13:00:00 Fin de llamada: aviso por SMS 0,05 €
        Variables: PEDIDO = 00077
    """)


def test_a_whole_call_in_english() -> None:
    assert written(*COMPLETE, contact=ANA, language="en") == lines("""
        Call received from Ana Ñuño (+34 600 11 12 22), to 912345678
        2026-03-02 12:58:45, 1 min 15 s, answered at 911000001, cost €0.0465
        12:58:45 Start and rules: Inicio
        12:58:48 Menu: Menú principal, option 2
        12:58:53 Keyed in: PEDIDO = 00077
        12:59:05 Call: 101, not answered
        12:59:15 Call: 911000001, 40 s, €0.0345
        12:59:16 Queue: Cola ventas
        12:59:17 Query: PEDIDO, went well
        12:59:18 Query: CITA, went wrong
        12:59:19 SMS sent: Aviso, €0.09
        12:59:21 Voicemail: Buzón
        12:59:22 Action 99: rareza
        13:00:00 End of the call: Fin de llamada, SMS notice €0.05
        Variables: PEDIDO = 00077
    """)


def test_a_call_whose_end_was_never_heard() -> None:
    assert written(*WHOLE[:3]) == lines("""
        Llamada recibida de +34 600 11 12 22, a 912345678
        02/03/2026 13:00:00, atendida en +34 911 000 001, el final no se recibió
        13:00:00 Desvío fallido: 101
        13:00:00 Desvío contestado: +34 911 000 001
        Variables: PEDIDO = 00077
    """)


def test_a_hidden_caller() -> None:
    assert written(arrival("inicio", document(caller_number="X")), language="en") == lines("""
        Call received from hidden number, to 912345678
        2026-03-02 13:00:00, its end was never heard
    """)


def test_an_emitted_call_that_nobody_answered() -> None:
    said = final(
        call_type="E", caller_number=LINE, outbound_number="600222333", seconds=0, end=STARTED, cost_rx=None,
        cost_tx=Decimal(0),
    )  # fmt: skip
    assert written(arrival("fin", said)) == lines("""
        Llamada emitida a +34 600 22 23 33, de 912345678
        02/03/2026 12:58:45, 0 s, sin contestar, coste 0,00 €
    """)


def test_variables_that_are_all_empty_are_no_line() -> None:
    assert "Variables" not in written(arrival("inicio", document(variables={"PIN": ""})))


def test_a_diversion_without_its_number_is_a_line() -> None:
    assert written(arrival("desvio_fallido", document())).endswith("13:00:00 Desvío fallido")


@pytest.mark.parametrize(
    ("caller", "contact", "language", "expected"),
    [
        ("600111222", ANA, "es", "Llamada recibida de Ana Ñuño"),
        ("600111222", Record("crm", "contact", "1", {}), "es", "Llamada recibida de +34 600 11 12 22"),
        ("X", None, "es", "Llamada recibida de número oculto"),
        ("anonymous", None, "en", "Call received from unknown number"),
    ],
)
def test_the_subject_says_with_whom(caller: str, contact: Record | None, language: Language, expected: str) -> None:
    call = folded(arrival("inicio", document(caller_number=caller)))
    assert subject(parse(caller, "ES"), contact, call, language) == expected

"""Documents to test with, and hypothesis strategies for them."""

from __future__ import annotations

import json
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

from hypothesis import strategies as st

from bridge.infocaller.messages import Document, Format, StatusEvent

SAMPLES = Path(__file__).parent / "samples"
NAMES = st.text("ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789", min_size=1, max_size=15)
PLATFORM_TEXT = st.text(st.characters(codec="iso-8859-1", exclude_categories=["Cc"]), max_size=30)
WORDS = PLATFORM_TEXT.map(str.strip)
DATES = st.datetimes(datetime(1970, 1, 1), datetime(2999, 12, 31)).map(lambda value: value.replace(microsecond=0))
AMOUNTS = st.decimals(0, 10**11, allow_nan=False, allow_infinity=False, places=6)
EVENTS = st.builds(
    StatusEvent, st.integers(0, 10**6), DATES, WORDS, st.tuples(WORDS, WORDS, WORDS, WORDS, WORDS)
)  # fmt: skip


def documents(form: Format) -> st.SearchStrategy[Document]:
    return st.builds(
        Document,
        format=st.just(form),
        line_number=WORDS,
        call_sequence=WORDS.filter(bool),
        line_number_int=WORDS,
        call_type=st.sampled_from(["R", "E", ""]),
        caller_number=WORDS,
        caller_number_int=WORDS,
        inbound_number=WORDS,
        inbound_number_int=WORDS,
        outbound_number=WORDS,
        outbound_number_int=WORDS,
        idcall=WORDS,
        query_name=WORDS,
        variables=st.dictionaries(NAMES, PLATFORM_TEXT, max_size=5),
        seconds=st.none() | st.integers(0, 10**6),
        start=st.none() | DATES,
        end=st.none() | DATES,
        cost_rx=st.none() | AMOUNTS,
        cost_tx=st.none() | AMOUNTS,
        status=st.lists(EVENTS, max_size=3).map(tuple),
    )


def as_json(user: Any = None, call: Any = None, **sections: Any) -> bytes:
    identified = {"LineNumber": "912345678", "CallSequence": "1"} if user is None else user
    return json.dumps({"ApiCall": {"UserID": identified, "Infocaller": call or {}, **sections}}).encode()


def as_xml(inner: str = "", user: str = "<LineNumber>912345678</LineNumber><CallSequence>1</CallSequence>") -> bytes:
    return f"<ApiCall><UserID>{user}</UserID>{inner}</ApiCall>".encode()


FIN = Document(
    format=Format.JSON,
    line_number="912345678",
    line_number_int="34912345678",
    call_sequence="98565656",
    call_type="R",
    caller_number="600111222",
    inbound_number="912345678",
    variables={"PEDIDO": "00077", "TARJETA": "4111111111111111", "NOMBRE": "Begoña & <Núñez>"},
    seconds=35,
    start=datetime(2026, 3, 29, 10, 0, 0),
    end=datetime(2026, 3, 29, 10, 0, 35),
    cost_rx=Decimal("0.120000"),
    cost_tx=Decimal("0.05"),
    status=(
        StatusEvent(14, datetime(2026, 3, 29, 10, 0, 0), "Inicio", ("", "", "", "", "")),
        StatusEvent(4, datetime(2026, 3, 29, 10, 0, 9), "Pedido", ("00077", "", "", "", "")),
        StatusEvent(4, datetime(2026, 3, 29, 10, 0, 15), "Tarjeta", ("4222222222222", "", "", "", "")),
        StatusEvent(4, datetime(2026, 3, 29, 10, 0, 20), "Tarjeta", ("4111111111111111", "", "", "", "")),
        StatusEvent(7, datetime(2026, 3, 29, 10, 0, 35), "Fin", ("", "", "", "0,06", "")),
    ),
)

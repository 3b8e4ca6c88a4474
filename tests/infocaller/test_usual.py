"""What is read in one go is what the careful reader reads; what differs in anything is left to that."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from bridge.errors import ProtocolError
from bridge.infocaller import json_document, usual
from bridge.infocaller.document import read_text, write_request
from bridge.infocaller.form import document_text
from bridge.infocaller.messages import Document, Format
from bridge.infocaller.reading import _document

USER = ["LineNumber", "LineNumberInt", "CallSequence", "Signature"]
CALL = ["CallType", "CallerNumber", "CallerNumberInt", "InboundNumber", "InboundNumberInt", "OutboundNumber",
        "OutboundNumberInt", "idcall", "QueryName"]  # fmt: skip
TEXT = st.text(max_size=6) | st.sampled_from(["", " ", "912345678", " 7 ", "ñ", "&amp;", "\u0000", "a\nb", '"', "\\"])
NUMBERS = st.integers() | st.floats()
ODD: st.SearchStrategy[Any] = st.none() | st.booleans() | NUMBERS | st.lists(TEXT, max_size=2) | st.just({})


def section(names: list[str]) -> st.SearchStrategy[dict[str, Any]]:
    """Most of the names, now and then in another case, of another kind, or a further one."""
    name = st.sampled_from(names) | st.sampled_from([*map(str.lower, names), "Another"])
    return st.dictionaries(name, TEXT | TEXT | TEXT | ODD, max_size=len(names))


VARIABLES = st.lists(st.fixed_dictionaries({"VarName": TEXT, "VarValue": TEXT}) | section(["VarName"]), max_size=3)
CALLS = st.fixed_dictionaries(
    {"UserID": st.fixed_dictionaries({"LineNumber": TEXT, "CallSequence": TEXT}, optional={"Signature": TEXT})
     | section(USER), "Infocaller": section(CALL)},
    optional={"CustVars": st.fixed_dictionaries({"CustVar": VARIABLES}) | ODD, "Status": ODD},
)  # fmt: skip


def carefully(text: str) -> Document | None:
    """What the careful reader reads."""
    try:
        tree, repairs = json_document.parse(text)
        return _document(Format.JSON, tree, repairs, text)
    except ProtocolError:
        return None


@given(CALLS, st.booleans())
def test_both_read_the_same(call: dict[str, Any], ascii_only: bool) -> None:
    text = json.dumps({"ApiCall": call}, ensure_ascii=ascii_only)
    quick = None if json_document.needs_mending(text) else usual.read(text)
    assert quick is None or quick == carefully(text)


@given(CALLS, st.data())
def test_a_broken_document_is_read_by_neither(call: dict[str, Any], data: st.DataObject) -> None:
    text = json.dumps({"ApiCall": call})
    at = data.draw(st.integers(0, len(text) - 1))
    broken = text[:at] + data.draw(st.sampled_from(["", "x", ",", "}", '"', "\x01"])) + text[at + 1 :]
    quick = None if json_document.needs_mending(broken) else usual.read(broken)
    assert quick is None or quick == carefully(broken)


def test_what_the_platform_sends_is_read_in_one_go() -> None:
    said = Document(
        Format.JSON, "912345678", "98565656", call_type="R", caller_number="600111222", inbound_number="912345678",
        query_name="DESVIO", variables={"PEDIDO": "00077", "NOMBRE": "Ana Ñuño"},
    )  # fmt: skip
    text = document_text(*write_request(said, Format.JSON, form_variable="apiInfocaller", password="3956"))
    quick = usual.read(text)
    assert quick is not None
    assert replace(quick, signature="", source="") == said
    assert quick == carefully(text)


@pytest.mark.parametrize(
    "more",
    [
        '"CallerNumber": 600111222',
        '"callernumber": "600111222"',
        '"CallSeconds": "7"',
        '"NewField": "x"',
        '"CallerNumber": null',
        '"CallerNumber": "a", "callernumber": "b"',
    ],
)
def test_what_is_not_as_usual_is_read_with_care(more: str) -> None:
    text = f'{{"ApiCall": {{"UserID": {{"LineNumber": "9", "CallSequence": "1"}}, "Infocaller": {{{more}}}}}}}'
    assert usual.read(text) is None
    assert read_text(text) == carefully(text)

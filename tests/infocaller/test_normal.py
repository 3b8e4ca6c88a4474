import json
from datetime import datetime
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from bridge.errors import ProtocolError
from bridge.infocaller import document
from bridge.infocaller.messages import Document, Format
from tests.infocaller.documents import FIN, SAMPLES, as_json, documents


@given(st.sampled_from(Format).flatmap(documents))
def test_a_document_comes_back_exactly_from_what_a_database_keeps(original: Document) -> None:
    kept = json.loads(json.dumps(document.normalised(original)))
    assert document.from_normalised(kept) == replace(original, signature="")


def test_amounts_and_dates_come_back_as_they_were() -> None:
    back = document.from_normalised(document.normalised(replace(FIN, extra={"new": "x"}, repairs=("r",))))
    assert str(back.cost_rx) == "0.120000"
    assert back.end == datetime(2026, 3, 29, 10, 0, 35)
    assert (back.extra, back.repairs) == ({"new": "x"}, ("r",))


def test_neither_signature_nor_source_is_kept() -> None:
    read = document.read(*document.write_request(FIN, Format.JSON, password="3956"))
    assert read.signature
    assert read.signature not in json.dumps(document.normalised(read))


def test_names_of_a_later_version_are_passed_over() -> None:
    assert document.from_normalised({**document.normalised(FIN), "later": 1}) == FIN


@pytest.mark.parametrize(
    "kept",
    [
        {},
        {"format": "yaml", "line_number": "1", "call_sequence": "1"},
        {**document.normalised(FIN), "cost_rx": "much"},
        {**document.normalised(FIN), "start": "soon"},
        {**document.normalised(FIN), "status": [{}]},
        {**document.normalised(FIN), "status": 1},
    ],
)
def test_what_is_no_kept_document_is_refused(kept: dict[str, object]) -> None:
    with pytest.raises(ProtocolError, match="no document"):
        document.from_normalised(kept)


def test_the_same_document_has_one_digest_in_every_format_charset_and_layout() -> None:
    digests = {
        document.digest(
            document.read(
                *document.write_request(FIN, form, charset=charset, form_variable=variable, password=password)
            )
        )
        for form in Format
        for charset in ("iso-8859-1", "utf-8")
        for variable in ("apiInfocaller", None)
        for password in ("3956", None)
    }
    plain = document.write_request(FIN, Format.JSON, charset="utf-8", form_variable=None)[0]
    indented = json.dumps(json.loads(plain), indent=4)
    assert digests == {document.digest(FIN), document.digest(document.read(indented.encode(), ""))}
    assert document.digest(document.from_normalised(document.normalised(FIN))) in digests


@pytest.mark.parametrize(
    "changed",
    [
        replace(FIN, line_number="1"),
        replace(FIN, call_sequence="1"),
        replace(FIN, caller_number="1"),
        replace(FIN, query_name="X"),
        replace(FIN, variables={**FIN.variables, "PEDIDO": "77"}),
        replace(FIN, variables={}),
        replace(FIN, seconds=0),
        replace(FIN, seconds=None),
        replace(FIN, end=datetime(2026, 3, 29, 10, 0, 36)),
        replace(FIN, cost_rx=Decimal("0.120001")),
        replace(FIN, status=FIN.status[1:]),
        replace(FIN, status=FIN.status[::-1]),
        replace(FIN, extra={"new": "x"}),
    ],
)
def test_any_other_content_has_another_digest(changed: Document) -> None:
    assert document.digest(changed) != document.digest(FIN)


def test_amounts_are_alike_by_value() -> None:
    assert document.digest(replace(FIN, cost_rx=Decimal("0.12"))) == document.digest(FIN)
    zeros = [Decimal("0"), Decimal("-0.0"), Decimal("0E-6")]
    assert len({document.digest(replace(FIN, cost_rx=zero)) for zero in zeros}) == 1


def test_what_can_not_be_read_counts_as_content() -> None:
    soon, late = (document.read(as_json(call={"StartDate": text}), "") for text in ("soon", "late"))
    assert soon.start is late.start is None
    assert document.digest(soon) != document.digest(late)


def test_repairs_do_not_change_the_digest() -> None:
    text = (SAMPLES / "informativa.json").read_bytes()
    lenient, strict = document.read(text, ""), document.read(text + b"}", "")
    assert lenient.repairs
    assert not strict.repairs
    assert document.digest(lenient) == document.digest(strict)

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from bridge.infocaller import document
from bridge.infocaller.messages import Document, Format
from tests.infocaller.documents import FIN, NAMES, as_json, as_xml, documents

SIGNATURE = "ae73e4b16a280726fb2e0e6bfb43902a"
CARD = "4111111111111111"


def received(form: Format, original: Document = FIN) -> Document:
    signed = replace(original, signature=SIGNATURE)
    return document.read(*document.write_request(signed, form, form_variable=None))


def shown(read: Document, *sensitive: str) -> str:
    """What is stored of a document."""
    return document.text(document.without(read, sensitive))


@pytest.mark.parametrize("form", list(Format))
def test_what_is_stored_is_laid_out_as_it_came_without_what_is_secret(form: Format) -> None:
    read = received(form)
    expected = read.source.replace(SIGNATURE, "").replace(CARD, "").replace("4222222222222", "")
    assert shown(read, "tarjeta") == expected
    assert shown(read) == read.source.replace(SIGNATURE, "")


def test_what_was_keyed_in_goes_too_unless_a_harmless_variable_has_it() -> None:
    cleared = document.without(FIN, ["TARJETA"])
    assert [event.info[0] for event in cleared.status] == ["", "00077", "", "", ""]
    assert cleared.variables == {**FIN.variables, "TARJETA": ""}


@pytest.mark.parametrize(
    "text",
    [
        '{"apicall": {"userid": {"LineNumber": "1", "CallSequence": "2", "Sign\\u0061ture": "@"}}}',
        '{"ApiCall": {"UserID": {"Signature": "@", "LineNumber": "1", "CallSequence": "2", }}',
        '{"ApiCall": {"UserID": {"Signature": "@", "signature": "", "LineNumber": 1, "CallSequence": 2}}}',
        '{"ApiCall": {"UserID": {"LineNumber": 1, "CallSequence": 2, "Signature": "@"}, "Copy": "It is @"}}',
        '{"ApiCall": {"UserID": {"LineNumber": 1, "CallSequence": 2, "firma": "@"}}}',
        '{"ApiCall": {"UserID": {"LineNumber": 1, "CallSequence": 2}, "Signature": {"x": {"y": "@"}}}}',
        '{"ApiCall": {"UserID": {"LineNumber": 1, "CallSequence": 2}, "Firma": ["@"]}, "firma": ["@"]}',
        "<ApiCall>U<Signature>@</signature></UserID></ApiCall>",
        "<ApiCall>U<Signature><![CDATA[@]]></Signature></UserID></ApiCall>",
        "<ApiCall s='@'>U</UserID></ApiCall>",
        "<ApiCall><!-- @ -->U</UserID><?x @?></ApiCall>",
        "<ApiCall>U<Signature>ae73e4b16<!-- x -->@</Signature></UserID></ApiCall>",
        "<ApiCall>U<x s='@'/></UserID></ApiCall>",
        "<ApiCall>U<Signature>@</Signature></UserID><x s='other'/></ApiCall>",
        "<ApiCall>U<Signature>@</Signature><Firma>other</Firma></UserID></ApiCall>",
        '{"ApiCall": {"UserID": {"LineNumber": 1, "CallSequence": 2, "Signature": "@",'
        ' "f\\u0069rma": "other", "f\\u0069rma": ""}}}',
        '{"ApiCall": {"UserID": {"LineNumber": 1, "CallSequence": 2, "Signature": "@"}, "Firma": "other"}}',
        '{"ApiCall": {"UserID": {"LineNumber": 1, "CallSequence": 2, "Signature": "@"}, "Firma": "other",'
        ' "firma": ""}}',
        "<a:ApiCall xmlns:a='u'>U<a:Signature>@</a:Signature></UserID></a:ApiCall>",
    ],
)
def test_a_signature_goes_wherever_it_stands(text: str) -> None:
    user = "<UserID><LineNumber>1</LineNumber><CallSequence>2</CallSequence>"
    read = document.read(text.replace(">U<", f">{user}<").replace("@", SIGNATURE).encode(), "")
    stored = shown(read)
    assert SIGNATURE not in stored.lower()
    assert "other" not in stored
    again = document.read(stored.encode(), "")
    assert (again.line_number, again.call_sequence, again.signature) == ("1", "2", "")
    assert SIGNATURE not in str(document.without(read, []).extra)


@pytest.mark.parametrize(
    ("body", "secret"),
    [
        (as_json(CustVars={"CustVar": {"VarValue": "sécr€t&amp;1", "VarName": "pin"}}), "sécr€t"),
        (
            as_json(CustVars={"CustVar": [{"VarName": "PIN", "VarValue": "77"}, {"VarName": "pin", "VarValue": "99"}]}),
            "77",
        ),
        (as_json(CustVars={"CustVar": {"VarName": "PIN", "VarValue": 4711}}), "4711"),
        (as_json(CustVars={"CustVar": {"VarName": "PIN", "VarValue": "4711"}}, Note="it is 4711"), "4711"),
        (
            as_xml(
                "<CustVars><CustVar><VarValue>s&amp;cret<![CDATA[!]]></VarValue><VarName> Pin </VarName></CustVar>"
                "</CustVars>"
            ),
            "cret",
        ),
        (as_xml("<CustVars><CustVar><VarName>P&#73;N</VarName><VarValue>4711</VarValue></CustVar></CustVars>"), "4711"),
        (as_xml("<CustVars><CustVar>4711<VarName>PIN</VarName><VarValue>4711</VarValue></CustVar></CustVars>"), "4711"),
    ],
)
def test_a_sensitive_value_goes_however_it_is_written(body: bytes, secret: str) -> None:
    read = document.read(body, "")
    assert read.variables["PIN"]
    stored = shown(read, "Pin")
    assert secret not in stored
    assert secret not in str(document.normalised(document.without(read, ["PIN"])))
    assert document.read(stored.encode(), "").variables == {"PIN": ""}


def test_a_number_that_is_also_a_pin_stays_the_lines_number() -> None:
    read = document.read(as_json(CustVars={"CustVar": {"VarName": "PIN", "VarValue": "9123"}}), "")
    again = document.read(shown(read, "PIN").encode(), "")
    assert (again.line_number, again.variables) == ("912345678", {"PIN": ""})


def test_a_document_without_its_source_is_written_anew() -> None:
    kept = document.from_normalised(document.normalised(FIN))
    stored = shown(kept, "TARJETA")
    assert CARD not in stored
    assert document.without(document.read(stored.encode(), ""), ["TARJETA"]) == document.without(FIN, ["TARJETA"])


@pytest.mark.parametrize("spelled", [SIGNATURE, SIGNATURE.upper(), f"it is {SIGNATURE}, he says"])
@pytest.mark.parametrize(
    "body",
    [
        as_json(
            {"LineNumber": "1", "CallSequence": "2", "Signature": SIGNATURE},
            CustVars={"CustVar": [{"VarName": "NOTE", "VarValue": "@"}, {"VarName": "@", "VarValue": "x"}]},
            Copy={"@": "x", "Inner": ["@", {"Deep": "@"}]},
            Status={"Events": {"Event": {"EventType": 1, "EventName": "@", "EventAddInfo5": "@"}}},
        ),
        as_xml(
            "<CustVars><CustVar><VarName>NOTE</VarName><VarValue><![CDATA[@]]></VarValue></CustVar></CustVars>"
            "<Copy note='@'><!-- @ --><Inner>@</Inner><Inner><Deep>@</Deep></Inner></Copy>"
            "<Status><Events><Event><EventName>@</EventName></Event></Events></Status>",
            f"<LineNumber>1</LineNumber><CallSequence>2</CallSequence><Signature>{SIGNATURE}</Signature>",
        ),
    ],
    ids=["json", "xml"],
)
def test_a_signature_that_somebody_copies_elsewhere_goes_there_too(body: bytes, spelled: str) -> None:
    read = document.read(body.replace(b"@", spelled.encode()), "")
    assert SIGNATURE not in shown(read).lower()
    assert SIGNATURE not in str(document.normalised(document.without(read, []))).lower()


@given(st.sampled_from(Format).flatmap(documents), st.sets(NAMES, max_size=2), st.booleans())
def test_whatever_came_reads_as_the_cleared_document(original: Document, names: set[str], bare: bool) -> None:
    sensitive = {*names, *list(original.variables)[:1]}
    sent = document.write_request(
        replace(original, signature=SIGNATURE), original.format, charset="utf-8", form_variable=None if bare else "x"
    )
    body = sent[0] if bare else sent[0].replace(b"x=", b"APIINFOCALLER=", 1)
    read = document.read(body, sent[1])
    stored = shown(read, *sensitive)
    assert not re.search(SIGNATURE, stored, re.IGNORECASE)
    cleared = document.without(read, sensitive)
    assert replace(document.read_text(stored), source="") == cleared
    assert all(not cleared.variables.get(name) for name in sensitive)

import json
from decimal import Decimal
from xml.etree import ElementTree

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from msgspec.structs import replace

from bridge.errors import ProtocolError
from bridge.infocaller import document
from bridge.infocaller.messages import Document, Format, QueryAnswer
from bridge.infocaller.signature import matches
from bridge.infocaller.variables import clean, unescape
from tests.infocaller.documents import FIN, NAMES, documents

ANSWERS = st.builds(
    QueryAnswer, st.sampled_from(["0", "1", "99"]), st.text(), st.dictionaries(NAMES, st.text(), max_size=5)
)
NS = "{http://tempuri.org/}"


@given(ANSWERS)
def test_a_plain_json_parser_reads_the_answer(answer: QueryAnswer) -> None:
    body, content_type = document.write(answer, Format.JSON)
    assert content_type == "application/json"
    assert body.isascii()
    root = json.loads(body)["ApiCall"]
    assert root["Status"]["Result"] == answer.result
    assert unescape(root["Status"]["ResultText"]) == clean(answer.text)
    read = {item["VarName"]: unescape(item["VarValue"]) for item in root["CustVars"]["CustVar"]}
    assert read == {name: clean(value) for name, value in answer.variables.items()}
    assert not any(set("<>'\"") & set(item["VarValue"]) for item in root["CustVars"]["CustVar"])


@given(ANSWERS)
@example(QueryAnswer("0", "ñ€“", {"A": "O'Brien & Sons <UK>"}))
def test_a_plain_xml_parser_reads_the_answer(answer: QueryAnswer) -> None:
    body, content_type = document.write(answer, Format.XML)
    assert content_type == "text/xml; charset=ISO-8859-1"
    assert body.startswith(b'<?xml version="1.0" encoding="ISO-8859-1"?>')
    root = ElementTree.fromstring(body)
    assert (root.tag, root.attrib) == (f"{NS}ApiCall", {})
    assert root.findtext(f"{NS}Status/{NS}Result") == answer.result
    assert (root.findtext(f"{NS}Status/{NS}ResultText") or "") == clean(answer.text)
    read = {
        item.findtext(f"{NS}VarName"): item.findtext(f"{NS}VarValue") or ""
        for item in root.iterfind(f"{NS}CustVars/{NS}CustVar")
    }
    assert read == {name: clean(value) for name, value in answer.variables.items()}


def test_the_answer_on_the_wire() -> None:
    answer = QueryAnswer("0", "", {"NOMBRE": "Begoña O'Brien & Sons <UK> “€”"})
    assert document.write(answer, Format.JSON)[0] == (
        rb'{"ApiCall": {"Status": {"Result": "0", "ResultText": ""}, "CustVars": {"CustVar": [{"VarName": "NOMBRE", '
        rb'"VarValue": "Bego\u00f1a O&apos;Brien &amp; Sons &lt;UK&gt; &quot;EUR&quot;"}]}}}'
    )
    assert (
        b"<VarValue>Bego\xf1a O&apos;Brien &amp; Sons &lt;UK&gt; &quot;EUR&quot;</VarValue>"
        in (document.write(answer, Format.XML)[0])
    )


@pytest.mark.parametrize("form", list(Format))
def test_an_answer_with_names_that_no_call_may_have_is_written_all_the_same(form: Format) -> None:
    body, _ = document.write(QueryAnswer("0", "", {"a<€\x00": "1"}), form)
    assert json.loads(body) if form is Format.JSON else ElementTree.fromstring(body) is not None


@given(
    st.data(),
    st.sampled_from(Format),
    st.sampled_from(["utf-8", "iso-8859-1"]),
    st.sampled_from(["appInfocaller", None]),
)
def test_what_the_platform_sends_is_read_as_it_was(
    data: st.DataObject, form: Format, charset: str, variable: str | None
) -> None:
    original = data.draw(documents(form).filter(lambda it: charset == "utf-8" or not utf_8_by_chance(it)))
    sent = document.write_request(original, form, charset=charset, form_variable=variable, password="3956")
    read = document.read(*sent)
    assert matches(read, "3956")
    assert replace(read, signature="", source="") == original


def utf_8_by_chance(original: Document) -> bool:
    """Whether all that is beyond ASCII in it makes UTF-8: no one can tell such a text from UTF-8."""
    try:
        return not (raw := repr(original).encode("iso-8859-1")).decode().isascii() and not raw.isascii()
    except UnicodeDecodeError:
        return False


@pytest.mark.parametrize("form", list(Format))
def test_characters_beyond_the_charset_travel_as_escapes(form: Format) -> None:
    original = replace(FIN, format=form, variables={"A": "Łódź € 😀 & <x>"})
    body, _ = document.write_request(original, form, form_variable=None)
    assert b"\\u20ac" in body if form is Format.JSON else b"&#8364;" in body
    assert replace(document.read(body, ""), source="") == original


def test_amounts_are_numbers_in_the_json_of_the_platform() -> None:
    body, content_type = document.write_request(FIN, Format.JSON, charset="utf-8", form_variable=None)
    assert content_type == "application/json"
    assert b'"CostRX": 0.120000' in body
    assert json.loads(body, parse_float=Decimal)["ApiCall"]["Infocaller"]["CostTX"] == Decimal("0.05")


def test_a_form_is_encoded_in_the_charset_asked_for() -> None:
    body, content_type = document.write_request(FIN, Format.XML, charset="utf-8", form_variable="apilinfocaller")
    assert content_type == "application/x-www-form-urlencoded"
    assert body.startswith(b"apilinfocaller=%3CApiCall")
    assert b"Bego%C3%B1a" in body
    assert b"Bego%F1a" in document.write_request(FIN, Format.XML)[0]


def test_control_characters_make_no_broken_xml() -> None:
    read = document.read(*document.write_request(replace(FIN, variables={"A": "a\x00\r\nb\x1f"}), Format.XML))
    assert read.variables == {"A": "a\ufffd\r\nb\ufffd"}


@pytest.mark.parametrize("content_type", ["", "application/json", "text/xml", "application/x-www-form-urlencoded"])
@given(body=st.binary() | st.text().map(str.encode))
def test_arbitrary_bytes_raise_nothing_but_our_own_error(body: bytes, content_type: str) -> None:
    only_our_error(body, content_type)


@given(st.binary(), st.text())
def test_arbitrary_content_types_raise_nothing_but_our_own_error(body: bytes, content_type: str) -> None:
    only_our_error(body, content_type)
    only_our_error(b"--x\r\n" + body + b"\r\n--x--", "multipart/form-data; boundary=x" + content_type)
    only_our_error(b"--x\r\n" + body, "multipart/" + content_type)


@given(st.sampled_from(Format).flatmap(documents), st.data())
def test_documents_with_any_bytes_changed_raise_nothing_but_our_own_error(
    original: Document, data: st.DataObject
) -> None:
    body, _ = document.write_request(original, original.format, form_variable=None)
    start = data.draw(st.integers(0, len(body)))
    end = data.draw(st.integers(start, min(start + 40, len(body))))
    only_our_error(body[:start] + data.draw(st.binary(max_size=20)) + body[end:], "")


def only_our_error(body: bytes, content_type: str) -> None:
    try:
        read = document.read(body, content_type)
    except ProtocolError:
        return
    document.text(document.without(read, ["A"]))
    assert document.from_normalised(document.normalised(read)) == replace(read, signature="", source="")

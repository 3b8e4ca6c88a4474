"""What a sender who wishes us ill may send. Limits of time are generous: they tell linear from quadratic."""

import json

import pytest

from bridge.errors import ProtocolError
from bridge.infocaller import document
from tests.infocaller.documents import as_json, as_xml

USER = "<UserID><LineNumber>1</LineNumber><CallSequence>1</CallSequence></UserID>"
BOMB = (
    "<!DOCTYPE a [<!ENTITY a 'aaaaaaaaaa'>"
    + "".join(f"<!ENTITY {chr(98 + n)} '{f'&{chr(97 + n)};' * 10}'>" for n in range(9))
    + "]>"
)
pytestmark = pytest.mark.timeout(80)


@pytest.mark.parametrize(
    "prolog",
    [
        BOMB,
        "<!DOCTYPE a SYSTEM 'file:///etc/passwd'>",
        "<!DOCTYPE a [<!ENTITY j SYSTEM 'file:///etc/passwd'>]>",
        "<!DOCTYPE a [<!ENTITY % p SYSTEM 'http://127.0.0.1:9/x'> %p;]>",
        "<!DOCTYPE ApiCall>",
        "<?xml version='1.0'?>\n<!-- x --><?y?>\n<!DOCTYPE ApiCall>",
    ],
)
def test_a_doctype_is_refused_before_it_is_parsed(prolog: str) -> None:
    with pytest.raises(ProtocolError, match="DOCTYPE"):
        document.read(f"{prolog}<ApiCall>{USER}<x>&j;</x></ApiCall>".encode(), "text/xml")


def test_a_doctype_in_utf_16_is_refused_too() -> None:
    with pytest.raises(ProtocolError, match="DOCTYPE"):
        document.read(f"{BOMB}<ApiCall/>".encode("utf-16"), "text/xml")


def test_xinclude_reads_no_file() -> None:
    include = "<x xmlns:xi='http://www.w3.org/2001/XInclude'><xi:include href='/etc/passwd' parse='text'/></x>"
    assert "root:" not in str(document.read(as_xml(include), ""))


@pytest.mark.parametrize(
    "body",
    [
        b"[" * 60_000,
        b'{"a":' * 60_000,
        b'{"ApiCall":' + b"[" * 60_000 + b"]" * 60_000 + b"}",
        b'{"ApiCall":' * 65 + b"1" + b"}" * 65,
        b"<a>" * 20_000 + b"</a>" * 20_000,
        b"<ApiCall>" + b"<a>" * 64 + b"</a>" * 64 + b"</ApiCall>",
        b"<a>" * 60_000,
    ],
)
def test_deep_nesting_is_refused(body: bytes) -> None:
    with pytest.raises(ProtocolError, match=r"nests deeper|not XML"):
        document.read(body, "")


def test_brackets_in_a_value_do_not_nest() -> None:
    value = '[{"\\' * 1000
    assert document.read(as_json(CustVars={"CustVar": {"VarName": "A", "VarValue": value}}), "").variables == {
        "A": value
    }


def test_many_events_are_no_depth() -> None:
    events = [{"EventType": "1", "EventName": str(number)} for number in range(1000)]
    assert len(document.read(as_json(Status={"Events": {"Event": events}}), "").status) == 1000


@pytest.mark.parametrize("where", ["call", "user"])
def test_an_integer_of_a_million_digits_is_a_text(where: str) -> None:
    digits = "9" * 1_000_000
    body = as_json(call={"CallSeconds": "@", "CostRX": "@"}).replace(b'"@"', digits.encode())
    read = document.read(body, "")
    assert (read.seconds, read.cost_rx, read.extra["infocaller.costrx"]) == (None, None, digits)


@pytest.mark.parametrize("number", ["1e999999999", "1e-999999999", "1E+99", "-1e400"])
def test_a_huge_exponent_is_no_amount(number: str) -> None:
    body = as_json(call={"CallSeconds": "@", "CostRX": "@"}).replace(b'"@"', number.encode())
    read = document.read(body, "")
    assert (read.cost_rx, read.seconds) == (None, None)
    assert read.extra["infocaller.costrx"] == number


@pytest.mark.parametrize("spelled", ["\\ud800", "\\u0000", "\\uDFFF", "\\ud83d"])
def test_halves_of_characters_and_nul_do_not_reach_a_database(spelled: str) -> None:
    body = as_json({"LineNumber": "1", "CallSequence": "@"}, New="@", List=["@"]).replace(b"@", spelled.encode())
    read = document.read(body, "")
    assert read.call_sequence == read.extra["new"] == read.extra["list[0]"] == "\ufffd"
    json.dumps(document.normalised(read), ensure_ascii=False).encode()


@pytest.mark.parametrize(
    "body", [b"\x00" + as_json(), as_json() + b"\x00", as_xml("\x00"), as_xml("&#0;"), as_xml("\x01")]
)
def test_nul_bytes_are_a_fault(body: bytes) -> None:
    with pytest.raises(ProtocolError):
        document.read(body, "application/json")


def test_an_attribute_of_200_kb_is_passed_over() -> None:
    body = b"<ApiCall a='" + b"x" * 200_000 + b"'>" + USER.encode() + b"</ApiCall>"
    read = document.read(body, "")
    assert read.line_number == "1"
    assert "xxx" not in document.text(document.without(read, []))


def test_of_duplicate_names_the_last_counts() -> None:
    user = b'{"CallSequence": "9", "LineNumber": "1", "linenumber": 2}'
    body = b'{"ApiCall": {"UserID": {"LineNumber": "1"}, "userid": ' + user + b"}}"
    assert document.read(body, "").line_number == "2"
    repeated = as_xml(user="<LineNumber>1</LineNumber><CallSequence>1</CallSequence><LineNumber>2</LineNumber>")
    assert document.read(repeated, "").line_number == "2"


@pytest.mark.parametrize(
    "body",
    [
        b'{"a":"' + b'\\"' * 500_000,
        b'{"a":"' + b'\\"' * 500_000 + b"\\",
        b"{" + b'"' * 500_001,
        b"{" + b"," * 500_000 + b"}",
        b"{" + (b"," + b" " * 500) * 1000 + b"}",
        b"<a></A>" + b"<!--" * 200_000,
        b"<a></A>" + b"<![CDATA[" * 100_000,
        b"<a></A>" + b"<?" * 300_000,
        b"<a></A>" + b"<a \"'" * 200_000,
        b"<a></A>" + b"<a x='" * 200_001,
        b"<!--" * 200_000,
        b"<?xml " * 200_000,
        b" " * 500_000 + b"<?xml" + b" " * 500_000 + b"x",
        b"apiInfocaller=" + b"%" * 500_000,
        b"&" * 500_000 + b"=",
        b"=" * 500_000,
    ],
)
def test_long_nonsense_is_refused_in_linear_time(body: bytes) -> None:
    with pytest.raises(ProtocolError):
        document.read(body, "")


def test_overlong_utf_8_is_no_quote() -> None:
    body = as_json(CustVars={"CustVar": {"VarName": "A", "VarValue": "@"}}).replace(b"@", b"\xc0\xa2,\xc0\xa2")
    assert document.read(body, "").variables == {"A": "À¢,À¢"}

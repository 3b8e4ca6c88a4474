import io

import pytest
import requests
from hypothesis import given
from hypothesis import strategies as st

from bridge.errors import ProtocolError
from bridge.infocaller import document
from bridge.infocaller.form import LONGEST, document_text, percent_decode
from tests.infocaller.documents import as_json, as_xml

FORM = "application/x-www-form-urlencoded"


@pytest.mark.parametrize(
    "name", ["apilinfocaller", "apiInfocaller", "appInfocaller", "APPINFOCALLER", "%61piInfocaller"]
)
def test_the_variable_is_found_in_each_spelling(name: str) -> None:
    assert document_text(f"a=1&{name}=%7B%22x%22%3A+1%7D&b".encode(), FORM) == '{"x": 1}'


@pytest.mark.parametrize("encoded", ["%F1", "%C3%B1", "%f1", "%c3%b1"])
def test_a_letter_comes_out_the_same_in_either_charset(encoded: str) -> None:
    body = f"apiInfocaller=%3Cx%3ENu{encoded}ez+1%2B1%3C/x%3E".encode()
    assert document_text(body, f"{FORM}; charset=utf-8") == "<x>Nuñez 1+1</x>"


def test_raw_bytes_in_the_form_are_read_too() -> None:
    assert document_text(b"apiInfocaller=<x>Nu\xf1ez</x>", FORM) == "<x>Nuñez</x>"


@pytest.mark.parametrize(
    "content_type", ["", FORM, "application/json", "text/xml; charset=x", "multipart/form-data", "?"]
)
@pytest.mark.parametrize("body", [as_json(), as_xml(), b"\xef\xbb\xbf \r\n" + as_json()])
def test_a_bare_document_is_one_whatever_the_header_says(body: bytes, content_type: str) -> None:
    assert document.read(body, content_type).line_number == "912345678"


def test_a_bare_document_in_utf_16_is_read() -> None:
    assert document.read(as_json().decode().encode("utf-16"), "application/json").line_number == "912345678"


@pytest.mark.parametrize("charset", ["utf-8", "iso-8859-1"])
@pytest.mark.parametrize("as_file", [True, False])
def test_a_multipart_form_is_read_in_either_charset(charset: str, as_file: bool) -> None:
    text = '{"ApiCall": {"UserID": {"LineNumber": "ñ", "CallSequence": "1"}}}'.encode(charset)
    content = io.BytesIO(text) if as_file else text
    name = "x.json" if as_file else None
    sent = requests.Request(
        "POST", "http://x", files=[("other", (None, b"1")), ("ApiInfocaller", (name, content))]
    ).prepare()
    assert isinstance(sent.body, bytes)
    assert document.read(sent.body, sent.headers["Content-Type"]).line_number == "ñ"


@pytest.mark.parametrize(
    ("body", "content_type", "says"),
    [
        (b"", "", "empty"),
        (b" \r\n", FORM, "empty"),
        (b"hello", FORM, "no document"),
        (b"data=1&other=2", FORM, "it has data, other$"),
        (b"apiInfocaller=&x=1", FORM, "apiInfocaller without a value, x"),
        (b"%7B%22PIN%22%3A4111%7D=1", FORM, "an odd name"),
        (b"--x\r\nContent", "multipart/form-data", "boundary"),
        (b"--x\r\nContent", "multipart/form-data; boundary=x", "broken"),
        (b"--x\r\n\xff\xfe: 1\r\n\r\na\r\n--x--", "multipart/form-data; boundary=x", "broken"),
        (b'--x\r\nContent-Disposition: form-data; name="a"\r\n\r\n1\r\n--x--', "MULTIPART/x; boundary=x", "it has a$"),
        (
            b"--x\r\nContent-Disposition: form-data\r\n\r\n1\r\n" * 1001 + b"--x--",
            "multipart/x; boundary=x",
            "1000 parts",
        ),
        (b" " * (LONGEST + 1), "", "more than"),
        (b"apiInfocaller=hello", FORM, "neither JSON nor XML"),
    ],
)
def test_a_body_without_a_document_says_what_it_has(body: bytes, content_type: str, says: str) -> None:
    with pytest.raises(ProtocolError, match=says):
        document.read(body, content_type)


def test_many_variables_are_named_in_short() -> None:
    body = b"&".join(b"v%d=1" % number for number in range(900))
    with pytest.raises(ProtocolError, match="v9, and 890 others") as refused:
        document.read(body, FORM)
    assert len(str(refused.value)) < 300


def test_a_form_of_ten_thousand_variables_is_not_read() -> None:
    body = b"&".join(b"v%d=1" % number for number in range(10_000))
    with pytest.raises(ProtocolError, match="more than 1000 parts"):
        document.read(body, FORM)


def test_the_first_that_is_not_empty_counts() -> None:
    body = b"apiInfocaller=&appInfocaller=%7B%7D&apilinfocaller=%3C"
    assert document_text(body, FORM) == "{}"


@given(st.binary(), st.sampled_from(["%7B", "%7b", "%3C", "%3c", ""]))
def test_percent_decoding_undoes_what_encodes_each_byte(raw: bytes, start: str) -> None:
    for case in ("%%%02X", "%%%02x"):
        encoded = (start + "".join(case % byte for byte in raw)).encode()
        assert percent_decode(encoded) == percent_decode(start.encode()) + raw


@pytest.mark.parametrize(
    ("encoded", "plain"),
    [
        (b"%7B%2522", b"{%22"),
        (b"%7B%25%32%32", b"{%22"),
        (b"%7B%%22", b'{%"'),
        (b"%zz%", b"%zz%"),
        (b"a+b%2B", b"a b+"),
    ],
)
def test_nothing_is_percent_decoded_twice(encoded: bytes, plain: bytes) -> None:
    assert percent_decode(encoded) == plain

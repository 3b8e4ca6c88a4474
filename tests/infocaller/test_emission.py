"""What goes out for an emission request, and what is read from its answer."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import parse_qsl, unquote_to_bytes

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

from bridge.errors import ProtocolError
from bridge.infocaller.emission import FORM, EmissionReply, EmissionRequest, decode, encode, problems
from bridge.infocaller.messages import Format
from bridge.infocaller.results import RESULTS, Consequence

SAMPLES = Path(__file__).parent / "samples"
NAMESPACE = "{http://tempuri.org/}"
FULL = EmissionRequest(
    line_number="123456789",
    number="+34600111222",
    rule_group="Ñandú & Cía",
    at=datetime(2025, 3, 30, 9, 5),
    max_wait=12,
    retries=2,
    variables={"TAREA": "00T<1>", "NOMBRE": "Peña “R” & 'Hijos'", "VACIA": ""},
)
BARE = EmissionRequest("123456789", "+34600111222", "callbacks")


def sent(request: EmissionRequest, form: Format, root: str = "CallRequest") -> tuple[str, bytes]:
    body, content_type = encode(request, "3956", form, root)
    assert content_type == FORM == "application/x-www-form-urlencoded"
    name, _, value = body.partition(b"=")
    assert b"&" not in value
    return name.decode(), unquote_to_bytes(value.replace(b"+", b" "))


def shape(value: object) -> object:
    """The names of a document, without its values."""
    if isinstance(value, dict):
        return {name: shape(inner) for name, inner in value.items()}
    return [shape(inner) for inner in value][:1] if isinstance(value, list) else None


def test_json_has_the_shape_of_the_manual() -> None:
    name, document = sent(FULL, Format.JSON)
    sample = json.loads((SAMPLES / "emission.json").read_text("utf-8").strip() + "}")  # it lacks its last brace
    assert name == "apiCALLjson"
    assert shape(json.loads(document)) == shape(sample)


def test_xml_has_the_shape_of_the_manual_and_a_real_declaration() -> None:
    name, document = sent(FULL, Format.XML)
    sample = etree.fromstring((SAMPLES / "emission.xml").read_bytes().strip())
    root = etree.fromstring(document)
    assert name == "apiCALLxml"
    assert document.startswith(b'<?xml version="1.0" encoding="ISO-8859-1"?>')
    assert list(dict.fromkeys(element.tag for element in root.iter())) == list(
        dict.fromkeys(element.tag for element in sample.iter())
    )


def test_every_field_is_what_was_asked() -> None:
    asked = json.loads(sent(FULL, Format.JSON)[1])["callRequest"]
    data = asked["callData"]
    assert asked["UserID"] == {"idinfocaller": "123456789", "firma": "a2e12e9171fec3ebbb9c3c2a41b0b722"}
    assert data["numtelefono"] == "+34600111222"
    assert data["gruporeglas"] == "Ñandú & Cía"
    assert data["fechahora"] == "2025-03-30T09:05:00"
    assert (data["EsperaMax"], data["Reintentos"]) == ("12", "2")
    assert data["CustVars"]["CustVar"] == [
        {"VarName": "TAREA", "VarValue": "00T&lt;1&gt;"},
        {"VarName": "NOMBRE", "VarValue": "Peña &quot;R&quot; &amp; &apos;Hijos&apos;"},
        {"VarName": "VACIA", "VarValue": ""},
    ]


def test_xml_is_latin_1_and_escapes_once() -> None:
    document = sent(FULL, Format.XML)[1]
    assert "Peña &quot;R&quot; &amp; &apos;Hijos&apos;".encode("iso-8859-1") in document
    root = etree.fromstring(document)
    assert [element.text for element in root.iter(f"{NAMESPACE}VarValue")] == [
        "00T<1>",
        "Peña \"R\" & 'Hijos'",
        None,
    ]
    assert root.findtext(f"{NAMESPACE}callData/{NAMESPACE}gruporeglas") == "Ñandú & Cía"
    assert root.findtext(f"{NAMESPACE}UserID/{NAMESPACE}firma") == "a2e12e9171fec3ebbb9c3c2a41b0b722"


def test_json_is_ascii() -> None:
    assert sent(FULL, Format.JSON)[1].isascii()


def test_the_root_of_xml_is_what_the_line_says() -> None:
    assert etree.fromstring(sent(BARE, Format.XML)[1]).tag == f"{NAMESPACE}CallRequest"
    assert etree.fromstring(sent(BARE, Format.XML, "callRequest")[1]).tag == f"{NAMESPACE}callRequest"


def test_what_is_not_set_is_left_out() -> None:
    data = json.loads(sent(BARE, Format.JSON)[1])["callRequest"]["callData"]
    assert data == {"numtelefono": "+34600111222", "gruporeglas": "callbacks"}
    call_data = etree.fromstring(sent(BARE, Format.XML)[1]).find(f"{NAMESPACE}callData")
    assert call_data is not None
    assert [element.tag for element in call_data] == [f"{NAMESPACE}numtelefono", f"{NAMESPACE}gruporeglas"]


@given(st.text(max_size=60))
def test_any_value_of_a_variable_goes_out_readable_in_both_formats(value: str) -> None:
    request = EmissionRequest("123456789", "+34600111222", "callbacks", variables={"V": value})
    in_json = dict(parse_qsl(encode(request, "3956", Format.JSON)[0].decode(), keep_blank_values=True))["apiCALLjson"]
    variable = json.loads(in_json)["callRequest"]["callData"]["CustVars"]["CustVar"][0]["VarValue"]
    assert not set("<>'\"") & set(variable)
    root = etree.fromstring(sent(request, Format.XML)[1])
    in_xml = root.findtext(f".//{NAMESPACE}VarValue") or ""
    for entity, character in {"&lt;": "<", "&gt;": ">", "&quot;": '"', "&apos;": "'", "&amp;": "&"}.items():
        variable = variable.replace(entity, character)
    assert variable == in_xml


@pytest.mark.parametrize(
    ("field", "request_"),
    [
        ("line_number", EmissionRequest("", "+34600111222", "g")),
        ("number", EmissionRequest("1", "600111222", "g")),
        ("number", EmissionRequest("1", "+34 600111222", "g")),
        ("number", EmissionRequest("1", "+", "g")),
        ("number", EmissionRequest("1", "+34600111222\n", "g")),
        ("number", EmissionRequest("1", "+٣٤٦٠٠١١١٢٢٢", "g")),
        ("rule_group", EmissionRequest("1", "+34600111222", " ")),
        ("rule_group", EmissionRequest("1", "+34600111222", "reglas→")),
        ("rule_group", EmissionRequest("1", "+34600111222", "a\nb")),
        ("at", EmissionRequest("1", "+34600111222", "g", at=datetime(2025, 1, 1, tzinfo=UTC))),
        ("max_wait", EmissionRequest("1", "+34600111222", "g", max_wait=0)),
        ("max_wait", EmissionRequest("1", "+34600111222", "g", max_wait=301)),
        ("retries", EmissionRequest("1", "+34600111222", "g", retries=-1)),
        ("retries", EmissionRequest("1", "+34600111222", "g", retries=5)),
        ("variables", EmissionRequest("1", "+34600111222", "g", variables={"tarea": ""})),
        ("variables", EmissionRequest("1", "+34600111222", "g", variables={"A" * 16: ""})),
    ],
)
def test_what_the_manual_forbids_is_named_and_never_goes_out(field: str, request_: EmissionRequest) -> None:
    assert [problem.field for problem in problems(request_)] == [field]
    with pytest.raises(ProtocolError, match=field):
        encode(request_, "3956", Format.JSON)
    assert "600111222" not in "".join(str(problem.text) for problem in problems(request_))


@pytest.mark.parametrize(("wait", "retries"), [(1, 0), (300, 4), (None, None)])
def test_the_limits_themselves_are_allowed(wait: int | None, retries: int | None) -> None:
    assert problems(EmissionRequest("1", "+34600111222", "g", max_wait=wait, retries=retries)) == []


def test_what_is_stored_has_neither_signature_nor_sensitive_values() -> None:
    stored = json.dumps(FULL.redacted({"NOMBRE"}), ensure_ascii=False)
    assert "firma" not in stored
    assert "a2e12e91" not in stored
    assert "Peña" not in stored
    assert "00T<1>" in stored
    assert "+34600111222" in stored


def in_json(result: object, idcall: object = "", text: str = "x") -> bytes:
    return json.dumps({"callRequest": {"idcall": idcall, "Resultado": result, "ResultadoTexto": text}}).encode()


def in_xml(result: object, idcall: object = "", text: str = "x") -> bytes:
    return (
        f"<?xml version='1.0'?>\n<callRequest>\n  <idcall>{idcall}</idcall>\n"
        f"  <Resultado>{result}</Resultado><ResultadoTexto>{text}</ResultadoTexto></callRequest>"
    ).encode("iso-8859-1")


TABLE = {
    0: Consequence.ACCEPTED,
    -1: Consequence.STOP_LINE,
    -2: Consequence.STOP_LINE,
    -3: Consequence.STOP_LINE,
    -99: Consequence.STOP_LINE,
    -100: Consequence.TRY_AGAIN,
    1: Consequence.STOP_LINE,
    2: Consequence.STOP_LINE,
    3: Consequence.PAUSE_LINE,
    4: Consequence.REJECT,
    5: Consequence.REJECT,
    6: Consequence.PAUSE_SOURCE,
    7: Consequence.PAUSE_SOURCE,
    8: Consequence.PAUSE_SOURCE,
    9: Consequence.NEXT_WINDOW,
    10: Consequence.PAUSE_LINE,
    11: Consequence.PAUSE_LINE,
    12: Consequence.PAUSE_LINE,
    13: Consequence.NEXT_WINDOW,
    14: Consequence.PAUSE_LINE,
    15: Consequence.REJECT,
    -4: Consequence.REJECT,
    999: Consequence.REJECT,
}


@pytest.mark.parametrize(("result", "consequence"), TABLE.items())
@pytest.mark.parametrize("write", [in_json, in_xml])
def test_each_result_has_its_consequence(result: int, consequence: Consequence, write: object) -> None:
    answer = write(result)  # type: ignore[operator]  # one of the two writers above
    reply = decode(200, answer)
    assert reply.result == result
    assert reply.consequence() is consequence
    assert str(result) in reply.reason().render("es")


def test_the_table_has_every_result_of_the_manual_with_its_words() -> None:
    manual = [line.split("\t") for line in (SAMPLES / "emission-results.tsv").read_text("utf-8").splitlines()]
    assert {int(code): text for code, text in manual} == {code: row.words.render("es") for code, row in RESULTS.items()}


@pytest.mark.parametrize(("result", "field"), [(6, "max_wait"), (7, "retries")])
def test_a_limit_broken_by_the_tasks_own_value_rejects_the_task(result: int, field: str) -> None:
    assert decode(200, in_json(result)).consequence({field}) is Consequence.REJECT
    assert decode(200, in_json(result)).consequence({"at"}) is Consequence.PAUSE_SOURCE


@pytest.mark.parametrize("result", [code for code in TABLE if code])
@pytest.mark.parametrize("write", [in_json, in_xml])
def test_any_refusal_with_an_idcall_may_have_rung(result: int, write: object) -> None:
    reply = decode(200, write(result, "778899"))  # type: ignore[operator]  # one of the two writers above
    assert reply.idcall == "778899"
    assert reply.consequence({"max_wait", "retries"}) is Consequence.MAY_HAVE_RUNG


@pytest.mark.parametrize("nought", ["", "0", " 0 ", "000", None, 0])
def test_a_refusal_with_an_empty_idcall_is_a_refusal(nought: object) -> None:
    assert decode(200, in_json(-100, nought)).consequence() is Consequence.TRY_AGAIN


def test_an_acceptance_without_idcall_is_one() -> None:
    assert decode(200, in_json(0)).consequence() is Consequence.ACCEPTED
    assert decode(200, b'{"callRequest": {"Resultado": 0}}').consequence() is Consequence.ACCEPTED


@pytest.mark.parametrize(
    "body",
    [
        in_json("0", "77", "Aceptada"),
        in_json(0, 77, "Aceptada"),
        in_xml(" 0 ", "77", "Aceptada"),
        b'\xef\xbb\xbf {"CALLREQUEST": {"IDCALL": "77", "resultado": "+0", "resultadotexto": "Aceptada"}}',
        b'{"Resultado": "0", "idcall": "77", "ResultadoTexto": "Aceptada"}',
        b'{"callRequest": {"idcall": "77", "Resultado": "0", "ResultadoTexto": "Aceptada",}}',
        b"<CallRequest xmlns='http://tempuri.org/' encoding=' ISO-8559-1'><idcall>77</idcall><Resultado>0</resultado>"
        b"<ResultadoTexto>Aceptada</ResultadoTexto></CallRequest>",
        in_json("0", "77", "Aceptada").decode().encode("utf-16"),
    ],
)
def test_answers_are_read_in_any_case_and_either_format(body: bytes) -> None:
    assert decode(200, body) == EmissionReply(200, 0, "Aceptada", "77")


def test_texts_come_in_the_platforms_charset() -> None:
    assert decode(200, in_xml(1, text="Línea &amp; más")).text == "Línea & más"
    assert decode(200, '{"callRequest": {"Resultado": 1, "ResultadoTexto": "ñ"}}'.encode("iso-8859-1")).text == "ñ"
    assert decode(200, in_json(1, text="a\r\n\x00b" * 400)).text.startswith("a b")
    assert len(decode(200, in_json(1, text="a" * 5000)).text) == 300


GARBAGE = [
    b"",
    b"   ",
    b"OK",
    b"0",
    b"<html><body>Resultado: 0</body></html>",
    b"<!DOCTYPE callRequest><callRequest><Resultado>0</Resultado></callRequest>",
    b"{}",
    b"[]",
    b"<callRequest/>",
    b'{"callRequest": {}}',
    b'{"callRequest": []}',
    b'{"callRequest": [{"Resultado": 0}, {"Resultado": 0}]}',
    b'{"callRequest": "0"}',
    b'{"callRequest": {"Resultado": null}}',
    b'{"callRequest": {"Resultado": true}}',
    b'{"callRequest": {"Resultado": 0.0}}',
    b'{"callRequest": {"Resultado": ""}}',
    b'{"callRequest": {"Resultado": "cero"}}',
    b'{"callRequest": {"Resultado": "DATO"}}',
    b'{"callRequest": {"Resultado": ["0"]}}',
    b'{"callRequest": {"Resultado": 0, "resultado": -100}}',
    b'{"callRequest": {"idcall": "1", "idcall": "2", "Resultado": 0}}',
    b'{"callRequest": {"Resultado": -100, "Resultado": 0,}}',
    b'{"callRequest": {"Resultad\\u006f": 0, "Resultado": -100}}',
    b'{"callRequest": {"Resultado": {}, "Resultado": -100}}',
    b'{"callRequest": {"Resultado": 0}, "callRequest": {"Resultado": -100}}',
    b'{"other": {"Resultado": 0}, "Resultado": -100}',
    b'{"callRequest": {"idcall": ["1", "2"], "Resultado": -100}}',
    b'{"callRequest": {"idcall": "' + b"1" * 65 + b'", "Resultado": -100}}',
    b'{"callRequest": {"Result": 0}}',
    b'{"callRequest": {"idcall": "1", "Resultado": "-1',
    b'{"Resultado": -1',
    b'{"callRequest": {"Resultado": -1}',
    b"<callRequest><idcall>7</idcall><Resultado>0</Resultado>",
    b"<callRequest><Resultado>0</Resultado><Resultado>5</Resultado></callRequest>",
    b"{" * 5000,
    b"\x00\xff\x1f\x8b garbage",
    (SAMPLES / "emission-answer.json").read_bytes(),
    (SAMPLES / "emission-answer.xml").read_bytes(),
]


@pytest.mark.parametrize("body", GARBAGE)
def test_what_is_not_plainly_an_answer_may_have_rung(body: bytes) -> None:
    reply = decode(200, body)
    assert reply.result is None
    assert reply.fault
    assert reply.consequence() is Consequence.MAY_HAVE_RUNG
    assert reply.fault in str(reply.reason())


@pytest.mark.parametrize("cut", range(1, len(in_json(-100, "", "Error interno")), 3))
def test_an_answer_cut_off_anywhere_is_never_taken_for_another(cut: int) -> None:
    for whole in (in_json(-100, "", "Error interno"), in_xml(-100, "", "Error interno")):
        assert decode(200, whole[:-cut]).result is None


@given(st.binary(max_size=200))
def test_no_bytes_make_decoding_fail(body: bytes) -> None:
    assert decode(200, body).consequence() in Consequence


@pytest.mark.parametrize("status", [301, 302, 400, 401, 403, 404, 429])
def test_a_redirect_or_refusal_by_http_pauses_the_line(status: int) -> None:
    assert decode(status, b"<html>go away</html>").consequence() is Consequence.PAUSE_LINE
    assert decode(status, b"").consequence() is Consequence.PAUSE_LINE
    assert decode(status, in_json(5)).consequence() is Consequence.REJECT
    assert decode(status, in_json(0, "1")).consequence() is Consequence.MAY_HAVE_RUNG


@pytest.mark.parametrize("status", [500, 502, 503, 504, 599])
@pytest.mark.parametrize("body", [b"", b"<html/>", in_json(-100), in_json(0, "1")])
def test_a_server_error_may_have_rung_whatever_it_says(status: int, body: bytes) -> None:
    assert decode(status, body).consequence() is Consequence.MAY_HAVE_RUNG


def test_the_start_of_an_unreadable_answer_is_kept_without_whole_numbers() -> None:
    reply = decode(200, b"<html>no call to +34600111222 today</html>")
    assert "no call to" in reply.excerpt
    assert "600111222" not in reply.excerpt
    assert len(decode(200, b"x" * 100_000).excerpt) <= 300

from datetime import datetime
from decimal import Decimal
from typing import Any

import pytest

from bridge.errors import ProtocolError
from bridge.infocaller import document
from bridge.infocaller.messages import Document, Format, StatusEvent
from tests.infocaller.documents import as_json, as_xml


def variables(custvars: Any) -> dict[str, str]:
    return dict(document.read(as_json(CustVars=custvars), "").variables)


ONE = {"VarName": "PEDIDO", "VarValue": "00077"}


@pytest.mark.parametrize(
    ("custvars", "expected"),
    [
        ({"CustVar": [ONE]}, {"PEDIDO": "00077"}),
        ({"CustVar": ONE}, {"PEDIDO": "00077"}),
        ({"CustVar": ""}, {}),
        ({"CustVar": None}, {}),
        ({"CustVar": []}, {}),
        ({"CustVar": [None, "", ONE]}, {"PEDIDO": "00077"}),
        ({}, {}),
        ("", {}),
        (" \n", {}),
        (None, {}),
        ([], {}),
        ({"custVAR": {"VARNAME": "pedido ", "varvalue": " x "}}, {"PEDIDO": " x "}),
        ({"CustVar": [ONE, {"VarName": "pedido", "VarValue": "2"}]}, {"PEDIDO": "2"}),
        ({"CustVar": {"VarName": "A", "VarValue": None}}, {"A": ""}),
        ({"CustVar": {"VarName": "A"}}, {"A": ""}),
        ({"CustVar": {"VarName": "A", "VarValue": 77}}, {"A": "77"}),
        ({"CustVar": {"VarName": "A", "VarValue": True}}, {"A": "true"}),
        ({"CustVar": {"VarName": "número de pedido!", "VarValue": "1"}}, {"NÚMERO DE PEDIDO!": "1"}),
        ({"CustVar": {"VarName": "", "VarValue": ""}}, {}),
        ({"CustVar": {"VarName": "", "VarValue": "x"}}, {"": "x"}),
    ],
)
def test_variables_may_come_as_list_object_empty_or_not_at_all(custvars: Any, expected: dict[str, str]) -> None:
    assert variables(custvars) == expected


@pytest.mark.parametrize(
    ("inner", "expected"),
    [
        ("<CustVars/>", {}),
        ("<CustVars> </CustVars>", {}),
        ("<CustVars><CustVar/></CustVars>", {}),
        ("<CustVars><CustVar><VarName>a</VarName><VarValue> 1 </VarValue></CustVar></CustVars>", {"A": " 1 "}),
        (
            "<CustVars><CustVar><VarName>A</VarName><VarValue>&amp;lt;&#241;</VarValue></CustVar>"
            "<CustVar><VarName>B</VarName><VarValue><![CDATA[<x>]]>y<!-- z -->w</VarValue></CustVar></CustVars>",
            {"A": "&lt;ñ", "B": "<x>yw"},
        ),
    ],
)
def test_variables_in_xml(inner: str, expected: dict[str, str]) -> None:
    assert document.read(as_xml(inner), "").variables == expected


@pytest.mark.parametrize(
    ("spelled", "value"),
    [
        ("&amp;amp;", "&amp;"),
        ("O&apos;Brien &amp; Sons &lt;UK&gt;", "O'Brien & Sons <UK>"),
        ("a&b", "a&b"),
        ("&#241;", "&#241;"),
    ],
)
def test_entities_in_json_are_undone_once(spelled: str, value: str) -> None:
    assert variables({"CustVar": {"VarName": "A", "VarValue": spelled}}) == {"A": value}


def test_an_entity_whose_ampersand_json_escapes_is_undone_too() -> None:
    body = as_json(CustVars={"CustVar": {"VarName": "A", "VarValue": "&lt;"}}).replace(b"&", b"\\u0026")
    assert document.read(body, "").variables == {"A": "<"}


def fin(**call: Any) -> Document:
    return document.read(as_json(call=call), "")


@pytest.mark.parametrize(
    ("spelled", "value"),
    [
        (0.12, "0.12"),
        ("0,12", "0.12"),
        ("0.120000", "0.120000"),
        ("+1.", "1"),
        (",5", "0.5"),
        ("-0,06", "-0.06"),
        ("1E-6", "0.000001"),
        ("123456789012", "123456789012"),
    ],
)
def test_amounts_are_exact_whatever_their_spelling(spelled: Any, value: str) -> None:
    cost = fin(CostRX=spelled).cost_rx
    assert cost == Decimal(value)
    assert isinstance(cost, Decimal)


def test_an_amount_is_never_a_float_on_its_way() -> None:
    body = as_json(call={"CostRX": "@"}).replace(b'"@"', b"0.12345678901234567")
    assert document.read(body, "").extra == {"infocaller.costrx": "0.12345678901234567"}
    body = as_json(call={"CostRX": "@"}).replace(b'"@"', b"0.100000000000001")
    assert document.read(body, "").cost_rx == Decimal("0.100000000000001")


@pytest.mark.parametrize(
    "text", ["NaN", "Infinity", "-inf", "1e99", "1e999999999", "1.234,56", "٣", "DATO", "1_0", "9" * 13]
)
def test_what_is_no_amount_is_none_and_kept_beside(text: str) -> None:
    read = fin(CostRX=text, CallSeconds=text)
    assert (read.cost_rx, read.seconds) == (None, None)
    assert read.extra == {"infocaller.costrx": text, "infocaller.callseconds": text}


@pytest.mark.parametrize("constant", [b"NaN", b"Infinity", b"-Infinity"])
def test_constants_that_json_does_not_have_are_a_fault(constant: bytes) -> None:
    with pytest.raises(ProtocolError, match="not JSON"):
        document.read(as_json(call={"CostRX": "@"}).replace(b'"@"', constant), "")


@pytest.mark.parametrize(
    ("spelled", "value"),
    [("35", 35), (35, 35), ("035", 35), ("35.9", 35), ("0", 0), ("", None), (None, None), ("-1", None)],
)
def test_seconds_may_be_text_or_number(spelled: Any, value: int | None) -> None:
    assert fin(CallSeconds=spelled).seconds == value


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("2026-03-29T02:30:00", datetime(2026, 3, 29, 2, 30)),
        (" 2026-03-29 02:30 ", datetime(2026, 3, 29, 2, 30)),
        ("2026-03-29T02:30:00.123", datetime(2026, 3, 29, 2, 30, 0, 123000)),
        ("2026-03-29T02:30:00Z", None),
        ("2026-03-29T02:30:00+01:00", None),
        ("2026-02-31T00:00:00", None),
        ("0001-01-01T00:00:00", None),
        ("9999-12-31T23:59:59", None),
        ("2026-03-29T24:00:00", None),
        ("29/03/2026", None),
        ("20260329T023000", None),
    ],
)
def test_dates_are_local_and_naive_or_kept_beside(text: str, value: datetime | None) -> None:
    read = fin(StartDate=text)
    assert read.start == value
    assert read.extra == ({} if value else {"infocaller.startdate": text.strip()})


def test_numbers_keep_their_spelling_where_a_text_belongs() -> None:
    body = as_json({"LineNumber": "0912", "CallSequence": "@"}).replace(
        b'"@"', b"98565656123456789012345678901234567890"
    )
    read = document.read(body, "")
    assert (read.line_number, read.call_sequence) == ("0912", "98565656123456789012345678901234567890")


@pytest.mark.parametrize("repeated", [True, False])
def test_the_repeated_line_number_stands_for_the_inbound_number(repeated: bool) -> None:
    name = "LineNumberInt" if repeated else "InboundNumberInt"
    for body in (as_json(call={name: "34912"}), as_xml(f"<Infocaller><{name}>34912</{name}></Infocaller>")):
        read = document.read(body, "")
        assert (read.inbound_number_int, read.line_number_int, read.extra) == ("34912", "", {})


@pytest.mark.parametrize(
    "start",
    [
        "<ApiCall>",
        "<ApiCall xmlns='http://tempuri.org/'\nencoding=\" ISO-8559-1\">",
        "<t:apicall xmlns:t='http://tempuri.org/'>",
        "<?xml version='1.0'?><ApiCall>",
        '<?xml version="1.0" encoding="ISO-8559-1"?>\n<ApiCall>',
        '\n <?xml version="1.0" encoding="UTF-16" standalone="yes"?>\n<!-- x --><?y z?> <ApiCall>',
    ],
)
def test_xml_is_read_with_and_without_namespace_and_declaration(start: str) -> None:
    end = "</t:apicall>" if start.startswith("<t:") else "</ApiCall>"
    text = start + "<UserID><LineNumber>ñ</LineNumber><CallSequence>1</CallSequence></UserID>" + end
    for charset in ("utf-8", "iso-8859-1"):
        read = document.read(text.encode(charset), "text/xml")
        assert (read.line_number, read.format, read.repairs) == ("ñ", Format.XML, ())


def test_status_events_are_read_in_order_with_what_they_hold() -> None:
    event = {"EventType": "4", "EventDate": "2026-03-29T10:00:09", "EventName": "Dato", "EventAddInfo1": "00077"}
    odd = {"EventType": 99, "EventName": None, "EventAddInfo6": "six"}
    read = document.read(as_json(Status={"Events": {"Event": [event, odd]}}), "")
    assert read.status == (
        StatusEvent(4, datetime(2026, 3, 29, 10, 0, 9), "Dato", ("00077", "", "", "", "")),
        StatusEvent(99, None, "", ("", "", "", "", "")),
    )
    assert read.extra == {"status.events.event[1].eventaddinfo6": "six"}


@pytest.mark.parametrize(
    "status", ["", None, {}, {"Events": ""}, {"Events": {"Event": None}}, {"Events": {"Event": ""}}]
)
def test_an_empty_status_has_no_events(status: Any) -> None:
    assert document.read(as_json(Status=status), "").status == ()


def test_fields_that_nobody_knows_are_kept_beside() -> None:
    read = document.read(as_json(call={"New": {"A": [1, None, "x"]}, "Empty": ""}, More="y"), "")
    assert read.extra == {"infocaller.new.a[0]": "1", "infocaller.new.a[2]": "x", "more": "y"}


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (as_json({}), "UserID.LineNumber is missing"),
        (as_json({"LineNumber": None, "CallSequence": "1"}), "UserID.LineNumber is missing"),
        (as_json({"LineNumber": "1"}), "UserID.CallSequence is missing"),
        (as_json({"LineNumber": "1", "CallSequence": " "}), "UserID.CallSequence is empty"),
        (as_json({"LineNumber": {"a": 1}, "CallSequence": "1"}), "linenumber is an object"),
        (as_json({"LineNumber": [[1]], "CallSequence": "1"}), "linenumber is a list"),
        (as_json("x"), "UserID is a value"),
        (as_json([1]), "UserID is a list"),
        (as_json(CustVars={"CustVar": [ONE, "secret-4111"]}), r"CustVars.CustVar\[1\] is not an object"),
        (as_json(CustVars="secret-4111"), "CustVars is a value"),
        (b"[]", "list"),
        (b"{}", "no ApiCall"),
        (b'{"ApiCall": "x"}', "ApiCall is empty"),
        (b'{"ApiCall": null}', "no ApiCall"),
        (b"<Other/>", "no ApiCall"),
        (b"<ApiCall/>", "ApiCall is empty"),
        (b"<ApiCall><UserID/></ApiCall>", "UserID.LineNumber is missing"),
        (b'{"ApiCall": {\n"a" 1}}', r"not JSON: .* \(line 2, column 5\)"),
        (b"<ApiCall>\n<a>&secret-4111;</a></ApiCall>", r"not XML: .* \(line 2"),
        (b"<ApiCall>\n<a></b></ApiCall>", "not XML: tag name mismatch"),
        (b"{{{", "not JSON"),
    ],
)
def test_a_document_that_can_not_be_used_says_which_part_and_never_a_value(body: bytes, says: str) -> None:
    with pytest.raises(ProtocolError, match=says) as refused:
        document.read(body, "")
    assert "4111" not in str(refused.value)


@pytest.mark.parametrize(
    ("faulty", "repairs"),
    [
        ('{"ApiCall": {"UserID": {"LineNumber": "1,}", "CallSequence": "1" , } , }}', 2),
        ('{"ApiCall": {"UserID": {"LineNumber": "1,}", "CallSequence": "1"}}', 1),
        ('{"ApiCall": {"UserID": {"LineNumber": "1,}", "CallSequence": "1"}, "A": [1, 2,\n],}', 3),
    ],
)
def test_the_known_faults_of_json_are_mended_and_told(faulty: str, repairs: int) -> None:
    read = document.read(faulty.encode(), "")
    assert read.line_number == "1,}"
    assert len(read.repairs) == repairs


@pytest.mark.parametrize(
    "faulty",
    [
        '{"ApiCall": {"UserID": {"LineNumber": "1", "CallSequence": "1"}',
        '{"ApiCall": {"UserID": {"LineNumber": "1", "CallSequence": "1",,}}}',
        '{"ApiCall": {"UserID": {"LineNumber": "1", "CallSequence": "1"}, "A": [,]}}',
        '{"ApiCall": {"UserID": {"LineNumber": "1", "CallSequence": "1"}, "A": {,}}}',
        '{"ApiCall": {"UserID": {"LineNumber": "1", "CallSequence": "1"}, "A": [1}}',
        '{"ApiCall": {"UserID": {"LineNumber": "1", "CallSequence": "1}}}',
        "{'ApiCall': {'UserID': {'LineNumber': '1', 'CallSequence': '1'}}}",
        '{"ApiCall": {"UserID": {"LineNumber": "1", "CallSequence": "1"}}}}',
        '{"ApiCall": {"UserID": {"LineNumber": "1", /* */ "CallSequence": "1"}}}',
        "<ApiCall><UserID><LineNumber>1</LineNumber><CallSequence>1</UserID></CallSequence></ApiCall>",
        "<ApiCall><UserID><LineNumber>1</LineNumber><CallSequence>1</CallSequence></UserID>",
        "<ApiCall><UserID><LineNumber>1</LineNumber><CallSequence>1 & 2</CallSequence></UserID></ApiCall>",
    ],
)
def test_no_other_fault_is_mended(faulty: str) -> None:
    with pytest.raises(ProtocolError, match=r"not (JSON|XML)"):
        document.read(faulty.encode(), "")


def test_end_tags_in_another_case_are_mended_around_comments_and_cdata() -> None:
    inner = "<!-- </x> --><A b='>'>1</a><B><![CDATA[</B>]]></b><C/><D/>"
    read = document.read(as_xml(f"<Infocaller>{inner}</INFOCALLER>"), "")
    assert read.extra == {"infocaller.a": "1", "infocaller.b": "</B>"}
    assert len(read.repairs) == 3

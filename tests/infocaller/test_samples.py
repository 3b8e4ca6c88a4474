"""The manual's own samples, exactly as printed."""

import json
from xml.etree import ElementTree

import pytest

from bridge.errors import ProtocolError
from bridge.infocaller import document
from bridge.infocaller.json_document import parse as parse_json
from bridge.infocaller.messages import Format, QueryAnswer
from bridge.infocaller.signature import matches
from bridge.infocaller.xml_document import parse as parse_xml
from tests.infocaller.documents import SAMPLES


def sample(name: str) -> bytes:
    return (SAMPLES / name).read_bytes()


def test_the_event_in_json_lacks_its_last_brace_and_is_read() -> None:
    read = document.read(sample("informativa.json"), "application/json")
    assert read.repairs == ("last brace missing",)
    assert (read.line_number, read.outbound_number_int, read.variables) == ("DATO", "DATO", {"DATO": "DATO"})
    assert (str(read.cost_rx), read.seconds, read.start) == ("0.000000", None, None)
    assert [event.info for event in read.status] == [("DATO",) * 5] * 2
    assert read.extra["infocaller.callseconds"] == "DATO"


def test_the_event_in_xml_closes_a_tag_in_another_case_and_is_read() -> None:
    read = document.read(sample("informativa.xml"), "text/xml")
    assert read.repairs == ("end tag that differs in case in line 16",)
    assert (read.format, read.line_number, read.status, read.variables) == (Format.XML, "", (), {})


def test_the_query_in_json_has_a_trailing_comma_and_is_read() -> None:
    read = document.read(sample("interactiva.json"), "")
    assert read.repairs == ("trailing comma in line 15", "last brace missing")
    assert (read.query_name, read.format) == ("DATO", Format.JSON)


def test_the_query_in_xml_is_read_without_repairs() -> None:
    read = document.read(sample("interactiva.xml"), "application/xml")
    assert (read.repairs, read.query_name, read.format) == ((), "", Format.XML)


@pytest.mark.parametrize("name", ["userid.json", "userid-interactiva.json"])
def test_the_signed_identification_matches_its_password(name: str) -> None:
    read = document.read(b'{"ApiCall": {' + sample(name) + b"}}", "")
    assert matches(read, "3956")
    assert not matches(read, "3957")


@pytest.mark.parametrize("name", ["answer.json", "emission.json", "emission-answer.json"])
def test_the_other_samples_in_json_parse_with_the_known_repairs(name: str) -> None:
    tree, repairs = parse_json(sample(name).decode())
    assert isinstance(tree, dict)
    assert all("comma" in repair or "brace" in repair for repair in repairs)


@pytest.mark.parametrize("name", ["answer.xml", "emission.xml", "emission-answer.xml"])
def test_the_other_samples_in_xml_parse(name: str) -> None:
    tree, repairs = parse_xml(sample(name).decode())
    assert isinstance(tree, dict)
    assert repairs == ()


@pytest.mark.parametrize("name", ["emission.json", "emission.xml"])
def test_a_document_of_another_kind_is_named_as_such(name: str) -> None:
    with pytest.raises(ProtocolError, match="no ApiCall"):
        document.read(sample(name), "")


def test_what_we_answer_has_the_parts_of_the_manuals_answer() -> None:
    answer = QueryAnswer("DATO", "DATO", {"DATO": "DATO"})
    printed, _ = parse_json(sample("answer.json").decode())
    written = json.loads(document.write(answer, Format.JSON)[0])
    one = {"VarName": "DATO", "VarValue": "DATO"}
    assert written == {"ApiCall": {"Status": {"Result": "DATO", "ResultText": "DATO"}, "CustVars": {"CustVar": [one]}}}
    assert isinstance(printed, dict)
    assert json.loads(json.dumps(written).lower()).keys() == printed.keys()


def test_what_we_answer_in_xml_has_the_elements_of_the_manuals_answer() -> None:
    written = document.write(QueryAnswer("", "", {"A": "", "B": ""}), Format.XML)[0].decode("iso-8859-1")
    ours = [element.tag for element in ElementTree.fromstring(written.encode("iso-8859-1")).iter()]
    assert ours == [element.tag for element in ElementTree.fromstring(sample("answer.xml")).iter()]

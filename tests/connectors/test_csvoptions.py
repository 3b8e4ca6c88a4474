"""What `check` says of a configuration's CSV files."""

from pathlib import Path

import pytest
from pydantic import ValidationError

from connectors.base import Deadline, Problem
from connectors.csv.connector import CsvConnector
from tests.connectors.csvcase import SOON, connector, options


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "contacts.csv").write_text("Code;Name;Phone\n1;Ana;600112233\n")
    return tmp_path


def problems(folder: Path, **said: object) -> list[Problem]:
    return list(options(**said).problems(folder))


def of_contact(folder: Path, **said: object) -> list[tuple[tuple[str | int, ...], str]]:
    table = {"file": "contacts.csv", **said}
    return [(problem.loc, problem.text) for problem in problems(folder, tables={"contact": table})]


def test_what_is_right_has_no_problems(folder: Path) -> None:
    assert of_contact(folder, key="Code", phones=["Phone"], newest="Name") == []


def test_a_file_that_is_looked_up_must_be_there(folder: Path) -> None:
    [(loc, text)] = of_contact(folder, file="contact.csv", phones=["Phone"])
    assert loc == ("tables", "contact", "file")
    assert text.endswith("contact.csv; did you mean contacts.csv?")
    [(_, text)] = of_contact(folder, file="data/contacts.csv", phones=["Phone"])
    assert "nor a folder" in text


def test_the_bridges_own_lock_is_not_offered_for_a_file_that_is_gone(folder: Path) -> None:
    (folder / "contacts.csv").rename(folder / ".contacts.csv.lock")
    [(_, text)] = of_contact(folder, phones=["Phone"])
    assert text.endswith("there is no file " + str(folder / "contacts.csv"))


def test_a_file_that_is_only_written_need_not_be_there_but_its_folder(folder: Path) -> None:
    assert of_contact(folder, file="new.csv") == []
    [(loc, text)] = of_contact(folder, file="data/new.csv")
    assert loc == ("tables", "contact", "file")
    assert "there is no folder" in text
    [problem] = problems(folder, activities={"file": "data/activities.csv"})
    assert problem.loc == ("activities", "file")


def test_columns_that_the_header_lacks_are_named_with_what_was_meant(folder: Path) -> None:
    assert of_contact(folder, key="code", phones=["Mobile", "Phone"], newest="Changed") == [
        (("tables", "contact", "key"), "contacts.csv has no column code; did you mean Code?"),
        (("tables", "contact", "newest"), "contacts.csv has no column Changed; it has Code, Name, Phone"),
        (("tables", "contact", "phones", 0), "contacts.csv has no column Mobile; it has Code, Name, Phone"),
    ]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "empty"),
        (b"a,a\n", "a more than once"),
        (b"\n", "first row is empty"),
        ("Phone,Name\n".encode("utf-16-le"), "utf-16-le"),
    ],
)
def test_a_header_that_can_not_be_used_is_a_problem(folder: Path, content: bytes, said: str) -> None:
    (folder / "contacts.csv").write_bytes(content)
    [(loc, text)] = of_contact(folder, phones=["Phone"])
    assert loc == ("tables", "contact", "file")
    assert said in text


def test_a_folder_is_no_file(folder: Path) -> None:
    (folder / "data").mkdir()
    assert "is a folder" in of_contact(folder, file="data", phones=["Phone"])[0][1]
    assert "is a folder" in problems(folder, activities={"file": "data"})[0].text


def test_two_things_are_not_written_to_one_file(folder: Path) -> None:
    [problem] = problems(folder, tables={"survey": {"file": "out.csv"}}, activities={"file": "./out.csv"})
    assert problem == Problem(("activities", "file"), "out.csv is tables.survey already; write to a file of its own")


def test_tasks_need_an_id(folder: Path) -> None:
    (folder / "tasks.csv").write_text("ID,phone\n")
    [problem] = problems(folder, tasks={"file": "tasks.csv"})
    assert problem == Problem(("tasks", "file"), "tasks.csv has no column id; did you mean ID?", outage=True)


@pytest.mark.parametrize(
    "table",
    [
        {},
        {"file": ""},
        {"file": "x", "encoding": "klingon"},
        {"file": "x", "delimiter": "ab"},
        {"file": "x", "kee": "a"},
    ],
)
def test_options_that_make_no_sense_are_refused(table: dict[str, str]) -> None:
    with pytest.raises(ValidationError):
        options(tables={"contact": table})


def test_abilities_are_those_of_the_tables(folder: Path) -> None:
    said = options(
        tables={
            "contact": {"file": "contacts.csv", "phones": ["Phone"]},
            "order": {"file": "contacts.csv", "key": "Code"},
            "survey": {"file": "survey.csv"},
        }
    )
    can = said.abilities()
    assert (set(can.by_phone), set(can.by_key)) == ({"contact"}, {"order"})
    assert can.saves == {"contact", "order", "survey"}
    assert not can.activities
    assert not can.tasks
    assert list(said.problems(folder)) == []
    assert said.abilities().fields == {
        "contact": {"Code", "Name", "Phone", "id"},
        "order": {"Code", "Name", "Phone", "id"},
    }


def test_a_tab_may_be_spelled_out(folder: Path) -> None:
    (folder / "contacts.csv").write_text("Name,x\tPhone\nAna,y\t600112233\n")
    assert of_contact(folder, phones=["Phone"], delimiter="tab") == []


def test_options_of_another_connector_are_refused(folder: Path) -> None:
    from connectors.base import ConnectorOptions, Context

    with pytest.raises(TypeError):
        CsvConnector("x", ConnectorOptions(type="csv"), Context(folder))


def test_probing_says_what_each_table_holds(folder: Path) -> None:
    said = {"contact": {"file": "contacts.csv", "phones": ["Phone"]}, "none": {"file": "none.csv", "key": "id"}}
    with connector(folder, tables=said) as opened:
        findings = {finding.what: finding for finding in opened.probe(Deadline.after(SOON))}
    assert findings["table contact"].text == "1 row with Code, Name, Phone"
    assert findings["lookup in contact"].text == "1 found by •••233"
    assert not findings["table none"].ok

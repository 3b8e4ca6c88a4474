"""What a configuration that has faults can still be used for: serving, or stopping something."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from bridge.config.essentials import NoDatabase, essentials
from bridge.config.load import Loaded, attempt, load, load_to_serve
from bridge.config.watch import Watched
from bridge.errors import ConfigurationFaults
from tests.config.files import ENVIRONMENT, LINES, write

GOOD = f"""{LINES}
connectors:
  agenda:
    type: csv
    tables: {{contact: {{file: contacts.csv, phones: [phone]}}}}
  shop:
    type: rest
    base_url: http://127.0.0.1:9/
    auth: {{type: bearer, token: "secret-token"}}
    records:
      contact: {{search: {{path: /c, params: {{q: "{{{{ phone.e164 }}}}"}}}}, fields: {{id: id, name: name}}}}
queries:
  Q:
    find: {{contact: {{in: [agenda, shop], phone: "{{{{ caller }}}}"}}}}
    answer: {{NOMBRE: "{{{{ contact.name }}}}"}}
callbacks:
  - {{name: promo, line: "912345678", rule_group: promo}}
tests:
  - {{ask: Q, caller: "600111222"}}
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "contacts.csv").write_text("phone,name\n600111222,Ana\n", encoding="utf-8")
    return tmp_path


def served(folder: Path, text: str) -> Loaded:
    return load_to_serve(write(folder, text), ENVIRONMENT)


def test_a_good_configuration_has_nothing_out_of_order(folder: Path) -> None:
    found = served(folder, GOOD)
    assert found == load(write(folder, GOOD), ENVIRONMENT)
    assert (found.faults, found.out, found.outages) == ((), {}, ())


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("secret-token", "${TOKEN}"),
        ("secret-token", "${file:token}"),
        ("phone.e164", "phon.e164"),
        ("phone.e164", "phone.e164 |"),
        ("base_url: http", "base_ur: http"),
        ("type: rest", "type: rost"),
        ("type: rest", ""),
        ("http://127.0.0.1:9/", "127.0.0.1"),
    ],
)
def test_a_connector_whose_section_is_at_fault_is_out_and_the_others_are_there(
    folder: Path, before: str, after: str
) -> None:
    text = GOOD.replace(before, after)
    found = served(folder, text)
    assert list(found.out) == ["shop"]
    assert found.faults == found.out["shop"] == attempt(write(folder, text), ENVIRONMENT).faults
    assert list(found.configuration.connectors) == ["agenda"]
    assert list(found.configuration.queries) == ["Q"]
    with pytest.raises(ConfigurationFaults):
        load(write(folder, text), ENVIRONMENT)


def spoil(path: Path) -> None:
    path.write_bytes(b"PK\x03\x04")


@pytest.mark.parametrize("spoil", [spoil, Path.unlink, lambda path: path.write_text("phone,nombre\n6,Ana\n")])
def test_a_file_at_fault_leaves_its_connector_in_place(folder: Path, spoil: Callable[[Path], None]) -> None:
    spoil(folder / "contacts.csv")
    text = GOOD.replace("in: [agenda, shop]", "in: agenda")
    found = served(folder, text)
    assert (found.out, len(found.outages)) == ({}, 1)
    assert list(found.configuration.connectors) == ["agenda", "shop"]
    with pytest.raises(ConfigurationFaults):
        load(write(folder, text), ENVIRONMENT)


def test_faults_of_tests_keep_nothing_from_serving(folder: Path) -> None:
    found = served(folder, GOOD.replace("ask: Q", "ask: X"))
    assert len(found.ignored) == 1
    assert found.configuration.tests == []


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("{PASSWORD}", "{NOT_SET}"),
        ("lines:", "lnes:"),
        ("contact.name", "contct.name"),
        ("  Q:", "Q:"),
        ("queries:", "database: mysql://\nqueries:"),
        ("in: [agenda, shop]", "in: [agenda, shap]"),
        ("connectors:", "connectors:\n  agenda: {type: csv}"),
    ],
)
def test_anything_else_still_ends_the_start(folder: Path, before: str, after: str) -> None:
    with pytest.raises(ConfigurationFaults):
        served(folder, GOOD.replace(before, after))


def test_a_change_is_taken_up_only_where_nothing_more_is_out_of_order(folder: Path) -> None:
    heard: list[object] = []
    path = write(folder, GOOD.replace("secret-token", "${TOKEN}").replace("type: csv", "type: cvs"))
    watched = Watched(load_to_serve(path, ENVIRONMENT), heard.append, heard.append, environ=ENVIRONMENT)

    def told(text: str) -> object:
        write(folder, text)
        watched.look()
        watched.look()
        return heard.pop()

    better = told(GOOD.replace("secret-token", "${TOKEN}"))
    assert isinstance(better, Loaded)
    assert list(better.out) == ["shop"]
    assert isinstance(told(GOOD.replace("type: csv", "type: cvs")), tuple)
    good = told(GOOD)
    assert isinstance(good, Loaded)
    assert good.faults == ()
    (folder / "contacts.csv").unlink()
    assert isinstance(told(GOOD + "language: en\n"), tuple)


# what is needed to stop something

DATABASE = "database: sqlite:///mine.db\n"


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("{PASSWORD}", "{NOT_SET}"),
        ("contact.name", "contct.name"),
        ("    answer:", "   answer:"),
        ("  agenda:", "agenda: ]"),
        ('"secret-token"', "'secret-token"),
        ("queries:", "\tqueries:"),
        ("queries:", "queries: *nothing"),
    ],
)
def test_database_lines_and_sources_are_found_whatever_else_is_at_fault(folder: Path, before: str, after: str) -> None:
    text = DATABASE + GOOD.lstrip("\n").replace(before, after)
    with pytest.raises(ConfigurationFaults):
        served(folder, text)
    found = essentials(write(folder, text), ENVIRONMENT)
    configuration = found.loaded.configuration
    assert not found.whole
    assert found.faults
    assert configuration.database.get_secret_value() == "sqlite:///mine.db"
    assert [line.number for line in configuration.lines] == ["912345678"]
    assert [source.title for source in configuration.callbacks] == ["promo"]


@pytest.mark.parametrize(
    "text",
    [
        "database: postgresql://u:${DB_PASSWORD}@h/n\n" + GOOD,
        "databse: sqlite:///mine.db\n" + GOOD,
        "database sqlite:///mine.db\n" + GOOD,
        "server:\n  port: 80\n database: sqlite:///mine.db\n" + GOOD,
        DATABASE + "database: sqlite:///other.db\n" + GOOD,
        DATABASE + GOOD.replace("    answer:", "   answer:") + DATABASE,
        "database: mysql://h/n\n" + GOOD,
        "database: [1]\n" + GOOD,
        "state: ${STATE}\n" + GOOD,
    ],
)
def test_which_database_is_meant_is_never_guessed(folder: Path, text: str) -> None:
    with pytest.raises(NoDatabase):
        essentials(write(folder, text.lstrip("\n")), ENVIRONMENT)


def test_a_file_that_never_names_a_database_means_the_usual_one(folder: Path) -> None:
    found = essentials(write(folder, GOOD.replace("    answer:", "   answer:")), ENVIRONMENT)
    assert found.loaded.configuration.database.get_secret_value() == "sqlite:///bridge.db"


def test_a_file_that_holds_nothing_but_the_database_is_enough(folder: Path) -> None:
    found = essentials(write(folder, DATABASE), ENVIRONMENT)
    assert found.loaded.configuration.database.get_secret_value() == "sqlite:///mine.db"
    assert found.loaded.configuration.lines == []


def test_a_file_that_is_not_there_is_said_so(folder: Path) -> None:
    with pytest.raises(ConfigurationFaults, match="does not exist"):
        essentials(folder / "nothing.yaml", ENVIRONMENT)

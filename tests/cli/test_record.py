"""`record` keeps what a CRM answers, and a case of the configuration plays it where there is no CRM."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.conftest import Run
from tests.fakes.rest_crm import RestCrm, customer

TOKEN = "tok-0123456789abcdef"
CONFIGURATION = """
lines: [{{number: "912345678", password: "3956"}}]
connectors:
  agenda:
    type: csv
    tables: {{contact: {{file: contacts.csv, phones: [phone]}}}}
  shop:
    type: rest
    base_url: {url}
    auth: {{type: bearer, token: tok-0123456789abcdef}}
    records:
      contact:
        search: {{path: /customers, params: {{q: "{{{{ phone.national }}}}"}}}}
        items: data
        fields: {{name: full_name}}
queries:
  DESVIO:
    find: {{contact: {{in: [agenda, shop], phone: "{{{{ caller }}}}"}}}}
    answer: {{NOMBRE: "{{{{ contact.name }}}}"}}
    not_found: {{NOMBRE: nadie}}
"""


@pytest.fixture
def crm() -> Iterator[RestCrm]:
    with RestCrm() as server:
        server.auth = "bearer"
        server.store.customers = [customer(1, "Eva: la 2.ª", "600 22 23 33"), customer(2, "Luis", "699222333")]
        yield server


@pytest.fixture
def config(tmp_path: Path, crm: RestCrm) -> Path:
    (tmp_path / "contacts.csv").write_text("phone,name\n600111222,Ana\n", encoding="utf-8")
    file = tmp_path / "config.yaml"
    file.write_text(CONFIGURATION.format(url=crm.url), encoding="utf-8")
    return file


def recorded(run: Run, config: Path) -> tuple[Path, str]:
    """The file, and the case that the command proposes."""
    file = config.parent / "answers" / "eva.yaml"
    said = run("record", "desvio", "--caller", "600222333", "--to", file)
    assert said.code == 0, said
    assert "personal data" in said.err
    return file, said.out.partition("A test that plays it:\n")[2]


def test_the_case_that_it_proposes_passes_without_the_crm(run: Run, config: Path, crm: RestCrm) -> None:
    file, case = recorded(run, config)
    assert "replay: answers/eva.yaml" in case
    text = file.read_text(encoding="utf-8")
    assert "PERSONAL DATA" in text
    assert "Eva: la 2.ª" in text
    assert TOKEN not in text
    assert file.stat().st_mode & 0o777 == 0o600
    config.write_text(config.read_text() + case, encoding="utf-8")
    crm.close()
    said = run("test")
    assert (said.code, said.out) == (0, "1 passed, 0 failed\n")
    assert run("check").code == 0


def test_a_mapping_that_is_changed_is_tested_on_what_was_kept(run: Run, config: Path, crm: RestCrm) -> None:
    _, case = recorded(run, config)
    count = len(crm.requests)
    config.write_text((config.read_text() + case).replace("full_name", "owner.phone"), encoding="utf-8")
    said = run("test")
    assert said.code == 1
    assert "NOMBRE is '911000001', not 'Eva: la 2.ª'" in said.out
    config.write_text(config.read_text().replace("phone.national", "phone.e164"), encoding="utf-8")
    said = run("test")
    assert said.code == 1
    assert "eva.yaml (shop) keeps no answer to GET" in said.out
    assert "q=+••••••••333" in said.out
    assert len(crm.requests) == count


def test_ask_plays_a_file_as_well(run: Run, config: Path, crm: RestCrm) -> None:
    file, _ = recorded(run, config)
    crm.close()
    said = run("ask", "DESVIO", "--caller", "600222333", "--replay", file)
    assert said.code == 0
    assert "NOMBRE = Eva: la 2.ª" in said.out
    assert run("ask", "DESVIO", "--caller", "600222333").code == 1


def test_a_file_is_not_replaced_unasked(run: Run, config: Path) -> None:
    file, _ = recorded(run, config)
    before = file.read_text(encoding="utf-8")
    said = run("record", "DESVIO", "--caller", "699222333", "--to", file)
    assert said.code == 2
    assert "--force" in said.err
    assert file.read_text(encoding="utf-8") == before
    assert run("record", "DESVIO", "--caller", "699222333", "--to", file, "--force").code == 0
    assert "Luis" in file.read_text(encoding="utf-8")


def test_where_no_crm_was_asked_there_is_nothing_to_keep(run: Run, config: Path) -> None:
    file = config.parent / "ana.yaml"
    said = run("record", "DESVIO", "--caller", "600111222", "--to", file)
    assert said.code == 1
    assert "nothing was kept" in said.err
    assert not file.exists()


def test_an_outage_is_kept_and_played_too(run: Run, config: Path, crm: RestCrm) -> None:
    crm.close()
    file = config.parent / "away.yaml"
    said = run("record", "DESVIO", "--caller", "600222333", "--to", file)
    assert said.code == 1
    assert "no_answer:" in file.read_text(encoding="utf-8")
    config.write_text(config.read_text() + said.out.partition("A test that plays it:\n")[2], encoding="utf-8")
    assert run("test").code == 0


@pytest.mark.parametrize(("content", "said"), [(None, "record"), ("answers: 7", "answers")])
def test_check_says_which_file_of_answers_can_not_be_played(
    content: str | None, said: str, run: Run, config: Path
) -> None:
    if content is not None:
        (config.parent / "eva.yaml").write_text(content)
    config.write_text(config.read_text() + "tests: [{ask: DESVIO, replay: eva.yaml}]\n", encoding="utf-8")
    for command in ("check", "test"):
        ended = run(command)
        assert ended.code == 1
        assert "eva.yaml" in ended.err
        assert said in ended.err


def test_the_trace_has_each_request_in_order_with_its_answer_and_its_time(run: Run, config: Path, crm: RestCrm) -> None:
    crm.delay = 0.05
    said = run("ask", "DESVIO", "--caller", "600222333", "--trace")
    first, second, answer = said.out.index("[1] agenda"), said.out.index("[2] shop"), said.out.index("Query DESVIO")
    assert first < second < answer
    assert "contacts.csv, 1 row: •••333 looked for in phone\n    → 0 found" in said.out
    asked = re.search(
        r"GET \S+/customers\?q=••••••333\n    → 200 OK \(application/json, \d+ bytes, (\d+) ms\)", said.out
    )
    assert asked
    assert int(asked[1]) >= 50
    for private in ("600222333", "600 22 23 33", TOKEN):
        assert private not in said.out


def test_for_scripts_the_trace_keeps_out_of_the_json(run: Run, config: Path) -> None:
    said = run("ask", "DESVIO", "--caller", "600222333", "--trace", "--json")
    assert said.out.startswith("{")
    assert "[2] shop" in said.err
    assert run("check", "--trace").code == 2

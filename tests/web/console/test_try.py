"""*Try it*: asked as a call would ask; nothing is saved, until an answer is kept as a test."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from html import unescape
from pathlib import Path

import pytest

from bridge.web.console.sections import Role
from tests.web.bridge_process import KEY, PASSWORD, Bridge, betrays, running
from tests.web.console.case import USERS, Browser, words

CONFIGURATION = f"""
server: {{url_key: {KEY}, workers: 1}}
sensitive: [PIN]
lines:
  - {{number: "912345678", password: "{PASSWORD}"}}
  - {{number: "934567890", password: "3957"}}
connectors:
  agenda:
    type: csv
    link: "https://crm.example.com/{{{{ record.id }}}}"
    tables:
      contact: {{file: contacts.csv, key: id, phones: [phone]}}
      survey: {{file: survey.csv}}
queries:
  QUIEN:
    find: {{contact: {{in: agenda, phone: "{{{{ caller }}}}"}}}}
    answer: {{NOMBRE: "{{{{ contact.name }}}}", DATO: "{{{{ vars.DATO }}}}"}}
    not_found: {{result: 4, text: "nadie"}}
  HORA: {{answer: {{DIA: "{{{{ now | date('%d/%m/%Y') }}}}", LINEA: "{{{{ line }}}}"}}}}
  ENCUESTA:
    save: {{in: agenda, table: survey, fields: {{score: "{{{{ vars.NOTA }}}}"}}}}
    answer: {{GUARDADO: "1"}}
  SECRETO: {{answer: {{PIN: "{{{{ vars.PIN }}}}"}}}}
# the tests that we keep
tests:
  - {{ask: ENCUESTA, answer: {{GUARDADO: "1"}}}}  # the first
{USERS}"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("try")
    (folder / "contacts.csv").write_text("id,phone,name\n7,600111222,Ana <Muñoz>\n", encoding="utf-8")
    (folder / "config.yaml").write_text(CONFIGURATION, encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def bridge(folder: Path) -> Iterator[Bridge]:
    with running(folder) as bridge:
        yield bridge


@pytest.fixture(scope="module")
def admin(bridge: Bridge) -> Browser:
    return Browser(bridge).sign_in(Role.ADMIN)


@pytest.fixture(scope="module")
def viewer(bridge: Bridge) -> Browser:
    return Browser(bridge).sign_in(Role.VIEWER)


def test_an_answer_with_the_way_to_it(admin: Browser) -> None:
    page = admin.post("/console/try", {"query": "QUIEN", "caller": "600 11 12 22", "variables": "dato = a=b\n\n"})
    assert page.status_code == 200
    told = words(page)
    assert "Answer to QUIEN Result 0 Outcome found" in told
    assert "NOMBRE Ana <Muñoz> DATO a=b" in told
    assert "contact agenda found" in told
    assert 'href="https://crm.example.com/7"' in page.text
    assert "<Muñoz>" not in page.text


def test_nobody_and_the_hidden(admin: Browser) -> None:
    page = admin.post("/console/try", {"query": "quien", "caller": ""})
    assert "Result 4 Outcome not found" in words(page)
    assert "ResultText nadie" in words(page)


def test_as_of_another_moment_on_another_line(admin: Browser) -> None:
    page = admin.post("/console/try", {"query": "HORA", "line": "934567890", "at": "2026-12-24T21:30"})
    assert "DIA 24/12/2026 LINEA 934567890" in words(page)


def test_what_would_be_saved_is_shown_and_not_done(admin: Browser, folder: Path) -> None:
    page = admin.post("/console/try", {"query": "ENCUESTA", "variables": "NOTA=5"})
    assert "save[0] agenda would be saved" in words(page)
    assert 'survey: {"score": "5"}' in words(page)
    assert not (folder / "survey.csv").exists()


def test_the_command_asks_the_same(admin: Browser) -> None:
    page = admin.post("/console/try", {"query": "QUIEN", "caller": "600111222", "variables": "DATO=d'o ñ"})
    command = re.search(r'<pre class="command">(.*?)</pre>', page.text, re.DOTALL)
    assert command
    run = subprocess.run(
        ["bash", "-c", unescape(command[1])], env=os.environ | {"INFOCALLER_PASSWORD": PASSWORD}, capture_output=True,
        check=True,
    )  # fmt: skip
    values = {pair["VarName"]: pair["VarValue"] for pair in json.loads(run.stdout)["ApiCall"]["CustVars"]["CustVar"]}
    assert values == {"NOMBRE": "Ana &lt;Muñoz&gt;", "DATO": "d&apos;o ñ"}
    assert not betrays(command[1])


def test_a_viewer_may_ask_and_sees_no_data(viewer: Browser) -> None:
    page = viewer.post("/console/try", {"query": "QUIEN", "caller": "600111222", "variables": "DATO=privado"})
    assert page.status_code == 200
    told = words(page)
    assert "Result 0 Outcome found" in told
    assert "NOMBRE ••• DATO •••" in told
    for hidden in ("Ana", "crm.example.com", KEY, "Keep it as a test"):
        assert hidden not in page.text
    assert "score" not in viewer.post("/console/try", {"query": "ENCUESTA", "variables": "NOTA=5"}).text
    assert viewer.post("/console/try/keep", {"case": "{}"}).status_code == 403


def test_a_sensitive_variable_is_shown_and_kept_nowhere(admin: Browser) -> None:
    page = admin.post("/console/try", {"query": "SECRETO", "variables": "PIN=8861"})
    assert "PIN •••" in words(page)
    assert "It can't be kept, because a variable is sensitive." in words(page)
    assert page.text.count("8861") == 1  # where it was typed


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"query": ""}, "Choose a Query."),
        ({"query": "ECO", "line": "900"}, "Line 900 is not in the configuration."),
        ({"query": "ECO", "variables": "no value"}, "Line 1 of the variables is not NAME=value."),
        ({"query": "ECO", "at": "yesterday"}, "Write the moment as in"),
        ({"query": "ECO", "at": "9999-12-31T23:59"}, "Write the moment as in"),
    ],
)
def test_a_form_that_can_not_be_understood_is_told_and_stays(
    admin: Browser, fields: dict[str, str], reason: str
) -> None:
    page = admin.post("/console/try", fields)
    assert page.status_code == 422
    assert reason in words(page)


@pytest.mark.parametrize("query", ["<script>alert(1)</script>", "x" * 5000, "\x00", "{{ 7 * 7 }}"])
def test_an_unknown_query_is_told(admin: Browser, query: str) -> None:
    page = admin.post("/console/try", {"query": query})
    assert page.status_code == 200
    assert "is not in the configuration" in words(page)
    assert "<script>alert" not in page.text
    assert "Keep it as a test" not in page.text


def test_the_form_is_filled_in_by_its_address(admin: Browser) -> None:
    page = admin.get("/console/try?query=HORA&caller=%3Cb%3E&variables=A%3D1%0AB%3D2")
    assert "<option selected>HORA</option>" in page.text
    assert 'value="&lt;b&gt;"' in page.text
    assert "A=1\nB=2" in page.text


def test_an_answer_is_kept_as_a_test_and_comments_stay(admin: Browser, folder: Path, bridge: Bridge) -> None:
    page = admin.post("/console/try", {"query": "QUIEN", "caller": "600111222", "variables": "DATO=1"})
    case = re.search(r'name="case" value="([^"]*)"', page.text)
    assert case
    answer = admin.post("/console/try/keep", {"case": unescape(case[1]), "query": "QUIEN"})
    assert (answer.status_code, answer.headers["Location"]) == (303, "/console/try"), words(answer)
    text = (folder / "config.yaml").read_text("utf-8")
    kept = (
        '  - ask: QUIEN\n    caller: "600111222"\n    vars: {DATO: "1"}\n'
        '    answer: {NOMBRE: "Ana <Muñoz>", DATO: "1"}\n'
    )
    assert text == CONFIGURATION.replace("# the first\n", f"# the first\n{kept}")
    run = subprocess.run(
        [sys.executable, "-m", "bridge", "test", "-c", str(folder / "config.yaml")],
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.stdout == "2 passed, 0 failed\n", run.stderr


@pytest.mark.parametrize("case", ["", "[]", "{", '{"ask": 1}', '{"ask": "X", "nope": 1}', "[" * 100_000])
def test_a_case_that_is_none_is_refused(admin: Browser, folder: Path, case: str) -> None:
    before = (folder / "config.yaml").read_bytes()
    assert admin.post("/console/try/keep", {"case": case}).status_code in (400, 413, 422)
    assert admin.post("/console/try/keep", {"case": '{"ask": "NONE", "caller": "X"}'}).status_code == 422
    assert (folder / "config.yaml").read_bytes() == before

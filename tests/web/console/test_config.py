"""*Configuration*: real bridges whose files are changed in the console, or behind its back."""

from __future__ import annotations

import json
import re
import sqlite3
import stat
from collections.abc import Iterator
from html import unescape
from itertools import pairwise
from pathlib import Path

import pytest
import requests

from bridge.web.console.sections import Role
from tests.web.bridge_process import Bridge, query, running, until, written
from tests.web.console.case import USERS, Browser, words

CONFIGURATION = f"""# ours, with comments
server: {{url_key: unguessable-part-of-the-url, workers: 1}}
lines:
  - {{number: "912345678", password: "${{INFOCALLER_PASSWORD}}"}}   # the panel's
connectors:
  agenda: {{type: csv, tables: {{contact: {{file: contacts.csv, phones: [phone]}}}}}}
queries:
  QUIEN:
    find: {{contact: {{in: agenda, phone: "{{{{ caller }}}}"}}}}
    answer: {{NOMBRE: "{{{{ contact.name }}}}"}}
    not_found: {{NOMBRE: NADIE}}
  ECO: {{answer: {{X: "1"}}}}
tests:
  - {{ask: ECO, answer: {{X: "1"}}}}
{USERS}"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    (tmp_path / "contacts.csv").write_text("phone,name\n600111222,Ana\n", encoding="utf-8")
    path = tmp_path / "config.yaml"
    path.write_text(CONFIGURATION, encoding="utf-8")
    path.chmod(0o600)
    return path


@pytest.fixture
def bridge(file: Path) -> Iterator[Bridge]:
    with running(file.parent) as bridge:
        yield bridge


@pytest.fixture
def admin(bridge: Bridge) -> Browser:
    return Browser(bridge).sign_in(Role.ADMIN)


def field(answer: requests.Response, name: str) -> str:
    """The value of a hidden field of a page."""
    match = re.search(rf'name="{name}" value="([^"]*)"', answer.text)
    return unescape(match[1]) if match else ""


def text_in(answer: requests.Response) -> str:
    """The text in the editor."""
    match = re.search(r"<textarea id=\"text\"[^>]*>\n(.*?)</textarea>", answer.text, re.DOTALL)
    assert match
    return unescape(match[1])


def save(admin: Browser, text: str, **fields: str) -> requests.Response:
    expected = field(admin.get("/console/config"), "expected")
    return admin.post("/console/config/save", {"text": text, "expected": expected, **fields})


def answer_of(bridge: Bridge, name: str = "ECO") -> str:
    return bridge.post("query", *written(query(name))).text


def test_what_is_saved_is_in_force_within_moments_and_can_be_brought_back(
    bridge: Bridge, admin: Browser, file: Path
) -> None:
    page = admin.get("/console/config")
    assert text_in(page) == CONFIGURATION
    assert "in force" in words(page)
    assert "${INFOCALLER_PASSWORD}" in page.text
    changed = CONFIGURATION.replace('ECO: {answer: {X: "1"}}', 'ECO: {answer: {X: "2"}}  # changed')
    changed = changed.replace('{ask: ECO, answer: {X: "1"}}', '{ask: ECO, answer: {X: "2"}}')
    answer = save(admin, changed.replace("\n", "\r\n"))
    assert (answer.status_code, answer.headers["Location"]) == (303, "/console/config"), words(answer)
    assert file.read_text() == changed
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    until(lambda: '"VarValue":"2"' in answer_of(bridge).replace(" ", ""))
    until(lambda: ">in force<" in admin.get("/console/config").text)
    page = admin.get("/console/config")
    assert "ana" in words(page)
    [_, before] = re.findall(r'href="(/console/config/versions/[^"]+)"', page.text)
    version = admin.get(before)
    assert "<del>-  ECO: {answer: {X: &#34;2&#34;}}  # changed\n</del>" in version.text
    answer = admin.post(f"{before}/restore", {"expected": field(version, "expected")})
    assert answer.status_code == 303, words(answer)
    assert file.read_text() == CONFIGURATION
    with sqlite3.connect(file.parent / "bridge.db") as database:
        entries = database.execute(
            "SELECT who, action, before, after FROM audit WHERE action LIKE 'config.%'"
        ).fetchall()
    assert [entry[:2] for entry in entries] == [("ana", "config.save"), ("ana", "config.restore")]
    assert '+  ECO: {answer: {X: \\"2\\"}}  # changed' in entries[0][3]
    for secret in ("vera-secret-1", "scrypt:"):
        assert secret not in str(entries)
        assert secret not in bridge.log


def test_a_text_with_faults_is_not_saved_and_not_lost(admin: Browser, file: Path) -> None:
    faulty = CONFIGURATION + "qeries: <b>\n"
    answer = save(admin, faulty)
    assert answer.status_code == 422
    assert text_in(answer) == faulty
    assert f'data-line="{faulty.count(chr(10))}"' in answer.text
    assert "did you mean queries?" in words(answer)
    assert file.read_text() == CONFIGURATION
    assert "<b>\n" not in answer.text
    admin.get("/console/config?lang=es")
    assert "¿quiso decir queries?" in words(save(admin, faulty))
    admin.get("/console/config?lang=en")


def test_a_test_that_fails_is_asked_about_once(bridge: Bridge, admin: Browser, file: Path) -> None:
    changed = CONFIGURATION.replace('ECO: {answer: {X: "1"}}', 'ECO: {answer: {X: "3"}}')
    asked = save(admin, changed)
    assert asked.status_code == 422
    assert "X is '3', not '1'" in words(asked)
    assert "Save although tests fail" in words(asked)
    assert file.read_text() == CONFIGURATION
    other = save(admin, changed + "# more\n", sure=field(asked, "sure"))  # another text than what was asked about
    assert other.status_code == 422
    assert save(admin, changed, sure=field(asked, "sure")).status_code == 303
    assert file.read_text() == changed


def test_a_check_asks_the_tests_and_shows_what_differs_without_writing(admin: Browser, file: Path) -> None:
    admin.get("/console/config")
    changed = CONFIGURATION.replace("# ours", "# theirs")
    answer = admin.post("/console/config/check", {"text": changed})
    assert answer.status_code == 200
    assert "1 passes" in words(answer)
    assert "<ins>+# theirs, with comments\n</ins>" in answer.text
    assert file.read_text() == CONFIGURATION


def test_the_editor_is_told_of_faults_and_of_secrets_that_are_written_out(admin: Browser) -> None:
    admin.get("/console/config")
    answer = admin.post(
        "/console/config/check", {"text": CONFIGURATION + "smtp: {host: 1\n"}, Accept="application/json"
    )
    [fault] = answer.json()["faults"]
    assert (fault["severity"], fault["line"]) == ("error", CONFIGURATION.count("\n") + 2)
    answer = admin.post("/console/config/check", {"text": CONFIGURATION}, Accept="application/json")
    plain = [fault for fault in answer.json()["faults"] if "a secret in plain text" in fault["text"]]
    assert {fault["path"] for fault in plain} == {"server.url_key", "console.users[2].password"}
    assert {fault["severity"] for fault in plain} == {"warning"}


def test_a_file_that_somebody_else_changed_meanwhile_is_left_alone(admin: Browser, file: Path) -> None:
    expected = field(admin.get("/console/config"), "expected")
    theirs = CONFIGURATION.replace("# ours", "# by vi")
    file.write_text(theirs)
    answer = admin.post("/console/config/save", {"text": CONFIGURATION + "# mine\n", "expected": expected})
    assert answer.status_code == 409
    assert "Somebody else changed the file meanwhile" in words(answer)
    assert "<del>-# by vi, with comments\n</del>" in answer.text
    assert file.read_text() == theirs
    again = {"text": CONFIGURATION + "# mine\n", "expected": field(answer, "expected")}
    assert admin.post("/console/config/save", again).status_code == 303
    page = admin.get("/console/config")
    assert page.text.count("not in the console") == 1  # theirs is kept


def test_a_file_that_is_broken_behind_its_back_is_told_and_can_be_mended(
    bridge: Bridge, admin: Browser, file: Path
) -> None:
    file.write_text("lines: [\n")
    until(lambda: "the bridge goes on with what it took up before" in words(admin.get("/console/config")))
    page = admin.get("/console/config")
    assert ">refused<" in page.text
    assert text_in(page) == "lines: [\n"
    assert save(admin, CONFIGURATION).status_code == 303
    file.write_bytes(CONFIGURATION.replace("ours", "año").encode("cp1252"))
    page = admin.get("/console/config")
    assert "is not UTF-8 from here on" in words(page)
    assert "# año, with comments" in text_in(page)
    assert save(admin, text_in(page)).status_code == 303
    assert "# año" in file.read_text("utf-8")


def test_where_it_may_not_be_edited_it_is_shown_only(file: Path) -> None:
    file.write_text(CONFIGURATION.replace("console:", "console:\n  edit: false"))
    with running(file.parent) as bridge:
        admin = Browser(bridge).sign_in(Role.ADMIN)
        page = admin.get("/console/config")
        assert "the configuration says console.edit: false" in words(page)
        assert "readonly" in page.text
        assert save(admin, CONFIGURATION).status_code == 409
        assert admin.post("/console/config/check", {"text": CONFIGURATION}).status_code == 200
    assert "edit: false" in file.read_text()


@pytest.mark.parametrize(
    "text",
    [
        "a: &a [x,x,x,x,x,x,x,x,x]\n"
        + "".join(f"{this}: &{this} [{','.join([f'*{last}'] * 9)}]\n" for last, this in pairwise("abcdefg")),
        "{" * 5000,
        "</textarea><script>alert(1)</script>: [\n",
        "\x00\x01\ud7ff",
        "%YAML 1.3\n---\n" * 100,
        "",
    ],
)
def test_no_text_harms_it(admin_of_all: Browser, text: str) -> None:
    answer = admin_of_all.post("/console/config/check", {"text": text})
    assert answer.status_code == 200
    assert "can't be saved" in words(answer)
    assert "<script>alert" not in answer.text


def test_what_is_too_large_is_refused(admin_of_all: Browser) -> None:
    answer = admin_of_all.post("/console/config/check", {"text": "#" * 2_000_000})
    assert answer.status_code == 413
    assert admin_of_all.get("/console/config").status_code == 200


@pytest.fixture(scope="module")
def admin_of_all(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    """One bridge for the tests that change nothing."""
    folder = tmp_path_factory.mktemp("config")
    (folder / "contacts.csv").write_text("phone,name\n600111222,Ana\n", encoding="utf-8")
    (folder / "config.yaml").write_text(CONFIGURATION, encoding="utf-8")
    with running(folder) as bridge:
        browser = Browser(bridge).sign_in(Role.ADMIN)
        browser.get("/console/config")
        yield browser


def test_the_schema_is_there_for_admins_and_styles_carry_a_nonce(admin_of_all: Browser) -> None:
    assert "queries" in json.loads(admin_of_all.get("/console/config/schema.json").text)["properties"]
    first, second = (admin_of_all.get("/console/config") for _ in range(2))
    nonces = [re.search(r'data-nonce="([^"]+)"', page.text) for page in (first, second)]
    assert nonces[0]
    assert nonces[1]
    assert nonces[0][1] != nonces[1][1]
    assert f"style-src 'self' 'nonce-{nonces[0][1]}'" in first.headers["Content-Security-Policy"]
    assert "unsafe" not in first.headers["Content-Security-Policy"]


@pytest.mark.parametrize("name", ["x", "..%2f..%2fconfig.yaml", "20260101T000000000000-000000000000"])
def test_a_version_that_is_not_kept_is_nothing(admin_of_all: Browser, name: str) -> None:
    assert admin_of_all.get(f"/console/config/versions/{name}").status_code == 404
    assert admin_of_all.post(f"/console/config/versions/{name}/restore").status_code == 404

"""What strangers write into addresses and forms, and what calls, CRMs and files say: it is answered, shows as text, and
only to who may see it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from datetime import UTC, datetime
from html import unescape
from pathlib import Path
from urllib.parse import urlencode

import pytest

from bridge.config.console import ConsoleUser
from bridge.errors import StoreUnavailable
from bridge.runtime.limits import SharedLimits
from bridge.store.database import Database
from bridge.store.schema import connect
from bridge.web.console.sections import Role
from bridge.web.console.sessions import Sessions
from bridge.web.console.signing import SigningKey
from bridge.web.console.site import access
from tests.web.bridge_process import Bridge, running
from tests.web.console import routes
from tests.web.console.case import CONFIGURATION, Browser
from tests.web.console.filled import ASKED, HOSTILE, fill

_PEOPLE = 'callbacks: [{name: people, line: "934567890", rule_group: people, hours: always}]\n'
_PARAMETERS = (
    "after", "who", "action", "since", "until", "from", "to", "period", "line", "number", "name", "result", "extension",
    "with", "state", "kind", "connector", "source", "campaign", "days", "upload", "open", "query", "caller", "at",
    "variables", "lang", "next", "v",
)  # fmt: skip
_FIELDS = ("id", "rang", "reason", "case", "text", "expected", "sure", *_PARAMETERS)
_DAYS = ("0001-01-01", "9999-12-31", "0001-01-01T00:00", "9999-12-31T23:59:59.999999", "2026-02-30")
_PLACES = ("WzFd", "WyI5OTk5LTEyLTMxVDIzOjU5OjU5KzAwOjAwIiwgMV0=", "WyIwMDAxLTAxLTAxVDAwOjAwOjAwLTE0OjAwIiwgMV0=")
_VALUES = (
    HOSTILE,
    "\0",
    "9" * 30,
    "-1",
    "\ud83d",
    "%",
    "x" * 1000,
    "\u0661\u0662",
    "../../etc/passwd",
    *_DAYS,
    *_PLACES,
)
_IDS = ("0", "-1", "9" * 30, str(2**63), "%00", "%2e%2e%2fconfig.yaml", urlencode({"": HOSTILE})[1:], "x" * 5000, "%ff")


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bridge]:
    folder = tmp_path_factory.mktemp("hostile")
    _write(folder, "sqlite:///bridge.db")
    with running(folder) as bridge:
        yield bridge


def _write(folder: Path, url: str) -> None:
    (folder / "config.yaml").write_text(f"{CONFIGURATION}{_PEOPLE}database: {url}\n", encoding="utf-8")
    database = connect(url, folder)
    fill(database)
    database.close()


def _rules(method: str, *, single: bool) -> list[str]:
    return [rule for _, verb, rule in routes.ROUTES if verb == method and single is ("<" in rule)]


def _query(names: Sequence[str], value: str) -> dict[str, bytes]:
    return dict.fromkeys(names, value.encode("utf-8", "surrogatepass"))


def _answered(bridge: Bridge) -> None:
    browser = Browser(bridge).sign_in(Role.ADMIN)
    for rule in _rules("GET", single=False):
        for value in _VALUES:
            answer = browser.get(f"{rule}?{urlencode(_query(_PARAMETERS, value))}")
            assert answer.status_code < 500, (rule, value)
            assert "<script>alert" not in answer.text or "text/html" not in answer.headers["Content-Type"]
    for rule in _rules("GET", single=True):
        for id_ in _IDS:
            assert browser.get(re.sub(r"<[^>]*+>", id_, rule)).status_code < 500, (rule, id_)


def test_whatever_an_address_says_it_is_answered(filled: Bridge) -> None:
    _answered(filled)


@pytest.mark.acceptance
def test_whatever_an_address_says_it_is_answered_on_postgresql(tmp_path: Path, postgres_url: str) -> None:
    _write(tmp_path, postgres_url)
    with running(tmp_path) as bridge:
        _answered(bridge)


def test_whatever_a_form_says_it_is_answered(tmp_path: Path) -> None:
    _write(tmp_path, "sqlite:///bridge.db")
    with running(tmp_path) as bridge:
        browser = Browser(bridge).sign_in(Role.ADMIN)
        token = browser.token
        before = (tmp_path / "config.yaml").read_text("utf-8")
        for rule in (
            *_rules("POST", single=False),
            *(re.sub(r"<[^>]*+>", "1", r) for r in _rules("POST", single=True)),
        ):
            for value in (HOSTILE, "9" * 30, "\ud83d", "\0", "9999-12-31", "[" * 20_000, "", None):
                fields: Mapping[str, object] = {} if value is None else _query(_FIELDS, value)
                answer = browser.post(rule, fields, token=token)
                assert answer.status_code < 500, (rule, value, answer.text)
                assert "<script>alert" not in answer.text
            for kind in ("multipart/form-data", "multipart/form-data; boundary=x", "application/json", "text/plain"):
                headers = {"X-CSRF-Token": token, "Content-Type": kind}
                assert browser.post(rule, None, token="", **headers).status_code < 500
        assert (tmp_path / "config.yaml").read_text("utf-8") == before


def test_a_viewer_is_told_no_number_name_or_word_of_callers_anywhere(filled: Bridge) -> None:
    viewer = Browser(filled).sign_in(Role.VIEWER)
    readable = {endpoint for endpoint, terms in access().items() if terms.role is Role.VIEWER}
    pages = [rule for endpoint, method, rule in routes.ROUTES if method == "GET" and endpoint in readable]
    waiting = [ASKED.get(rule, rule) for rule in pages if "<" not in rule] + ["/console/live?extension=101&open=1"]
    single = {rule: re.compile(re.sub(r"<[^>]*+>", "[^/?]++", rule)) for rule in pages if "<" in rule}
    opened = 0
    while waiting:
        address = waiting.pop()
        answer = viewer.get(address)
        assert answer.status_code in (200, 403), address
        text = unescape(answer.content.decode("latin-1"))
        assert not re.search(r"600\D{0,3}(11\D?1|22\D?2|1\D?11|2\D?22)", text), address
        assert "alert(" not in text, address
        assert "crm.example.com" not in text, address
        opened += 1
        for link in re.findall(r'href="(/console/[^"#?]*)"', answer.text):
            rule = next((rule for rule, pattern in single.items() if pattern.fullmatch(link)), "")
            if rule:
                del single[rule]
                waiting.append(link)
    assert opened > len(pages) - 3


def test_a_viewer_does_not_find_out_who_is_called_by_looking_for_a_number(filled: Bridge) -> None:
    viewer, operator = Browser(filled).sign_in(Role.VIEWER), Browser(filled).sign_in(Role.OPERATOR)
    for number, rows in (("600222003", 1), ("699999999", 0)):
        address = f"/console/callbacks?number={number}"
        assert len(re.findall("/console/callbacks/[0-9]", operator.get(address).text)) == rows
        assert len(re.findall("/console/callbacks/[0-9]", viewer.get(address).text)) > 1


def test_whether_a_cookie_is_ours_is_said_while_the_database_is_away(tmp_path: Path) -> None:
    def away() -> bytes:
        raise StoreUnavailable("away")

    def none() -> Database:
        raise StoreUnavailable("away")

    ana = ConsoleUser.model_validate({"name": "ana", "password": "ana-secret-1", "role": "admin"})
    with closing(SharedLimits(tmp_path / "limits.db")) as limits:
        signing = SigningKey(away, tmp_path)
        sessions = Sessions(lambda: {"ana": ana}, none, signing, limits, lambda: datetime.now(UTC))
        cookie = sessions.begin(ana)
        assert sessions.genuine(cookie)
        assert not sessions.genuine(cookie[:-1] + ("0" if cookie[-1] != "0" else "1"))
        assert sessions.of(cookie) is not None


def test_a_stranger_sends_no_large_file_not_even_as_the_first_of_all(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text(f"{CONFIGURATION}{_PEOPLE}", encoding="utf-8")
    with running(tmp_path) as bridge:
        answer = Browser(bridge).upload("/console/callbacks/campaigns/upload", {}, "people.csv", b"x" * 100_000)
        assert answer.status_code == 413
        operator = Browser(bridge).sign_in(Role.OPERATOR)
    with running(tmp_path) as bridge:
        operator.move_to(bridge)
        fields, people = {"source": "people"}, b"id,phone\n" + b"".join(b"%d,6%08d\n" % (n, n) for n in range(10_000))
        assert operator.upload("/console/callbacks/campaigns/upload", fields, "people.csv", people).status_code == 303

"""Who gets in, and for how long."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from werkzeug.security import check_password_hash

from bridge.web.console.sections import Role
from tests.web.bridge_process import Bridge, running, until
from tests.web.console.case import CONFIGURATION, PASSWORDS, USERS, Browser, words

HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cache-Control": "no-store",
}


def _tried(browser: Browser, name: str, password: str, **headers: str) -> int:
    browser.get("/console/login", **headers)
    return browser.post("/console/login", {"name": name, "password": password}, **headers).status_code


def test_a_page_leads_to_the_sign_in_and_the_sign_in_back_to_it(console: Bridge) -> None:
    browser = Browser(console)
    answer = browser.get("/console/audit?who=ana&action=x%20y")
    assert answer.status_code == 303
    form = browser.get(answer.headers["Location"])
    assert 'name="next" value="/console/audit?who=ana&amp;action=x%20y"' in form.text
    name, password = PASSWORDS[Role.ADMIN]
    answer = browser.post(
        "/console/login", {"name": name, "password": password, "next": "/console/audit?who=ana&action=x%20y"}
    )
    assert answer.headers["Location"] == "/console/audit?who=ana&action=x%20y"
    assert browser.get(answer.headers["Location"]).status_code == 200


@pytest.mark.parametrize(
    "elsewhere",
    ["https://evil.example", "//evil.example", "/console//evil.example", "/\\evil.example", "/console/\\..", "/healthz",
     "/console/\r\nSet-Cookie: a=b", "javascript:alert(1)", "/console/login", "/console/<script>",
     "/console/../callbacks/x", "/console/%2e%2e/healthz", "/console/calls/..", "/console/./%2E./x"],
)  # fmt: skip
def test_a_link_to_the_sign_in_leads_nowhere_else(console: Bridge, elsewhere: str) -> None:
    browser = Browser(console)
    browser.get("/console/login")
    name, password = PASSWORDS[Role.ADMIN]
    answer = browser.post("/console/login", {"name": name, "password": password, "next": elsewhere})
    assert (answer.status_code, answer.headers["Location"]) == (303, "/console/")


def test_a_sign_in_without_the_token_of_its_form_is_refused(console: Bridge) -> None:
    name, password = PASSWORDS[Role.ADMIN]
    stolen = Browser(console)
    stolen.get("/console/login")
    for token in ("", "0" * 64, "é", stolen.token):  # the last one is another browser's
        browser = Browser(console)
        browser.get("/console/login")
        answer = browser.post("/console/login", {"name": name, "password": password}, token=token)
        assert answer.status_code == 400
        assert "console_session" not in browser.cookies


def test_cookies_are_out_of_reach_of_scripts_and_of_other_sites(console: Bridge) -> None:
    browser = Browser(console)
    browser.get("/console/login")
    name, password = PASSWORDS[Role.ADMIN]
    answer = browser.post("/console/login", {"name": name, "password": password})
    cookie = answer.headers["Set-Cookie"]
    assert cookie.startswith("console_session=")
    assert {"HttpOnly", "SameSite=Lax", "Path=/console/"} <= set(cookie.split("; "))
    assert "Secure" not in cookie  # there is no TLS here


def test_behind_a_trusted_proxy_with_tls_cookies_are_secure(tmp_path: Path) -> None:
    proxied = CONFIGURATION.replace("server: {", "server: {trusted_proxies: [127.0.0.1], ")
    (tmp_path / "config.yaml").write_text(proxied, encoding="utf-8")
    name, password = PASSWORDS[Role.ADMIN]
    tls = {"X-Forwarded-Proto": "https", "X-Forwarded-For": "198.51.100.7"}
    with running(tmp_path) as bridge:
        browser = Browser(bridge)
        page = browser.get("/console/login", **tls)
        form_cookie = page.headers["Set-Cookie"].partition(";")[0]
        assert "Secure" in page.headers["Set-Cookie"].split("; ")
        answer = browser.post("/console/login", {"name": name, "password": password}, Cookie=form_cookie, **tls)
        assert answer.status_code == 303
        assert "Secure" in answer.headers["Set-Cookie"].split("; ")
        assert "Secure" not in browser.get("/console/login").headers.get("Set-Cookie", "")
        headers = {**tls, "X-Forwarded-Host": "pbx.example", "Cookie": answer.headers["Set-Cookie"].partition(";")[0]}
        assert "https://pbx.example/infocaller/" in browser.get("/console/connect", **headers).text


def test_a_stranger_does_not_say_where_the_bridge_is(console: Bridge, admin: Browser) -> None:
    headers = {"X-Forwarded-Proto": "https", "X-Forwarded-Host": "evil.example", "X-Forwarded-For": "192.0.2.1"}
    page = admin.get("/console/connect", **headers).text
    assert "evil.example" not in page
    assert f"http://127.0.0.1:{console.port}/infocaller/" in page
    assert "evil" not in admin.get("/console/connect", Host='evil"><script>').text


def test_a_session_ends_on_the_server(console: Bridge) -> None:
    browser = Browser(console).sign_in(Role.ADMIN)
    browser.get("/console/")
    kept, token = browser.cookies["console_session"], browser.token
    assert browser.post("/console/logout", token="").status_code == 400
    assert browser.get("/console/").status_code == 200
    assert browser.post("/console/logout").status_code == 303
    for _ in range(6):  # whichever process answers
        again = Browser(console)
        again.set_cookie("console_session", kept)
        assert again.get("/console/").status_code == 303
        assert again.post("/console/lines/pause", {"line": "912345678"}, token=token).status_code == 401
    assert browser.sign_in(Role.ADMIN).cookies["console_session"] != kept


@pytest.mark.parametrize("change", ["x", "upper", "cut", "other"])
def test_a_cookie_that_somebody_made_or_changed_is_nobodys(console: Bridge, admin: Browser, change: str) -> None:
    kept = admin.cookies["console_session"]
    viewer = Browser(console).sign_in(Role.VIEWER).cookies["console_session"]
    forged = {
        "x": "x" * 3000, "upper": kept.upper(), "cut": kept[:-1],
        "other": ".".join([*viewer.split(".")[:3], kept.split(".")[3], viewer.split(".")[4]]),
    }[change]  # fmt: skip
    browser = Browser(console)
    browser.set_cookie("console_session", forged)
    assert browser.get("/console/").status_code == 303


def test_from_the_sixth_wrong_password_on_nobody_is_let_in_by_that_name(tmp_path: Path) -> None:
    proxied = CONFIGURATION.replace("server: {", "server: {trusted_proxies: [127.0.0.1], ").replace(
        "workers: 1", "workers: 2"
    )  # which count together
    (tmp_path / "config.yaml").write_text(proxied, encoding="utf-8")
    name, password = PASSWORDS[Role.ADMIN]
    with running(tmp_path) as bridge:
        browser = Browser(bridge)
        tries = [_tried(browser, name, "a-guess", **{"X-Forwarded-For": f"198.51.100.{n}"}) for n in range(7)]
        assert tries == [401] * 5 + [429] * 2
        page = browser.post("/console/login", {"name": name, "password": password}, **{"X-Forwarded-For": "192.0.2.1"})
        assert page.status_code == 429  # the right one, too
        assert 800 < int(page.headers["Retry-After"]) <= 900
        assert "Try again in 15 min." in words(page)
        assert 'name="password"' in page.text
        # another name, by its address
        sender = {"X-Forwarded-For": "2001:db8:1:1::7"}
        other, right = PASSWORDS[Role.VIEWER]
        assert [_tried(browser, f"nobody{n}", "wrong", **sender) for n in range(6)] == [401] * 5 + [429]
        assert _tried(browser, other, right, **{"X-Forwarded-For": "2001:db8:1:1::8"}) == 429  # its neighbour
        assert _tried(browser, other, right, **{"X-Forwarded-For": "2001:db8:1:2::7"}) == 303
        assert "nobody1" not in bridge.log
        assert "a-guess" not in bridge.log
    with running(tmp_path) as bridge:
        assert _tried(Browser(bridge), name, password) == 429  # a restart lets nobody in


def test_five_wrong_passwords_lock_nobody_out(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text(CONFIGURATION, encoding="utf-8")
    name, password = PASSWORDS[Role.ADMIN]
    with running(tmp_path) as bridge:
        assert [_tried(Browser(bridge), name, "wrong") for _ in range(5)] == [401] * 5
        assert _tried(Browser(bridge), name, password) == 303


def test_who_is_changed_or_removed_in_the_configuration_is_signed_out(tmp_path: Path) -> None:
    file = tmp_path / "config.yaml"
    file.write_text(CONFIGURATION, encoding="utf-8")
    with running(tmp_path) as bridge:
        browsers = {role: Browser(bridge).sign_in(role) for role in Role}
        changed = CONFIGURATION.replace("role: operator", "role: admin")
        file.write_text(changed.replace("    - {name: vera, password: vera-secret-1, role: viewer}\n", ""))
        until(lambda: browsers[Role.VIEWER].get("/console/").status_code == 303)
        until(lambda: browsers[Role.OPERATOR].get("/console/").status_code == 303)
        assert browsers[Role.ADMIN].get("/console/").status_code == 200
        assert browsers[Role.OPERATOR].sign_in(Role.OPERATOR).get("/console/audit").status_code == 200
        file.write_text(CONFIGURATION.replace(USERS, ""))
        until(lambda: browsers[Role.ADMIN].get("/console/").status_code == 404)
        assert browsers[Role.ADMIN].get("/console/login").json() == {"error": "there is nothing at this URL"}


def test_the_one_password_is_that_of_admin(tmp_path: Path) -> None:
    with running(tmp_path, "  console_password: one-password-1") as bridge:
        browser = Browser(bridge)
        assert 'value="admin"' in browser.get("/console/login").text
        assert browser.post("/console/login", {"name": "admin", "password": "one-password-1"}).status_code == 303
        assert browser.get("/console/audit").status_code == 200


@pytest.mark.parametrize(
    "name", ["", " ", "\0", "ana\0", "ANA", "a" * 10_000, "<script>", "' OR 1=1 --", "\ud83d", "áña"]
)
def test_strange_names_and_passwords_are_wrong_ones(tmp_path_factory: pytest.TempPathFactory, name: str) -> None:
    from bridge.config.console import ConsoleUser
    from bridge.runtime.limits import SharedLimits
    from bridge.web.console.passwords import Passwords

    users = {"ana": ConsoleUser.model_validate({"name": "ana", "password": "contraseña", "role": "admin"})}
    limits = SharedLimits(tmp_path_factory.mktemp("limits") / "console.db")
    passwords = Passwords(lambda: users, limits)
    assert passwords.check(name, "contraseña", "192.0.2.1") is None
    assert passwords.check("ana", name, "192.0.2.1") is None
    assert passwords.check("ana", "contraseña", "192.0.2.1") is users["ana"]
    limits.close()


def test_a_hash_is_made_of_standard_input(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "bridge", "console", "hash"]
    run = subprocess.run(command, input="contraseña nueva\n", capture_output=True, text=True, check=True)
    assert run.stdout.startswith("scrypt:")
    assert check_password_hash(run.stdout.strip(), "contraseña nueva")
    assert subprocess.run(command, input="short\n", capture_output=True, text=True, check=False).returncode == 2


def test_every_answer_has_the_headers_that_keep_others_out(console: Bridge, admin: Browser) -> None:
    for browser, path, status in (
        (admin, "/console/", 200), (admin, "/console/nothing", 404), (Browser(console), "/console/login", 200),
        (Browser(console), "/console/nothing", 401),
    ):  # fmt: skip
        answer = browser.get(path)
        assert answer.status_code == status
        assert HEADERS.items() <= answer.headers.items()
        policy = answer.headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert "frame-ancestors 'none'" in policy
        assert answer.headers["Content-Type"] == "text/html; charset=utf-8"


def test_files_are_open_and_kept_for_as_long_as_they_do_not_change(console: Bridge) -> None:
    browser = Browser(console)
    page = browser.get("/console/login").text
    address = page.partition('href="/console/static/console.css')[2].partition('"')[0]
    answer = browser.get(f"/console/static/console.css{address}")
    assert "immutable" in answer.headers["Cache-Control"]
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert browser.get("/console/static/console.css?v=old").headers["Cache-Control"] == "no-cache"
    assert browser.get("/console/static/console.css", **{"If-None-Match": answer.headers["ETag"]}).status_code == 304
    for none in ("nothing.css", "..%2f__init__.py", "%2e%2e/site.py", ""):
        assert browser.get(f"/console/static/{none}").status_code in (401, 404)


def test_what_is_too_large_is_not_read(console: Bridge, operator: Browser) -> None:
    for browser, path in ((operator, "/console/lines/pause"), (Browser(console), "/console/login")):
        browser.get("/console/" if browser is operator else "/console/login")
        assert browser.post(path, {"line": "9" * 100_000}).status_code == 413
    assert Browser(console).post("/console/nothing", {"x": "y"}).status_code == 401

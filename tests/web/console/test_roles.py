"""Every route of the console says who may use it, and nobody else can."""

from __future__ import annotations

import re

import pytest

from bridge.web.console.sections import Role
from bridge.web.console.site import access
from tests.web.bridge_process import Bridge
from tests.web.console import routes
from tests.web.console.case import Browser


def _address(rule: str) -> str:
    """An address of a rule."""
    return re.sub(r"<[^>]*+>", "1", rule)


ROUTES = [(endpoint, method, _address(rule)) for endpoint, method, rule in routes.ROUTES]


def test_each_route_says_who_may_use_it() -> None:
    assert {endpoint for endpoint, _, _ in ROUTES} == set(access())


def test_what_changes_something_is_for_no_viewer_but_to_try() -> None:
    allowed = {endpoint for endpoint, terms in access().items() if terms.kind == "action" and terms.role is Role.VIEWER}
    assert allowed <= {"try.ask"}


@pytest.mark.parametrize(("endpoint", "method", "address"), ROUTES)
def test_what_a_role_may_not_is_refused(
    console: Bridge, viewer: Browser, operator: Browser, admin: Browser, endpoint: str, method: str, address: str
) -> None:
    terms = access()[endpoint]
    for role, browser in ((Role.VIEWER, viewer), (Role.OPERATOR, operator), (Role.ADMIN, admin)):
        if role < terms.role:
            answer = browser.get(address) if method == "GET" else browser.post(address)
            assert answer.status_code == 403, (role, answer.text)
        elif method == "GET":
            answer = browser.get(address)
            assert answer.status_code in (200, 302, 303, 404), (role, answer.text)
        else:
            assert browser.post(address, token="").status_code == 400


@pytest.mark.parametrize(("endpoint", "method", "address"), ROUTES)
def test_without_signing_in_there_is_nothing_but_the_sign_in(
    console: Bridge, endpoint: str, method: str, address: str
) -> None:
    browser = Browser(console)
    answer = browser.get(address) if method == "GET" else browser.post(address)
    if access()[endpoint].kind == "page":
        assert (answer.status_code, answer.headers["Location"][:20]) == (303, "/console/login?next=")
    else:
        assert answer.status_code == 401
    assert browser.get(address, **{"X-Console-Live": "1"}).status_code in (401, 405)

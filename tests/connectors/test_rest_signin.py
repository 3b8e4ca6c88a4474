"""How the REST connector signs in."""

from __future__ import annotations

import logging
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from connectors.base import ConnectorError, Context, Deadline, LookupQuery, Misconfigured, TimedOut, Unavailable
from connectors.rest.building import Credentials
from connectors.rest.signin import Fetched, SignedIn, lasting
from tests.connectors.rest_case import CALLER, Opened, opened
from tests.fakes.rest_crm import RestCrm
from tests.fakes.rest_crm.signin import CLIENT_ID, CLIENT_SECRET, PASSWORD, REFRESH_TOKEN, TOKEN, USER

LOGIN = {"path": "/login", "json": {"user": USER, "password": PASSWORD}}
HEADER = {"Authorization": "Session {{ (login.user ~ ':' ~ login.token) | b64encode }}"}
BEARER = {"Authorization": "Bearer {{ login.result.token }}"}


def oauth(crm: RestCrm, **more: Any) -> dict[str, Any]:
    return {"type": "oauth2", "token_url": f"{crm.url}/token", "client_id": CLIENT_ID,
            "client_secret": CLIENT_SECRET, **more}  # fmt: skip


def rpc(password: str = PASSWORD) -> dict[str, Any]:
    rule = {"when": "error", "text": "error.message"}
    login = {"path": "/rpc", "json": {"params": {"user": USER, "password": password}}, "error": rule}
    return {"type": "session", "login": login, "headers": BEARER, "expires": "result.expires_in"}


def ways(crm: RestCrm) -> dict[str, tuple[str, dict[str, Any]]]:
    """Each way to sign in: what the CRM wants, and the section `auth`."""
    return {
        "none": ("none", {"type": "none"}),
        "basic": ("basic", {"type": "basic", "username": USER, "password": PASSWORD}),
        "bearer": ("bearer", {"type": "bearer", "token": TOKEN}),
        "header": ("header", {"type": "api_key", "header": "X-Api-Key", "value": TOKEN}),
        "param": ("param", {"type": "api_key", "param": "api_key", "value": TOKEN}),
        "client_credentials": ("oauth2", oauth(crm, scope="crm.read crm.write")),
        "client_credentials_basic": ("oauth2", oauth(crm, client_auth="basic", params={"audience": "x"})),
        "refresh_token": ("oauth2", oauth(crm, grant="refresh_token", refresh_token=REFRESH_TOKEN)),
        "password": ("oauth2", oauth(crm, grant="password", username=USER, password=PASSWORD)),
        "session": ("session", {"type": "session", "login": LOGIN, "headers": HEADER, "expires": "expires_in"}),
        "cookie": ("cookie", {"type": "session", "login": {"path": "/login", "form": LOGIN["json"]}, "cookies": True}),
        "jsonrpc": ("jsonrpc", rpc()),
    }


FETCHED = ["client_credentials", "refresh_token", "password", "session", "cookie", "jsonrpc"]
ALL = ["none", "basic", "bearer", "header", "param", "client_credentials_basic", *FETCHED]


@pytest.mark.parametrize("way", ALL)
def test_every_way_to_sign_in_lets_in_and_shows_no_secret(crm: RestCrm, way: str) -> None:
    crm.auth, auth = ways(crm)[way]
    with opened(crm, auth=auth) as crm_:
        assert crm_.names() == ["Ana"]
        assert crm_.names() == ["Ana"]
    assert crm.signins.count == (1 if way in FETCHED or way == "client_credentials_basic" else 0)
    shown = "\n".join(crm_.seen)
    assert crm.url in shown
    for secret in (PASSWORD, TOKEN, CLIENT_SECRET, REFRESH_TOKEN, "issued-token"):
        assert secret not in shown


@pytest.mark.parametrize("way", FETCHED)
def test_simultaneous_lookups_sign_in_once(crm: RestCrm, way: str) -> None:
    crm.auth, auth = ways(crm)[way]
    crm.delay = 0.02
    with opened(crm, auth=auth) as crm_, ThreadPoolExecutor(16) as pool:
        assert list(pool.map(lambda _: crm_.names(), range(32))) == [["Ana"]] * 32
        assert crm.signins.count == 1
        crm.signins.revoke()
        assert list(pool.map(lambda _: crm_.names(), range(32))) == [["Ana"]] * 32
    assert crm.signins.count == 2


@pytest.mark.parametrize("way", ["session", "client_credentials"])
def test_a_sign_in_that_runs_out_is_renewed_before_anyone_is_refused(crm: RestCrm, way: str) -> None:
    crm.auth, auth = ways(crm)[way]
    now = 0.0

    def clock() -> float:
        return now

    crm.signins.clock, crm.signins.lifetime = clock, 100.0
    with opened(crm, auth=auth, context={"clock": clock}) as crm_:
        for seconds in range(0, 250, 5):
            now = float(seconds)
            assert crm_.names() == ["Ana"]
    assert crm.signins.count == 3
    assert all("→ 401" not in exchange for exchange in crm_.seen)


@pytest.mark.parametrize("way", ["basic", *FETCHED])
def test_a_rejected_password_is_never_tried_again(crm: RestCrm, way: str) -> None:
    crm.auth, auth = ways(crm)[way]
    crm.signins.password = "another"
    wrong = {**auth, "client_secret": "wrong"} if way == "client_credentials" else auth
    wrong = {**auth, "refresh_token": "wrong"} if way == "refresh_token" else wrong
    with opened(crm, auth=wrong) as crm_:
        for _ in range(3):
            with pytest.raises(Misconfigured, match="refused"):
                crm_.names()
    assert len(crm.requests) == 1
    crm.signins.password = PASSWORD
    with opened(crm, auth=auth) as crm_:
        assert crm_.names() == ["Ana"]


def test_a_token_that_is_refused_is_the_admins_to_mend(crm: RestCrm) -> None:
    crm.auth = "bearer"
    with opened(crm, auth={"type": "bearer", "token": "wrong"}) as crm_:
        with pytest.raises(Misconfigured, match="mend auth"):
            crm_.names()
        crm.auth = "none"
        assert crm_.names() == ["Ana"]


def test_a_401_renews_once_and_no_more(crm: RestCrm) -> None:
    crm.auth, auth = ways(crm)["session"]
    with opened(crm, auth=auth) as crm_:
        assert crm_.names() == ["Ana"]
        crm.auth = "bearer"  # from now on nothing that it hands out is good
        with pytest.raises(Misconfigured, match="refused again after signing in anew"):
            crm_.names()
        assert crm.signins.count == 2


def test_an_outage_of_the_sign_in_is_no_refusal(crm: RestCrm) -> None:
    crm.auth, auth = ways(crm)["client_credentials"]
    crm.faults.add("down", "/token")
    with opened(crm, auth=auth) as crm_:
        with pytest.raises(Unavailable, match="503"):
            crm_.names()
        crm.faults.clear()
        assert crm_.names() == ["Ana"]


def test_the_time_of_the_sign_in_counts_in_the_call(crm: RestCrm) -> None:
    crm.auth, auth = ways(crm)["session"]
    crm.faults.add("hang", "/login")
    with opened(crm, auth=auth) as crm_, ThreadPoolExecutor(8) as pool:

        def late(_: int) -> bool:
            with pytest.raises(TimedOut):
                crm_.contacts(seconds=0.4)
            return True

        assert all(pool.map(late, range(8)))


def test_a_token_without_a_stated_life_is_good_as_long_as_the_crm_takes_it(crm: RestCrm) -> None:
    crm.auth, auth = ways(crm)["client_credentials"]
    crm.signins.says_lifetime = False
    with opened(crm, auth=auth) as crm_:
        assert crm_.names() == crm_.names() == ["Ana"]
        assert crm.signins.count == 1
        crm.signins.revoke()
        assert crm_.names() == ["Ana"]


def test_a_refresh_token_that_is_replaced_is_used_from_then_on(crm: RestCrm, caplog: pytest.LogCaptureFixture) -> None:
    crm.auth, auth = ways(crm)["refresh_token"]
    crm.signins.rotates = True
    with opened(crm, auth=auth) as crm_, caplog.at_level(logging.WARNING):
        for _ in range(3):
            assert crm_.names() == ["Ana"]
            crm.signins.revoke()
    assert [form["refresh_token"] for form in crm.signins.forms] == [
        REFRESH_TOKEN,
        "refresh-s3cret-1",
        "refresh-s3cret-2",
    ]
    assert "replaces its refresh tokens" in caplog.text
    assert "refresh-s3cret-1" not in caplog.text + "".join(crm_.seen)


def test_a_session_that_is_over_may_be_told_in_words(crm: RestCrm) -> None:
    crm.auth, auth = ways(crm)["session"]
    auth["renew"] = {"when": "message == 'expired'"}
    with opened(crm, auth=auth) as crm_:
        assert crm_.names() == ["Ana"]
        kept, crm.store.customers = crm.store.customers, []
        order = {"id": 1, "number": "5", "message": "expired"}
        crm.store.orders = [order]
        crm.store.customers = kept
        with pytest.raises(Misconfigured, match="refused again"):
            crm_.orders("5")
        assert crm.signins.count == 1 + len([path for path in crm.paths() if path == "POST /login"]) - 1
        assert crm.signins.count == 2


def test_a_password_shows_nowhere_whatever_the_login_calls_it(crm: RestCrm) -> None:
    crm.faults.add("error", "/login")
    login = {"path": "/login", "json": {"u": USER, "p": [PASSWORD], "method": "logIn"}}
    with opened(crm, auth={"type": "session", "login": login, "headers": HEADER}) as crm_:
        with pytest.raises(Unavailable):
            crm_.names()
        shown = "\n".join(crm_.seen)
    assert "logIn" in shown
    assert PASSWORD not in shown


def test_what_the_login_lacks_is_a_refusal(crm: RestCrm) -> None:
    crm.auth = "session"
    auth = {"type": "session", "login": LOGIN, "headers": {"Authorization": "Session {{ login.session.id }}"}}
    with opened(crm, auth=auth) as crm_, pytest.raises(Misconfigured, match=r"login\.session\.id is empty"):
        crm_.names()


def test_probing_says_that_signing_in_failed(crm: RestCrm) -> None:
    crm.auth, auth = ways(crm)["password"]
    crm.signins.password = "another"
    with opened(crm, auth=auth) as crm_:
        [finding] = crm_.connector.probe(Deadline.after(30))
    assert not finding.ok
    assert (finding.what, "refused" in finding.text) == ("sign in", True)


class Source:
    """Hands out credentials, or fails as it is told; the clock stands still until `now` is set."""

    def __init__(self, folder: Path) -> None:
        self.now = 100.0
        self.context = Context(folder=folder, clock=lambda: self.now)
        self.fails: ConnectorError | None = None
        self.count = 0

    def fetch(self, _deadline: Deadline) -> SignedIn:
        self.count += 1
        if self.fails is not None:
            raise self.fails
        return lasting(Credentials({"n": str(self.count)}), 100.0, self.now)


def test_who_waited_for_a_sign_in_that_failed_does_not_try_it_again(tmp_path: Path) -> None:
    source, begun, go_on = Source(tmp_path), threading.Event(), threading.Event()

    def fetch(_deadline: Deadline) -> SignedIn:
        source.count += 1
        begun.set()
        go_on.wait(30)
        raise Unavailable("down")

    fetched = Fetched(fetch, source.context)

    def current(_: int) -> None:
        with suppress(Unavailable):
            fetched.current(Deadline.after(30))

    with ThreadPoolExecutor(4) as pool:
        first = pool.submit(current, 0)
        assert begun.wait(30)
        waiting = [pool.submit(fetched.current, Deadline.after(30)) for _ in range(3)]
        time.sleep(0.1)
        go_on.set()
        first.result(30)
        for one in waiting:
            with pytest.raises(Unavailable, match="down"):
                one.result(30)
    assert source.count == 1


def test_a_renewal_ahead_of_time_that_fails_leaves_what_is_there(tmp_path: Path) -> None:
    source = Source(tmp_path)
    fetched = Fetched(source.fetch, source.context)
    assert fetched.current(Deadline.after(5)).credentials.headers == {"n": "1"}
    source.now += 95
    source.fails = Unavailable("down")
    assert fetched.current(Deadline.after(5)).credentials.headers == {"n": "1"}
    assert fetched.current(Deadline.after(5)).credentials.headers == {"n": "1"}
    assert source.count == 2  # not with every call
    source.now += 10
    with pytest.raises(Unavailable):
        fetched.current(Deadline.after(5))


def test_what_nobody_could_use_in_time_is_fetched_anew(tmp_path: Path) -> None:
    """A sign-in, then an outage, after which the CRM knows its sessions no more."""
    source, refusal = Source(tmp_path), Misconfigured("401")
    fetched = Fetched(source.fetch, source.context)
    held = fetched.current(Deadline.after(5))
    with pytest.raises(Misconfigured, match="refused right after signing in"):
        fetched.renew(held, refusal, Deadline.after(5))
    source.now += 61
    assert fetched.renew(held, refusal, Deadline.after(5)).credentials.headers == {"n": "2"}


def test_a_lookup_without_a_kind_is_refused(crm: RestCrm) -> None:
    with opened(crm) as crm_, pytest.raises(Misconfigured, match="can't look up thing"):
        crm_.connector.find(LookupQuery("thing", phone=CALLER), Deadline.after(5))
    assert isinstance(crm_, Opened)

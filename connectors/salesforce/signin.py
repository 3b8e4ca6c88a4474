"""Signing in: four ways to a session. Each is one request; nothing is tried twice here."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from pathlib import Path
from urllib.parse import urlsplit
from xml.parsers.expat import ExpatError
from xml.sax.saxutils import escape

import jwt
import requests
from simple_salesforce.exceptions import SalesforceAuthenticationFailed
from simple_salesforce.login import SalesforceLogin

from connectors.base import ConnectorError, Misconfigured, Unavailable
from connectors.http.failures import passes, retry_after
from connectors.http.session import Session
from connectors.salesforce.options import SOAP_ENDS, Login

_JWT_GRANT = "urn:ietf:params:oauth:grant-type:jwt-bearer"
_JWT_SECONDS = 150  # Salesforce takes up to three minutes; less leaves room for a clock that is a little ahead
_NEWEST_SOAP = "64.0"  # login() is gone from 65.0 on, whatever version the data calls use
_PASSING = frozenset({"server_error", "temporarily_unavailable", "rate_limit_exceeded", "login_rate_exceeded",
                      "unknown_error", "SERVER_UNAVAILABLE", "REQUEST_LIMIT_EXCEEDED"})  # fmt: skip
_HINTS = (
    ("not supported on this domain", "domain: must be your My Domain, such as acme.my"),
    ("no client credentials user", "give the app's Client Credentials Flow a Run As user (Policies)"),
    ("no valid scopes", "add the scope Manage user data via APIs (api) to the app"),
    ("hasn't approved", "pre-authorise the user: the app's policy and a permission set"),
    ("audience", "domain: must be login, or test for a sandbox"),
    ("invalid assertion", "the certificate uploaded to the app must be that of private_key_file"),
    ("ip restricted", "relax the app's or the user's IP restrictions"),
    ("inactive user", "the user is not active"),
    ("client identifier", "client_id: is not the app's consumer key"),
    ("client credentials", "client_secret: is not the app's consumer secret"),
    ("login()", f"SOAP login() is switched off here and ends with {SOAP_ENDS}: use client credentials"),
    ("security token", "password: or security_token: is wrong, or the user is locked out"),
)


@dataclass(frozen=True, slots=True)
class Access:
    """A session: `token` goes into each request, `instance` is where they go (`https://…`), `organization_id` the org
    where the answer named it, else empty."""

    token: str
    instance: str
    organization_id: str = ""


class LoginRejected(Misconfigured):
    """The login is wrong. `for_good`: trying again can only lock the account; only a new configuration helps."""

    def __init__(self, message: str, *, for_good: bool = True) -> None:
        super().__init__(message)
        self.for_good = for_good


def sign_in(login: Login, http: Session, folder: Path, version: str, now: Callable[[], float] = time.time) -> Access:
    """Return a new session. Raises `LoginRejected`, or another `ConnectorError` where it can't be known. `http` has the
    deadline set (`within`)."""
    if login.way == "session" and login.session_id:
        return Access(login.session_id.get_secret_value(), str(login.instance_url).rstrip("/"))
    if login.way == "client_credentials":
        secret = login.client_secret.get_secret_value() if login.client_secret else ""
        return _token(login, http, {"grant_type": "client_credentials"}, (str(login.client_id), secret), now)
    if login.way == "jwt":
        form = {"grant_type": _JWT_GRANT, "assertion": _assertion(login, folder, now())}
        return _token(login, http, form, None, now)
    return _soap(login, http, version)


def audience(login: Login) -> str:
    """`aud` of the JWT: login's, or test's for sandboxes."""
    if login.audience:
        return login.audience
    name = login.domain or "login"
    sandbox = name == "test" or ".sandbox." in f"{name}." or "--" in name
    return f"https://{'test' if sandbox else 'login'}.salesforce.com"


def _assertion(login: Login, folder: Path, now: float) -> str:
    claims = {
        "iss": login.client_id, "sub": login.username, "aud": audience(login), "exp": int(now) + _JWT_SECONDS,
    }  # fmt: skip
    try:
        key = (folder / str(login.private_key_file)).read_bytes()
        return jwt.encode(claims, key, algorithm="RS256")
    except (OSError, ValueError, TypeError, jwt.PyJWTError) as error:
        raise Misconfigured(f"login.private_key_file {login.private_key_file} can't be used: {error}") from error


def _token(
    login: Login, http: Session, form: Mapping[str, str], auth: tuple[str, str] | None, now: Callable[[], float]
) -> Access:
    response = http.post(f"{login.host}/services/oauth2/token", data=form, auth=auth)
    try:
        body = response.json()
    except requests.JSONDecodeError:
        body = None
    if not isinstance(body, dict):
        raise _not_salesforce(http, response)
    if response.status_code != 200:
        raise _refused(http, response, body, now())
    token, instance = body.get("access_token"), str(body.get("instance_url") or "")
    if not isinstance(token, str) or not instance.startswith("https://"):
        raise _not_salesforce(http, response)
    parts = urlsplit(str(body.get("id") or "")).path.split("/")
    organization = parts[-2] if len(parts) > 2 else ""
    return Access(token, instance.rstrip("/"), organization)


def _not_salesforce(http: Session, response: requests.Response) -> ConnectorError:
    text = f"{http.place(response.request)}: {response.status_code}, and no answer of Salesforce's sign-in"
    if passes(response.status_code) or response.status_code == 200:
        return Unavailable(text, exchange=http.describe(response), retry_after=retry_after(response))
    return Misconfigured(f"{text}: is login.domain right?", exchange=http.describe(response))


def _refused(http: Session, response: requests.Response, body: Mapping[str, object], now: float) -> ConnectorError:
    error, description = str(body.get("error") or ""), str(body.get("error_description") or "")
    text = http.mask.text(f"sign-in to Salesforce refused: {error}: {description}")
    if passes(response.status_code) or error in _PASSING or "rate exceeded" in description:
        return Unavailable(text, exchange=http.describe(response), retry_after=retry_after(response) or 60.0)
    skew = _skew(response, now)
    if "assertion" in str(response.request.body) and abs(skew) > 60:
        side = "behind" if skew > 0 else "ahead of"
        return LoginRejected(f"{text}; this machine's clock is {abs(skew):.0f} s {side} Salesforce's", for_good=False)
    return LoginRejected(f"{text}{_hint(description or error)}")


def _skew(response: requests.Response, now: float) -> float:
    """Seconds by which Salesforce's clock is ahead of ours, 0.0 where it does not say."""
    try:
        return parsedate_to_datetime(response.headers.get("Date", "")).timestamp() - now
    except (ValueError, TypeError):
        return 0.0


def _hint(description: str) -> str:
    lower = description.lower()
    return next((f"; {hint}" for words, hint in _HINTS if words in lower), "")


def _soap(login: Login, http: Session, version: str) -> Access:
    secret = login.security_token.get_secret_value() if login.security_token else ""
    try:
        token, host = SalesforceLogin(
            username=login.username, password=login.password.get_secret_value() if login.password else "",
            security_token=escape(secret), session=http, scratch_url=login.host,
            sf_version=_NEWEST_SOAP if float(version) > float(_NEWEST_SOAP) else version,
        )  # fmt: skip
    except SalesforceAuthenticationFailed as error:
        raise _soap_refused(http, error) from None
    except ExpatError as error:
        raise Unavailable(f"{login.host}: the answer to SOAP login() is no XML: {error}") from error
    return Access(token, f"https://{host}")


def _soap_refused(http: Session, error: SalesforceAuthenticationFailed) -> ConnectorError:
    text = http.mask.text(f"sign-in to Salesforce refused: {error.code}: {error.auth_message[:300]}")
    if isinstance(error.code, int):  # no SOAP came back at all
        if passes(error.code):
            return Unavailable(text)
        return Misconfigured(f"{text}: is login.domain right?")
    code = str(error.code or "")
    if code in _PASSING or "RATE" in code:
        return Unavailable(text, retry_after=60.0)
    return LoginRejected(f"{text}{_hint(error.auth_message)}")

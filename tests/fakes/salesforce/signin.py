"""How the pretended org lets people in: OAuth 2.0 (client credentials, JWT bearer) and SOAP `login()`."""

from __future__ import annotations

import base64
import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from xml.sax.saxutils import escape

import jwt
from cryptography import x509
from lxml import etree

JWT_GRANT = "urn:ietf:params:oauth:grant-type:jwt-bearer"
_PARTNER = "urn:partner.soap.sforce.com"
_SOAP = (
    '<?xml version="1.0" encoding="UTF-8"?><soapenv:Envelope '
    'xmlns:soapenv="http://schemas.xmlsoap.org/soap/envelope/" xmlns="urn:partner.soap.sforce.com" '
    'xmlns:sf="urn:fault.partner.soap.sforce.com" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">'
    "<soapenv:Body>{}</soapenv:Body></soapenv:Envelope>"
)


class NotIn(Exception):
    """OAuth's refusal: status, `error` and `error_description`."""

    def __init__(self, error: str, description: str, status: int = 400) -> None:
        super().__init__(error)
        self.error, self.description, self.status = error, description, status


@dataclass
class SignIn:
    """Who may come in, and the sessions that are open."""

    client_id: str = "3MVG9client"
    client_secret: str = "s3cret-of-the-app"
    username: str = "bridge@acme.example"
    password: str = "p&ss<word>1"
    security_token: str = "T0kenOfTheUser"
    certificate: bytes | None = None
    my_domain: bool = True
    soap: bool = True
    audience: str = "https://login.salesforce.com"
    sessions: set[str] = field(default_factory=set)
    count: int = 0
    """Sign-ins that were tried, good or bad."""
    clock: float = 0.0
    """Seconds by which the org's clock is ahead of ours."""

    def expire(self) -> None:
        """All sessions are over."""
        self.sessions.clear()

    def open(self) -> str:
        """A new session."""
        session = "00D8d0000000001!" + secrets.token_urlsafe(30)
        self.sessions.add(session)
        return session

    def token(self, form: Mapping[str, str], authorization: str) -> str:
        """The session for a request to `/services/oauth2/token`."""
        self.count += 1
        grant = form.get("grant_type")
        if grant == "client_credentials":
            return self._client_credentials(form, authorization)
        if grant == JWT_GRANT:
            return self._jwt(form.get("assertion", ""))
        raise NotIn("unsupported_grant_type", "grant type not supported")

    def _client_credentials(self, form: Mapping[str, str], authorization: str) -> str:
        if not self.my_domain:
            raise NotIn("invalid_grant", "request not supported on this domain")
        name, secret = form.get("client_id", ""), form.get("client_secret", "")
        if authorization.startswith("Basic "):
            name, _, secret = base64.b64decode(authorization[6:]).decode().partition(":")
        if name != self.client_id:
            raise NotIn("invalid_client_id", "client identifier invalid")
        if secret != self.client_secret:
            raise NotIn("invalid_client", "invalid client credentials", 401)
        return self.open()

    def _jwt(self, assertion: str) -> str:
        if not self.certificate:
            raise NotIn("invalid_client", "no certificate is uploaded")
        key = x509.load_pem_x509_certificate(self.certificate).public_key()
        try:
            claims = jwt.decode(assertion, key, algorithms=["RS256"], audience=self.audience,  # type: ignore[arg-type]  # RSA
                                options={"verify_exp": False, "require": ["exp", "iss", "sub", "aud"]})  # fmt: skip
        except jwt.InvalidAudienceError:
            raise NotIn("invalid_grant", "audience is invalid") from None
        except jwt.PyJWTError:
            raise NotIn("invalid_grant", "invalid assertion") from None
        now = time.time() + self.clock
        if not now < float(claims["exp"]) <= now + 181:
            raise NotIn("invalid_grant", "assertion is expired or not yet valid")
        if claims["iss"] != self.client_id:
            raise NotIn("invalid_client_id", "client identifier invalid")
        if claims["sub"] != self.username:
            raise NotIn("invalid_grant", "user hasn't approved this consumer")
        return self.open()

    def login(self, body: bytes, version: str, instance: str) -> tuple[int, str]:
        """SOAP: status and document."""
        self.count += 1
        if not self.soap or not 31.0 <= float(version) < 65.0:
            return self._fault("INVALID_OPERATION", "SOAP API login() is disabled by default in this org.")
        tree = etree.fromstring(body, etree.XMLParser(resolve_entities=False, no_network=True))
        name = tree.findtext(f".//{{{_PARTNER}}}username")
        password = tree.findtext(f".//{{{_PARTNER}}}password")
        if (name, password) != (self.username, self.password + self.security_token):
            return self._fault("INVALID_LOGIN", "Invalid username, password, security token; or user locked out.")
        url = f"{instance}/services/Soap/u/{version}/00D8d0000000001"
        result = f"<serverUrl>{escape(url)}</serverUrl><sessionId>{escape(self.open())}</sessionId>"
        return 200, _SOAP.format(f"<loginResponse><result>{result}</result></loginResponse>")

    def _fault(self, code: str, text: str) -> tuple[int, str]:
        detail = (
            f'<detail><sf:LoginFault xsi:type="sf:LoginFault"><sf:exceptionCode>{code}</sf:exceptionCode>'
            f"<sf:exceptionMessage>{escape(text)}</sf:exceptionMessage></sf:LoginFault></detail>"
        )
        fault = (
            f"<soapenv:Fault><faultcode>sf:{code}</faultcode><faultstring>{code}: {escape(text)}</faultstring>{detail}"
        )
        return 500, _SOAP.format(fault + "</soapenv:Fault>")

"""Asks a CRM: signs in, sends, judges the answer, and signs in again where that has run out."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import requests
from pydantic import SecretStr

from connectors.base import ConnectorError, Context, Deadline, Misconfigured, Rejected
from connectors.expression import ExpressionError, Template
from connectors.http.session import Session
from connectors.rest.answers import JudgingRules, RestAnswer, SignInOver, SignInRefused, judge
from connectors.rest.auth import OAuth2, SessionAuth
from connectors.rest.building import Builder, Credentials, Site, basic, one_line, text_of
from connectors.rest.options import RestOptions
from connectors.rest.pages import Page
from connectors.rest.requests import Create, Match, ReadRequest, Request, UpdateStep
from connectors.rest.signin import Fetched, Fixed, SignedIn, SignIn, fixed, lasting
from connectors.rest.values import Scope
from connectors.urltemplate import Empty, PathTemplate

_OVER = (Match(status=[401]),)
_NO_CREDENTIALS = Credentials({})
_MISSING = (Match(status=[404]),)
_WORDS = re.compile(r"[A-Za-z._ ]*|[\d.]{1,5}|https?://\S*")
_LOOKED_FOR = frozenset({"key", "phone", "task", "activity", "field"})


class ReadyRequest:
    """One request of the configuration, ready to be made. `writes`: it tells the CRM something."""

    def __init__(self, request: Request, client: RestClient, *, writes: bool) -> None:
        self.request = request
        self.builder = Builder(request, client.site)
        options = client.options
        self.idempotent = not writes or request.verb in ("PUT", "DELETE")
        if request.idempotent is not None:
            self.idempotent = request.idempotent
        self.timeout = float(request.timeout or options.timeout)
        self.rules = JudgingRules(
            named=_named(request), error=request.error or options.error, writes=writes,
            filled=request.path.whole is None, renew=client.renew, decode=options.decode == "html",
        )  # fmt: skip
        self.when: Template | None = getattr(request, "when", None)


class RestClient:
    """A CRM's session with its sign-in. Opened with the connector, used by all its threads."""

    def __init__(self, options: RestOptions, context: Context) -> None:
        self.options = options
        self.context = context
        self.settings: Mapping[str, str] = options.plain_settings
        self.session = Session(
            context, ca_file=_below(context.folder, options.ca_file), timeout=float(options.timeout),
            largest=options.max_answer,
        )  # fmt: skip
        self.session.mask.hide(*secrets_of(options.secret))
        if isinstance(options.auth, SessionAuth):
            self.session.mask.hide(*_possible_passwords(options.auth.login))
        self.site = Site(options.root, options.headers)
        auth = options.auth
        self.renew: tuple[Match, ...] = (*_OVER, *auth.renew) if isinstance(auth, (OAuth2, SessionAuth)) else _OVER
        self._sign_in = self._way_in()

    def ask(self, call: ReadyRequest, scope: Scope, deadline: Deadline, page: Page | None = None) -> RestAnswer:
        """Send a request for these names, and return its answer. Raises `ConnectorError`."""
        deadline = deadline.within(call.timeout)
        signed_in = self._sign_in.current(deadline)
        try:
            answer = self._send(call, scope, deadline, page, signed_in)
        except SignInOver as over:
            signed_in = self._sign_in.renew(signed_in, over.error, deadline)
            try:
                answer = self._send(call, scope, deadline, page, signed_in)
            except SignInOver as again:
                text = f"{again.error}; refused again after signing in anew: does this user have the rights?"
                raise Misconfigured(text, exchange=again.error.exchange) from None
        signed_in.accepted = True
        return answer

    def applies(self, call: ReadyRequest, scope: Scope, deadline: Deadline) -> bool:
        """Return whether a request is to be made for these names, as its `when` says. Raises `ConnectorError`."""
        if call.when is None:
            return True
        login = self._sign_in.current(deadline).credentials.login
        try:
            applies = call.when.true({**self.context.timed(), "settings": self.settings, "login": login, **scope})
        except ExpressionError as unfit:
            error: type[ConnectorError] = Rejected if call.rules.writes else Misconfigured
            raise error(self.session.mask.text(f"{call.request.verb} {call.request.path}: when: {unfit}")) from unfit
        if not applies:
            self.context.see(f"{call.request.verb} {call.request.path}: skipped, when: {call.when} is not true")
        return applies

    @property
    def signs_in(self) -> bool:
        """Whether signing in takes a request."""
        return isinstance(self._sign_in, Fetched)

    def sign_in(self, deadline: Deadline) -> None:
        """Sign in, where that takes a request. Raises `ConnectorError`."""
        self._sign_in.current(deadline)

    def close(self) -> None:
        """Let go of the connections."""
        self.session.close()

    def _send(
        self, call: ReadyRequest, scope: Scope, deadline: Deadline, page: Page | None, signed_in: SignedIn
    ) -> RestAnswer:
        login = signed_in.credentials.login
        names = {**self.context.timed(), "settings": self.settings, "login": login, **scope}
        request = self._built(call, names, signed_in.credentials, page)
        return self.session.exchange(
            request, deadline, lambda response: judge(response, call.rules, self.session), idempotent=call.idempotent
        )

    def _built(
        self, call: ReadyRequest, scope: Scope, credentials: Credentials, page: Page | None = None
    ) -> requests.PreparedRequest:
        error: type[ConnectorError] = Rejected if call.rules.writes else Misconfigured
        try:
            return call.builder.build(scope, credentials, page)
        except (Empty, ExpressionError) as unfit:
            raise error(self.session.mask.text(f"{call.request.verb} {call.request.path}: {unfit}")) from unfit
        except ValueError as unfit:
            text = self.session.mask.text(str(unfit))
            raise error(f"{call.request.verb} {call.request.path}: the values make no request: {text}") from unfit

    def _way_in(self) -> SignIn:
        auth = self.options.auth
        credentials = fixed(auth)
        if credentials is not None:
            return Fixed(credentials, password=auth.type == "basic")
        if isinstance(auth, OAuth2):
            return Fetched(_Tokens(self, auth).fetch, self.context)
        assert isinstance(auth, SessionAuth)  # noqa: S101 - the only way that is left
        return Fetched(_Login(self, auth).fetch, self.context)

    def request_token(self, call: ReadyRequest, url: str, credentials: Credentials, deadline: Deadline) -> RestAnswer:
        """Make the request that signs in, to any host. Raises `ConnectorError`."""
        request = self._built(call, {"settings": self.settings}, credentials)
        request.url = url or request.url
        return self.session.exchange(
            request, deadline.within(call.timeout), lambda response: judge(response, call.rules, self.session),
            idempotent=False, follow=not call.rules.lenient,
        )  # fmt: skip


class _Tokens:
    """OAuth 2: a token for what the configuration holds."""

    def __init__(self, client: RestClient, auth: OAuth2) -> None:
        self._client = client
        self._auth = auth
        form = {name: _constant(value) for name, value in self._form().items()}
        self._call = ReadyRequest(Request(path=PathTemplate("/"), form=form, error=auth.error), client, writes=False)
        self._call.rules = JudgingRules(error=auth.error, login=True)
        self._credentials = _NO_CREDENTIALS
        if auth.client_auth == "basic" and auth.client_id is not None:
            self._credentials = Credentials({"Authorization": basic(auth.client_id, _plain(auth.client_secret))})

    def fetch(self, deadline: Deadline) -> SignedIn:
        """A new token. Raises `ConnectorError`."""
        answer = self._client.request_token(self._call, self._auth.token_url, self._credentials, deadline)
        body = answer.body if isinstance(answer.body, dict) else {}
        token = body.get("access_token")
        if not isinstance(token, str) or not token:
            reason = body.get("error_description") or body.get("error") or "it has no access_token"
            kind = SignInRefused if "error" in body else Misconfigured
            raise kind(f"{answer.place}: no token came: {reason}", exchange=answer.describe())
        self._client.session.mask.hide(token)
        self._replaced(body.get("refresh_token"))
        seconds = _seconds(body.get("expires_in")) or (self._auth.expires and float(self._auth.expires)) or None
        header = one_line("Authorization", f"{self._auth.scheme} {token}")
        return lasting(Credentials({"Authorization": header}, login=body), seconds, self._client.context.clock())

    def _form(self) -> dict[str, str]:
        auth = self._auth
        form: dict[str, str] = {"grant_type": auth.grant}
        if auth.grant == "refresh_token":
            form["refresh_token"] = _plain(auth.refresh_token)
        if auth.grant == "password":
            form |= {"username": auth.username or "", "password": _plain(auth.password)}
        if auth.client_auth == "body" and auth.client_id is not None:
            form |= {"client_id": auth.client_id}
            form |= {"client_secret": _plain(auth.client_secret)} if auth.client_secret is not None else {}
        if auth.scope is not None:
            form["scope"] = auth.scope
        return form | {name: value.get_secret_value() for name, value in auth.params.items()}

    def _replaced(self, token: object) -> None:
        """Some CRMs hand out a new refresh token each time; the configured one may no longer do."""
        form = self._call.request.form or {}
        if (
            self._auth.grant != "refresh_token"
            or not isinstance(token, str)
            or _constant(token) == form["refresh_token"]
        ):
            return
        self._client.session.mask.hide(token)
        request = Request(path=PathTemplate("/"), form={**form, "refresh_token": _constant(token)})
        rules = self._call.rules
        self._call = ReadyRequest(request, self._client, writes=False)
        self._call.rules = rules
        self._client.context.log.warning(
            "this CRM replaces its refresh tokens; the new one is kept in memory only: after a restart the configured "
            "one may be refused (client_credentials has no such trouble)"
        )


class _Login:
    """A CRM's own login."""

    def __init__(self, client: RestClient, auth: SessionAuth) -> None:
        self._client = client
        self._auth = auth
        self._call = ReadyRequest(auth.login, client, writes=False)
        self._call.rules = replace(self._call.rules, renew=(), login=True, lenient=auth.cookies)

    def fetch(self, deadline: Deadline) -> SignedIn:
        """Log in. Raises `ConnectorError`."""
        answer = self._client.request_token(self._call, "", _NO_CREDENTIALS, deadline)
        scope = {"login": answer.body, "settings": self._client.settings}
        headers = {name: self._value(name, template, scope, answer) for name, template in self._auth.headers.items()}
        params = [(name, self._value(name, template, scope, answer)) for name, template in self._auth.params.items()]
        self._client.session.mask.hide(*headers.values(), *(value for _, value in params), *_leaves(answer.body))
        if self._auth.cookies:
            headers["Cookie"] = self._cookies(answer)
        seconds = _seconds(self._auth.expires.search(answer.body)) if self._auth.expires is not None else None
        return lasting(Credentials(headers, tuple(params), answer.body), seconds, self._client.context.clock())

    def _value(self, name: str, template: Template, scope: Scope, answer: RestAnswer) -> str:
        paths = {path for path in template.paths if path[0] == "login"}
        missing = next(
            (".".join(path) for path in sorted(paths) if _at(answer.body, path[1:]) in (None, "", False)), None
        )
        if missing is not None:
            raise SignInRefused(f"{answer.place}: {missing} is empty in the login's answer", exchange=answer.describe())
        try:
            return one_line(name, text_of(template.render(scope)))
        except ExpressionError as error:
            raise Misconfigured(f"{name}: {error}", exchange=answer.describe()) from error

    def _cookies(self, answer: RestAnswer) -> str:
        jar = answer.response.cookies if answer.response is not None else ()
        cookies = [f"{cookie.name}={cookie.value}" for cookie in jar]
        if not cookies:
            raise SignInRefused(f"{answer.place}: the login set no cookie", exchange=answer.describe())
        self._client.session.mask.hide(*(str(cookie.value) for cookie in jar))
        return "; ".join(cookies)


def secrets_of(value: object) -> list[str]:
    """Return every secret in a part of the configuration."""
    if isinstance(value, SecretStr):
        return [value.get_secret_value()]
    if isinstance(value, list):
        return [secret for part in value for secret in secrets_of(part)]
    if isinstance(value, Mapping):
        return [secret for part in value.values() for secret in secrets_of(part)]
    if hasattr(value, "model_fields_set"):
        return [secret for part in vars(value).values() for secret in secrets_of(part)]
    return []


def _possible_passwords(login: Request) -> list[str]:
    """What a login says that may be a password, whatever the CRM calls it: all but words and short numbers."""
    texts = [*login.json_.constants] if login.json_ is not None else []
    for value in (*(login.form or {}).values(), *login.params.values()):
        texts += [
            template.source
            for template in (value if isinstance(value, list) else [value])
            if template and template.constant
        ]
    return [text for text in texts if not _WORDS.fullmatch(text)]


def _named(request: Request) -> tuple[Match, ...]:
    if isinstance(request, Create):
        return tuple(request.already)
    if not isinstance(request, ReadRequest):
        return ()
    if isinstance(request, UpdateStep):
        again = (Match(status=request.again_on),) if request.again_on else ()
        return (*(request.not_found or ()), *again)
    if request.not_found is not None:
        return tuple(request.not_found)
    return _MISSING if request.path.template.names & _LOOKED_FOR else ()


def _constant(text: str) -> Template:
    """A text as it is, braces and all."""
    return Template(text) if "{" not in text else Template("{{ " + repr(text) + " }}")


def _plain(secret: SecretStr | None) -> str:
    return secret.get_secret_value() if secret is not None else ""


def _below(folder: Path, file: str | None) -> Path | None:
    return folder / file if file is not None else None


def _seconds(value: object) -> float | None:
    try:
        return float(str(value)) if value is not None else None
    except ValueError:
        return None


def _at(value: object, path: tuple[str, ...]) -> object:
    for name in path:
        value = value.get(name) if isinstance(value, Mapping) else None
    return value


def _leaves(value: object, depth: int = 0) -> list[str]:
    """The long texts of a login's answer: tokens, and what else nobody needs to see."""
    if isinstance(value, str):
        return [value] if len(value) >= 16 else []
    if depth > 5:
        return []
    parts = value.values() if isinstance(value, Mapping) else value if isinstance(value, list) else ()
    return [leaf for part in parts for leaf in _leaves(part, depth + 1)]

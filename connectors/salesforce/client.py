"""Requests to one org: signed in once for all threads, within the deadline, counted, and failing in our own words.

simple-salesforce makes the requests. Its own renewal of a session has no lock and can recurse without end; so it is
given a session and an instance, which switches that off, and signing in again is done here.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, TypeVar

import requests
from simple_salesforce.api import Salesforce
from simple_salesforce.exceptions import SalesforceError, SalesforceExpiredSession

from connectors.base import Context, Deadline, Misconfigured, TimedOut, Unavailable
from connectors.http.failures import Broken, retry_after
from connectors.http.session import Session, within
from connectors.salesforce.faults import Refusal, read
from connectors.salesforce.options import SalesforceOptions
from connectors.salesforce.signin import Access, LoginRejected, sign_in
from connectors.salesforce.usage import DayUse
from connectors.singleflight import SingleFlight
from connectors.threads import DaemonThreadPool

SoqlRow = dict[str, Any]
T = TypeVar("T")
PATIENCE = 15.0
"""Seconds for what is done once for all, whatever a single lookup may take: a sign-in, a description."""
_HOLD = 60.0  # seconds without another sign-in, after a session was refused as soon as it was there
_USAGE_GOOD_FOR = 900.0  # seconds after which background work may find out anew how much is used
_PAGES = 200


class Signed:
    """A session in use. `good`: Salesforce has taken it at least once."""

    def __init__(self, access: Access, salesforce: Salesforce) -> None:
        self.access = access
        self.salesforce = salesforce
        self.good = False


class SalesforceClient:
    """All that goes to the org. Methods raise `Refusal` for an error that Salesforce answers, else `ConnectorError`.

    `requests`: how many Salesforce counted. `instance`: where the org was at the last sign-in, empty before the first.
    """

    def __init__(
        self, name: str, options: SalesforceOptions, context: Context, clock: Callable[[], float] = time.monotonic
    ) -> None:
        ca_file = context.folder / options.ca_file if options.ca_file else None
        self.http = Session(context, ca_file=ca_file, timeout=max(options.timeout, PATIENCE))
        self.http.mask.hide(*options.login.secrets)
        self.http.hooks["response"].append(self._seen)
        self._threads = DaemonThreadPool(4, f"salesforce-{name}")
        self.flights: SingleFlight[Any] = SingleFlight(f"{name}: Salesforce", self._threads.run, context.waiting)
        # what runs in those threads may wait for a sign-in, which therefore has a thread of its own
        self._sign_in_thread = DaemonThreadPool(1, f"salesforce-{name}-sign-in")
        self._sign_ins: SingleFlight[Signed] = SingleFlight(
            f"{name}: Salesforce", self._sign_in_thread.run, context.waiting
        )
        self.day_use = DayUse(context.cache, f"{options.login.host}|{options.login.instance_url}")
        self.requests = 0
        self.instance = ""
        self._options = options
        self._context = context
        self._clock = clock
        self._lock = threading.Lock()
        self._last = threading.local()
        self._current: Signed | None = None
        self._rejected = ""
        self._held: tuple[float, str] = (0.0, "")

    def close(self) -> None:
        """Let go of threads and connections."""
        self._threads.close(wait=0)
        self._sign_in_thread.close(wait=0)
        self.http.close()

    # what is asked

    def query(self, statement: str, deadline: Deadline) -> list[SoqlRow]:
        """Return all records of a SOQL query, page by page."""
        page = self._call(lambda sf: sf.query(statement), deadline, again=True)
        records = _records(page)
        for _ in range(_PAGES):
            if page.get("done", True):
                return records
            page = self._more(str(page.get("nextRecordsUrl")), deadline)
            records += _records(page)
        raise Misconfigured(f"more than {len(records)} records match: make where: narrower")

    def search(self, statement: str, deadline: Deadline) -> list[SoqlRow]:
        """Return the records of a SOSL search."""
        answer = self._call(lambda sf: sf.search(statement), deadline, again=True)
        return _records(answer or {}, "searchRecords")

    def read(self, path: str, deadline: Deadline) -> Any:
        """Return what is at a path under the version's root, None for an empty answer. It may take longer than
        `timeout`."""
        return self._call(lambda sf: sf.restful(path), deadline, again=True, most=PATIENCE)

    def write(
        self, method: str, path: str, body: object, deadline: Deadline, headers: Mapping[str, str] | None = None
    ) -> Any:
        """Write; return what that came to, None for an empty answer. Never sent twice here but where the first was
        refused."""
        data = json.dumps(body, ensure_ascii=False, allow_nan=False).encode()
        return self._call(
            lambda sf: sf.restful(path, method=method, data=data, headers=dict(headers or {})), deadline, again=False
        )

    def versions(self, deadline: Deadline) -> list[str]:
        """Return the API versions of the org; this takes no session and is not counted."""
        instance = self.signed(deadline).access.instance
        with within(deadline):
            body = self.http.get(f"{instance}/services/data/").json()
        return [str(version.get("version")) for version in body if isinstance(version, dict)]

    def allow_background(self) -> None:
        """Raise `Unavailable` where what is left of the day's requests is for lookups during a call."""
        usage = self.day_use.last()
        if usage is None or time.time() - usage.at > _USAGE_GOOD_FOR:
            return
        if usage.used >= usage.allowed * (1 - self._options.reserve):
            raise Unavailable(
                f"{usage.used} of the day's {usage.allowed} API requests are used; the rest is kept for calls",
                retry_after=_USAGE_GOOD_FOR,
            )

    # sessions

    def signed(self, deadline: Deadline) -> Signed:
        """Return the session in use, or a new one."""
        current = self._current
        return current if current else self._sign_ins.get("sign-in", self._sign_in, deadline)

    def _sign_in(self) -> Signed:
        with self._lock:
            if self._current:
                return self._current
            self._may_sign_in()
        try:
            with within(Deadline.after(PATIENCE)):
                access = sign_in(self._options.login, self.http, self._context.folder, self._options.version)
        except LoginRejected as error:
            self._note_rejected(error)
            raise
        signed = Signed(access, self._salesforce(access))
        with self._lock:
            self._current = signed
            self.instance = access.instance
        return signed

    def _may_sign_in(self) -> None:
        """A rejected login is not tried again: accounts get locked."""
        if self._rejected:
            raise Misconfigured(f"{self._rejected}; not tried again before the configuration changes")
        until, text = self._held
        if self._clock() < until:
            raise Misconfigured(text)

    def _note_rejected(self, error: LoginRejected) -> None:
        if error.for_good:
            self._rejected = str(error)
        else:
            self._held = (self._clock() + _HOLD, str(error))

    def _salesforce(self, access: Access) -> Salesforce:
        salesforce = Salesforce(
            session_id=access.token, instance_url=access.instance, version=self._options.version, session=self.http,
            object_pairs_hook=dict,
        )  # fmt: skip
        salesforce.headers.pop("X-PrettyPrint", None)
        return salesforce

    def _expired(self, stale: Signed, refusal: Refusal) -> None:
        """Put a session away that Salesforce no longer takes."""
        if self._options.login.way == "session":
            raise Misconfigured(
                "the session of login.session_id has expired: write a new one", exchange=refusal.exchange
            )
        with self._lock:
            if self._current is not stale:
                return
            self._current = None
            if not stale.good:
                text = f"Salesforce refuses the session that it has just given: {refusal}"
                self._held = (self._clock() + _HOLD, text)

    # one request

    def _more(self, url: str, deadline: Deadline) -> SoqlRow:
        if not url.startswith("/services/data/"):
            raise Misconfigured(f"Salesforce answers with a next page that is none: {url[:100]}")
        page: SoqlRow = self._call(lambda sf: sf.query_more(url, identifier_is_url=True), deadline, again=True)
        return page

    def _call(
        self, work: Callable[[Salesforce], T], deadline: Deadline, *, again: bool, most: float | None = None
    ) -> T:
        """Do it, with a new session where the old one has expired: a refused request has done nothing. `most`: seconds
        for one request, default `timeout`. `again`: a connection that breaks is no reason to give up."""
        bound = most or self._options.timeout
        for renewed in (False, True):
            signed = self.signed(deadline)
            try:
                answer = self._once(signed, work, deadline, bound, again=again)
            except Refusal as refusal:
                if refusal.status != 401:
                    raise
                self._expired(signed, refusal)
                if renewed:
                    raise
                continue
            signed.good = True
            return answer
        raise AssertionError("the second try returns or raises")

    def _once(
        self, signed: Signed, work: Callable[[Salesforce], T], deadline: Deadline, bound: float, *, again: bool
    ) -> T:
        try:
            return self._sent(signed.salesforce, work, deadline, bound)
        except Broken:
            if not again or deadline.passed:
                raise
            return self._sent(signed.salesforce, work, deadline, bound)

    def _sent(self, salesforce: Salesforce, work: Callable[[Salesforce], T], deadline: Deadline, bound: float) -> T:
        if deadline.passed:
            raise TimedOut("no time left to ask Salesforce")
        self._last.response = None
        try:
            with within(deadline.within(bound)):
                return work(salesforce)
        except SalesforceError as error:
            raise self._refusal(error) from None
        except requests.JSONDecodeError:
            response = self._last.response
            shown = self.http.describe(response) if response is not None else ""
            raise Unavailable("the answer is not Salesforce's: it is no JSON", exchange=shown) from None
        finally:
            self._last.response = None  # an answer holds on to its pool of connections

    def _refusal(self, error: SalesforceError) -> Refusal:
        response = self._last.response
        faults = tuple(replace(fault, message=self.http.mask.text(fault.message)) for fault in read(error.content))
        message = "; ".join(map(str, faults)) or f"HTTP {error.status}"
        exchange = self.http.describe(response) if response is not None else ""
        pause = retry_after(response) if response is not None else None
        if isinstance(error, SalesforceExpiredSession) or error.status == 401:
            message = f"session expired or refused: {message}"
        return Refusal(error.status, faults, f"Salesforce: {message}", exchange, pause)

    def _seen(self, response: requests.Response, **_: object) -> None:
        """Called with each answer: how much of the day's requests is used."""
        self._last.response = response
        if self.day_use.hear(response.headers.get("Sforce-Limit-Info", "")):
            with self._lock:
                self.requests += 1


def _records(page: Mapping[str, Any], name: str = "records") -> list[SoqlRow]:
    records = page.get(name) if isinstance(page, Mapping) else None
    if not isinstance(records, list):
        raise Unavailable(f"the answer is not Salesforce's: it has no {name}")
    return [record for record in records if isinstance(record, dict)]

"""Finding records: tries, chains, pages; and each candidate re-checked."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

from connectors import dates
from connectors.base import Deadline, LookupQuery, Misconfigured, Record
from connectors.dates import begins
from connectors.phone import Phone, parse_all
from connectors.rest.answers import RestAnswer, items_of
from connectors.rest.client import ReadyRequest, RestClient
from connectors.rest.options import RestRecordOptions
from connectors.rest.pages import Pages, first, following
from connectors.rest.requests import ReadRequest, SearchStep
from connectors.rest.values import JmesPath, Scope, Unfit
from connectors.urltemplate import Empty

_LONGEST_KEY = 1000
_NOT_IN_A_PATH = ("", ".", "..")
_MOST_FOLLOWED = 20
_DAY = timedelta(days=1)
_MILLISECONDS = 10**11
"""From here on a number is one of milliseconds: as seconds it were a date beyond the year 5000."""


@dataclass(frozen=True, slots=True)
class _Link:
    """One step of a chain: its request, where its items are, and how they are re-checked; `phones` and `key` are empty
    where they are not."""

    call: ReadyRequest
    step: SearchStep
    items: JmesPath | None
    phones: tuple[JmesPath, ...]
    key: JmesPath | None


class Finder:
    """Finds the records of one kind."""

    def __init__(self, kind: str, options: RestRecordOptions, client: RestClient, connector: str) -> None:
        self._kind = kind
        self._options = options
        self._client = client
        self._connector = connector
        self._by_phone = [self._links(chain, by_phone=True) for chain in options.asks("phone")]
        self._by_key = [self._links(chain, by_phone=False) for chain in options.asks("key")]
        self._warned = False

    def find(self, query: LookupQuery, deadline: Deadline) -> list[Record]:
        """Return the records that match. A number that is hidden or none, and a key that can't be one, are not asked
        for. Raises `ConnectorError`."""
        scope: dict[str, object]
        if query.phone is not None:
            if not query.phone:
                return []
            tries, scope = self._by_phone, {"phone": query.phone}
        else:
            key = query.key or ""
            if key.strip() in _NOT_IN_A_PATH or len(key) > _LONGEST_KEY:
                return []
            tries, scope = self._by_key, {"key": key}
        for links in tries:
            matches = self._run(links, scope, query, deadline)
            if matches:
                return self._ordered(matches, query)
        return []

    def _links(self, chain: Sequence[SearchStep], *, by_phone: bool) -> list[_Link]:
        record, links, checked = self._options, list[_Link](), False
        for step in chain:
            last = step is chain[-1]
            phones = tuple(step.phones or (record.numbers if last and not checked else ())) if by_phone else ()
            checked = checked or bool(phones)
            key = None if by_phone else step.key or (record.key if last else None)
            call = ReadyRequest(step, self._client, writes=False)
            links.append(_Link(call, step, step.items or record.items, phones, key))
        return links

    def _run(self, links: Sequence[_Link], scope: Scope, query: LookupQuery, deadline: Deadline) -> dict[str, _Match]:
        """What the chain finds, by id; each match of a step that was re-checked, or has `each`, is followed, else its
        first item."""
        link, rest = links[0], links[1:]
        matches: dict[str, _Match] = {}
        if not self._client.applies(link.call, scope, deadline):
            unknown = {link.step.name: None} if link.step.name is not None else {}
            return self._run(rest, {**scope, **unknown}, query, deadline) if rest else {}
        for number, (item, phones) in enumerate(self._matches(link, scope, query, deadline)):
            if rest:
                below = {**scope, link.step.name: item} if link.step.name is not None else scope
                for key, match in self._run(rest, below, query, deadline).items():
                    matches.setdefault(key, match if match.phones else _Match(match.item, match.id, phones))
                if not (link.phones or link.key or link.step.each) or number + 1 >= _MOST_FOLLOWED:
                    break
            else:
                id_ = self._id(item)
                matches.setdefault(f"={id_}" if id_ is not None else f"#{number}", _Match(item, id_, phones))
            if len(matches) >= query.limit and not self._sorts(query):
                break
        return matches

    def _matches(
        self, link: _Link, scope: Scope, query: LookupQuery, deadline: Deadline
    ) -> Iterator[tuple[Any, tuple[Phone, ...]]]:
        country, seen, without = self._client.context.country, 0, 0
        for item, answer in items(self._client, link.call, link.items, scope, deadline, link.step.pages):
            seen += 1
            try:
                phones = tuple(numbers(item, link.phones or self._options.numbers, country))
                key_fits = link.key is None or _is(query.key, link.key.search(item))
            except Unfit as unfit:
                raise Misconfigured(f"{answer.place}: {unfit}", exchange=answer.describe()) from None
            without += not phones
            if key_fits and (not link.phones or any(phone.same(query.phone) for phone in phones if query.phone)):
                yield item, phones
        if link.phones and seen and seen == without:
            self._no_numbers(link, seen, strict=query.strict)

    def _no_numbers(self, link: _Link, seen: int, *, strict: bool) -> None:
        text = f"{self._kind}: none of {seen} found has a number at phones: {', '.join(map(str, link.phones))}"
        self._client.context.see(f"{text}: is it right?")
        if strict:
            raise Misconfigured(f"{text}: is it right?")
        if not self._warned:
            self._warned = True
            self._client.context.log.warning("%s: is it right?", text)

    def _ordered(self, by_id: Mapping[str, _Match], query: LookupQuery) -> list[Record]:
        matches = list(by_id.values())
        if query.upcoming and query.since is not None:
            matches = self._to_come(matches, query.since)
        elif self._sorts(query):
            matches.sort(key=lambda match: _age(self._date(match)), reverse=True)
        return [self._record(match) for match in matches[: query.limit]]

    def _to_come(self, matches: Sequence[_Match], since: datetime) -> list[_Match]:
        """Those with a date since then, give or take a day, the soonest first."""
        zone = since.tzinfo or UTC
        dated = [(begins(when, zone), match) for match in matches if (when := moment_of(self._date(match))) is not None]
        waiting = [(when, match) for when, match in dated if when >= since - _DAY]
        return [match for _, match in sorted(waiting, key=lambda pair: pair[0])]

    def _date(self, match: _Match) -> Any:
        """What is at `date`; None where there is no such option, or nothing."""
        try:
            return self._options.dated.search(match.item) if self._options.dated is not None else None
        except Unfit as unfit:
            raise Misconfigured(f"records.{self._kind}.date: {unfit}") from None

    def _record(self, match: _Match) -> Record:
        try:
            fields = fields_of(match.item, self._options.fields)
        except Unfit as unfit:
            raise Misconfigured(f"records.{self._kind}.fields: {unfit}") from None
        return Record(self._connector, self._kind, match.id, fields, match.phones, moment_of(self._date(match)))

    def _id(self, item: Any) -> str | None:
        return id_of(item, (self._options.fields or {}).get("id"))

    def _sorts(self, query: LookupQuery) -> bool:
        return (query.newest or query.upcoming) and self._options.dated is not None


@dataclass(frozen=True, slots=True)
class _Match:
    item: Any
    id: str | None
    phones: tuple[Phone, ...]


def items(
    client: RestClient,
    call: ReadyRequest,
    path: JmesPath | None,
    scope: Scope,
    deadline: Deadline,
    pages: Pages | None = None,
) -> Iterator[tuple[Any, RestAnswer]]:
    """Yield each item of each page, with the answer that it came in; none where the answer means "not there". Raises
    `ConnectorError`."""
    page, seen = first(pages), set[str]()
    while True:
        answer = client.ask(call, scope, deadline, page)
        if answer.named:
            return
        page_items = items_of(answer, path)
        yield from ((item, answer) for item in page_items)
        if pages is None:
            return
        try:
            page_after = following(pages, page, answer, len(page_items))
        except Unfit as unfit:
            raise Misconfigured(f"{answer.place}: pages: {unfit}", exchange=answer.describe()) from None
        if page_after is None:
            return
        where = repr((page_after.url, page_after.values))
        if page.number >= pages.at_most or where in seen:
            why = f"ended after {page.number} pages (at_most)" if where not in seen else "goes round in circles"
            client.context.log.warning("%s: the list %s, there is more", answer.place, why)
            client.context.see(f"{answer.place}: the list {why}, there is more")
            return
        seen.add(where)
        page = page_after


def first_item(
    client: RestClient, call: ReadyRequest, scope: Scope, deadline: Deadline, path: JmesPath | None = None
) -> Any | None:
    """Return the first item of an answer, None where there is none. Raises `ConnectorError`."""
    request = call.request
    own = request.items if isinstance(request, ReadRequest) else None
    return next((item for item, _ in items(client, call, own or path, scope, deadline)), None)


def detail(client: RestClient, call: ReadyRequest, scope: Scope, deadline: Deadline) -> Any | None:
    """Return what one more request finds; None where it is not wanted, or something for its path is missing. Raises
    `ConnectorError`."""
    try:
        call.request.path.fill({**client.context.timed(), "settings": client.settings, **scope})
    except Empty:
        return None
    return first_item(client, call, scope, deadline) if client.applies(call, scope, deadline) else None


def numbers(item: Any, paths: Sequence[JmesPath], country: str) -> Iterator[Phone]:
    """Yield the phone numbers of an item. Raises `Unfit`."""
    for path in paths:
        for text in _texts(path.search(item)):
            yield from parse_all(text, country)


def fields_of(item: Any, mapping: Mapping[str, JmesPath] | None) -> dict[str, object]:
    """Return the fields of an item by their configured names, its id among them. Raises `Unfit`."""
    own = dict(item) if isinstance(item, Mapping) else {"id": item}
    if mapping is None:
        return own
    fields: dict[str, object] = {"id": own["id"]} if "id" in own else {}
    for name, path in mapping.items():
        fields[name] = path.search(item)
    return fields


def id_of(item: Any, path: JmesPath | None) -> str | None:
    """Return the CRM's id of an item, None where it has none. Raises `Unfit`."""
    value = path.search(item) if path is not None else item.get("id") if isinstance(item, Mapping) else item
    return None if value is None or isinstance(value, (dict, list, bool)) else str(value)


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, int) and not isinstance(value, bool):
        yield str(value)
    elif isinstance(value, float) and value.is_integer():  # 600112233.0 is what spreadsheets make of a number
        yield str(int(value))
    elif isinstance(value, list):
        for part in value:
            yield from _texts(part)


def _is(key: str | None, value: Any) -> bool:
    return any(text.strip() == (key or "").strip() for text in _texts(value))


def _age(value: Any) -> tuple[int, float, str]:
    """Return a larger value for a newer item: dates by the calendar, other texts by their letters, numbers by their
    size, nothing last."""
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return 1, float(value), ""
    when = dates.read(value)
    if when is not None:
        return 3, begins(when, UTC).timestamp(), ""
    return (2, 0.0, value) if isinstance(value, str) and value else (0, 0.0, "")


def moment_of(value: Any) -> date | None:
    """Return a date as an API writes it, None for what is none: a text as `connectors.dates` reads it, or seconds or
    milliseconds since 1970, which are told apart by their size."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return dates.read(value)
    try:
        return datetime.fromtimestamp(value / (1000 if abs(value) >= _MILLISECONDS else 1), UTC)
    except (ValueError, OverflowError, OSError):
        return None

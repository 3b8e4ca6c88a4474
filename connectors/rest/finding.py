"""Finding records: tries, chains, pages; and each candidate re-checked."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from connectors.base import Deadline, LookupQuery, Misconfigured, Record
from connectors.phone import Phone, parse_all
from connectors.rest.answers import Answer, items_of
from connectors.rest.client import Call, Client
from connectors.rest.options import RecordOptions
from connectors.rest.pages import Pages, first, following
from connectors.rest.requests import Reading, Step
from connectors.rest.values import Empty, JmesPath, Scope, Unfit

_LONGEST_KEY = 1000
_NOT_IN_A_PATH = ("", ".", "..")
_MOST_FOLLOWED = 20


@dataclass(frozen=True, slots=True)
class _Link:
    """One step of a chain: its request, where its items are, and how they are re-checked; `phones` and `key` are empty
    where they are not."""

    call: Call
    step: Step
    items: JmesPath | None
    phones: tuple[JmesPath, ...]
    key: JmesPath | None


class Finder:
    """Finds the records of one kind."""

    def __init__(self, kind: str, options: RecordOptions, client: Client, connector: str) -> None:
        self._kind = kind
        self._options = options
        self._client = client
        self._connector = connector
        self._by_phone = [self._links(chain, by_phone=True) for chain in options.asks("phone")]
        self._by_key = [self._links(chain, by_phone=False) for chain in options.asks("key")]
        self._said = False

    def find(self, wanted: LookupQuery, deadline: Deadline) -> list[Record]:
        """The records that match. A number that is hidden or none, and a key that can't be one, are not asked for.
        Raises `ConnectorError`."""
        scope: dict[str, object]
        if wanted.phone is not None:
            if not wanted.phone:
                return []
            tries, scope = self._by_phone, {"phone": wanted.phone}
        else:
            key = wanted.key or ""
            if key.strip() in _NOT_IN_A_PATH or len(key) > _LONGEST_KEY:
                return []
            tries, scope = self._by_key, {"key": key}
        for links in tries:
            found = self._run(links, scope, wanted, deadline)
            if found:
                return self._ordered(found, wanted)
        return []

    def _links(self, chain: Sequence[Step], *, by_phone: bool) -> list[_Link]:
        record, links, checked = self._options, list[_Link](), False
        for step in chain:
            last = step is chain[-1]
            phones = tuple(step.phones or (record.numbers if last and not checked else ())) if by_phone else ()
            checked = checked or bool(phones)
            key = None if by_phone else step.key or (record.key if last else None)
            call = Call(step, self._client, writes=False)
            links.append(_Link(call, step, step.items or record.items, phones, key))
        return links

    def _run(self, links: Sequence[_Link], scope: Scope, wanted: LookupQuery, deadline: Deadline) -> dict[str, _Found]:
        """What the chain finds, by id; each match of a step that was re-checked, or has `each`, is followed, else its
        first item."""
        link, rest = links[0], links[1:]
        found: dict[str, _Found] = {}
        if not self._client.wanted(link.call, scope, deadline):
            unknown = {link.step.name: None} if link.step.name is not None else {}
            return self._run(rest, {**scope, **unknown}, wanted, deadline) if rest else {}
        for number, (item, phones) in enumerate(self._matches(link, scope, wanted, deadline)):
            if rest:
                below = {**scope, link.step.name: item} if link.step.name is not None else scope
                for key, one in self._run(rest, below, wanted, deadline).items():
                    found.setdefault(key, one if one.phones else _Found(one.item, one.id, phones))
                if not (link.phones or link.key or link.step.each) or number + 1 >= _MOST_FOLLOWED:
                    break
            else:
                id_ = self._id(item)
                found.setdefault(f"={id_}" if id_ is not None else f"#{number}", _Found(item, id_, phones))
            if len(found) >= wanted.limit and not self._sorts(wanted):
                break
        return found

    def _matches(
        self, link: _Link, scope: Scope, wanted: LookupQuery, deadline: Deadline
    ) -> Iterator[tuple[Any, tuple[Phone, ...]]]:
        country, seen, without = self._client.context.country, 0, 0
        for item, answer in items(self._client, link.call, link.items, scope, deadline, link.step.pages):
            seen += 1
            try:
                phones = tuple(numbers(item, link.phones or self._options.numbers, country))
                key_fits = link.key is None or _is(wanted.key, link.key.search(item))
            except Unfit as unfit:
                raise Misconfigured(f"{answer.place}: {unfit}", exchange=answer.describe()) from None
            without += not phones
            if key_fits and (not link.phones or any(phone.same(wanted.phone) for phone in phones if wanted.phone)):
                yield item, phones
        if link.phones and seen and seen == without:
            self._no_numbers(link, seen, strict=wanted.strict)

    def _no_numbers(self, link: _Link, seen: int, *, strict: bool) -> None:
        text = f"{self._kind}: none of {seen} found has a number at phones: {', '.join(map(str, link.phones))}"
        self._client.context.see(f"{text}: is it right?")
        if strict:
            raise Misconfigured(f"{text}: is it right?")
        if not self._said:
            self._said = True
            self._client.context.log.warning("%s: is it right?", text)

    def _ordered(self, found: Mapping[str, _Found], wanted: LookupQuery) -> list[Record]:
        matches = list(found.values())
        if self._sorts(wanted) and self._options.newest is not None:
            newest = self._options.newest
            matches.sort(key=lambda one: _age(newest.search(one.item)), reverse=True)
        return [self._record(one) for one in matches[: wanted.limit]]

    def _record(self, found: _Found) -> Record:
        try:
            fields = fields_of(found.item, self._options.fields)
        except Unfit as unfit:
            raise Misconfigured(f"records.{self._kind}.fields: {unfit}") from None
        return Record(self._connector, self._kind, found.id, fields, found.phones)

    def _id(self, item: Any) -> str | None:
        return id_of(item, (self._options.fields or {}).get("id"))

    def _sorts(self, wanted: LookupQuery) -> bool:
        return wanted.newest and self._options.newest is not None


@dataclass(frozen=True, slots=True)
class _Found:
    item: Any
    id: str | None
    phones: tuple[Phone, ...]


def items(
    client: Client, call: Call, path: JmesPath | None, scope: Scope, deadline: Deadline, pages: Pages | None = None
) -> Iterator[tuple[Any, Answer]]:
    """Each item of each page, with the answer that it came in; none where the answer means "not there". Raises
    `ConnectorError`."""
    page, seen = first(pages), set[str]()
    while True:
        answer = client.ask(call, scope, deadline, page)
        if answer.named:
            return
        found = items_of(answer, path)
        yield from ((item, answer) for item in found)
        if pages is None:
            return
        try:
            page_after = following(pages, page, answer, len(found))
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


def one(client: Client, call: Call, scope: Scope, deadline: Deadline, path: JmesPath | None = None) -> Any | None:
    """The first item of an answer, None where there is none. Raises `ConnectorError`."""
    request = call.request
    own = request.items if isinstance(request, Reading) else None
    return next((item for item, _ in items(client, call, own or path, scope, deadline)), None)


def detail(client: Client, call: Call, scope: Scope, deadline: Deadline) -> Any | None:
    """What one more request finds; None where it is not wanted, or something for its path is missing. Raises
    `ConnectorError`."""
    try:
        call.request.path.fill({"settings": client.settings, **scope})
    except Empty:
        return None
    return one(client, call, scope, deadline) if client.wanted(call, scope, deadline) else None


def numbers(item: Any, paths: Sequence[JmesPath], country: str) -> Iterator[Phone]:
    """The phone numbers of an item. Raises `Unfit`."""
    for path in paths:
        for text in _texts(path.search(item)):
            yield from parse_all(text, country)


def fields_of(item: Any, mapping: Mapping[str, JmesPath] | None) -> dict[str, object]:
    """The fields of an item by their configured names, its id among them. Raises `Unfit`."""
    own = dict(item) if isinstance(item, Mapping) else {"id": item}
    if mapping is None:
        return own
    fields: dict[str, object] = {"id": own["id"]} if "id" in own else {}
    for name, path in mapping.items():
        fields[name] = path.search(item)
    return fields


def id_of(item: Any, path: JmesPath | None) -> str | None:
    """The CRM's id of an item, None where it has none. Raises `Unfit`."""
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
    """Numbers by their size, texts (ISO dates) by their letters, what has none last."""
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return 1, float(value), ""
    return (2, 0.0, value) if isinstance(value, str) and value else (0, 0.0, "")

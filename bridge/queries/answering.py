"""FLOW 1: a Query during a call is answered, always and in time: from the CRMs, from what is kept, or as configured.

The server, `ask`, the configuration's own `tests:` and the console all come through `Queries.answer`.
"""

from __future__ import annotations

import hashlib
import json
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Literal, Protocol
from zoneinfo import ZoneInfo

import msgspec

from bridge.config.builtin import CALLS, OPPOSITIONS
from bridge.config.find import FindStep
from bridge.config.model import Answer, Configuration, Line, Query, SaveStep
from bridge.config.whole import expressions
from bridge.errors import StoreUnavailable
from bridge.expressions.moment import of_time
from bridge.expressions.scope import Variables, of_call
from bridge.infocaller import variables
from bridge.lookups.finding import Found, LookupOutcome, Lookups, Trail, TrailEntry
from bridge.store.oppositions import EXAMPLE, NewOpposition, new_reference
from connectors.base import Deadline, Record
from connectors.expression import ExpressionError, Template
from connectors.filters import NotDialable
from connectors.phone import Phone, mask, parse
from connectors.steps import Apart, Steps, Wait, complete, here

_log = logging.getLogger("bridge.queries.answering")

Block = Literal["not_found", "ambiguous", "on_error", "on_timeout"]
_BLOCKS: dict[LookupOutcome, Block] = {
    LookupOutcome.NOT_FOUND: "not_found",
    LookupOutcome.AMBIGUOUS: "ambiguous",
    LookupOutcome.DOWN: "on_error",
    LookupOutcome.LATE: "on_timeout",
}
_START = ("call", "start")
_START_WITHIN = 0.1  # seconds that a Query waits to know when its call began
_FAILED = 1  # the Result that sends the script to its error branch where nothing else is configured


class Question(msgspec.Struct, frozen=True):
    """A Query as it is asked. `query`: its name. `caller`: the other party (see `connectors.phone.HIDDEN`). `called`:
    our own number, as the platform writes it. `call`: what expressions see as `call`; `variables` as `vars`."""

    query: str
    line: Line
    caller: Phone
    called: str = ""
    call: Mapping[str, object] = {}
    variables: Mapping[str, str] = {}


class Answered(msgspec.Struct, frozen=True):
    """What a Query is answered, and how that came about.

    `result` 0: it went well. `outcome`: found, not_found, ambiguous, on_error, on_timeout, or unknown_query. `ms`: how
    long it took, queueing included. `trail`: who was asked, in order. `matched`: whom the caller was found to be: the
    first record of a CRM that was looked up by a phone number, else the first of all; None where there is none.
    """

    query: str
    result: int
    text: str
    variables: Mapping[str, str]
    outcome: str
    ms: float
    trail: Sequence[TrailEntry]
    matched: Record | None = None


@dataclass(frozen=True, slots=True)
class ToSave:
    """What a Query's `save:` keeps: made durable before the answer, delivered to `connector` after it.

    `key` is the same for the same values of the same call, so that a Query sent twice keeps them once. Sensitive
    variables are not among the values.
    """

    key: str
    connector: str
    table: str
    fields: Mapping[str, object]
    line: str
    call_sequence: str
    caller: str
    """E.164, empty when hidden: by it a person's data is found again."""


class Saver(Protocol):
    """Whoever makes `ToSave` durable."""

    def __call__(self, saved: ToSave | NewOpposition, deadline: Deadline) -> Steps[str]:
        """Done when it is on disk. Returns the reference of an opposition, else nothing. Raises `StoreUnavailable`."""


class Misses(Protocol):
    """Counts lookups that found nothing, per caller and Query."""

    def used_up(self, query: str, caller: str, limit: tuple[int, float]) -> bool:
        """Return whether this caller has had its share of misses."""

    def count(self, query: str, caller: str) -> None: ...


class Began(Protocol):
    """Knows when calls began."""

    def __call__(self, line: str, call_sequence: str) -> datetime | None:
        """When this call began, aware; None where that is not known within a tenth of a second."""


def _utc() -> datetime:
    return datetime.now(UTC)


class Queries:
    """Answers Queries as the configuration says.

    `save`: where `save:` steps go; None shows them without doing them (`ask`). `misses`: the counter behind
    `misses_per_caller`; None where no Query has it. `now` gives the time of day, aware; `began` when a call began.
    `apart`: where those two are asked who may wait for a file or a database.
    """

    def __init__(
        self,
        configuration: Configuration,
        lookups: Lookups,
        *,
        save: Saver | None = None,
        misses: Misses | None = None,
        apart: Apart[Any] = here,
        clock: Callable[[], float] = time.monotonic,
        now: Callable[[], datetime] = _utc,
        began: Began | None = None,
    ) -> None:
        self._queries = configuration.queries
        self._folded = _by_folded_name(configuration.queries)
        self._lookups = lookups
        self._sensitive = frozenset(name.upper() for name in configuration.sensitive)
        self._save = save
        self._opposes = OPPOSITIONS not in lookups.sources  # of a connector called so, it is a table
        self._misses = misses
        self._apart = apart
        self._clock = clock
        self._configuration, self._now, self._began = configuration, now, began
        self._asks_start = frozenset(
            str(use.loc[1])
            for use in expressions(configuration)
            if use.loc[0] == "queries" and {("call",), _START}.intersection(path[:2] for path in use.template.paths)
        )

    def named(self, name: str) -> tuple[str, Query] | None:
        """Return the Query of this name: exactly, else in any case where only one matches; None where there is none."""
        query = self._queries.get(name)
        if query is not None:
            return name, query
        folded = self._folded.get(name.strip().casefold())
        return (folded, self._queries[folded]) if folded is not None else None

    def answer(self, question: Question, started: float | None = None) -> Answered:
        """Return the answer, within the Query's deadline, which counts from `started` (monotonic; None: now). Never
        raises: what goes wrong is an answer too."""
        return complete(self.steps(question, started))

    def steps(self, question: Question, started: float | None = None) -> Steps[Answered]:
        """Do the same, for whoever may not block meanwhile."""
        arrived = self._now()
        if started is None:
            started = self._clock()
        else:
            arrived -= timedelta(seconds=self._clock() - started)
        named = self.named(question.query)
        if named is None:
            text = f"Query {question.query[:40]!r} is not in the configuration"
            return Answered(question.query, _FAILED, text, {}, "unknown_query", self._ms(started), ())
        name, query = named
        deadline = Deadline(started + query.deadline, self._clock)
        asked = _QueryRun(name, query, question, deadline, Trail())
        try:
            asked.scope = yield from self._scope(asked, arrived)
            result, text, values, outcome = yield from self._answer(asked)
        except Exception:  # noqa: BLE001 - whatever it was is in the log; the caller on the line gets the default
            _log.exception("answering Query %s failed", name)
            result, text, values, outcome = self._block(asked, "on_error")
        return Answered(
            name, result, text, values, outcome, self._ms(started), tuple(asked.trail.entries), _who(asked.records)
        )

    def _scope(self, asked: _QueryRun, arrived: datetime) -> Steps[dict[str, object]]:
        """What expressions see, as of the Query's arrival."""
        question, line = asked.question, asked.question.line
        call = {**question.call, "query": asked.name}
        if asked.name in self._asks_start:
            began = yield from self._start_of(line, str(call.get("id") or ""), asked.deadline)
            call["start"] = (began or arrived).astimezone(ZoneInfo(line.timezone)).replace(microsecond=0)
        scope = of_time(self._configuration, line, arrived, own=asked.query.find)
        if self._opposes and asked.query.save and any(step.in_ == OPPOSITIONS for step in asked.query.save):
            scope["opposition"] = {"reference": ""}
        scope.update(of_call(line, question.caller, question.called, call, question.variables))
        return scope

    def _start_of(self, line: Line, call: str, deadline: Deadline) -> Steps[datetime | None]:
        began = self._began
        if began is None:
            return None
        future: Future[datetime | None] = self._apart(lambda: began(line.number, call))
        yield Wait(future, deadline.within(_START_WITHIN))
        return future.result() if future.done() else None

    def _ms(self, started: float) -> float:
        return int((self._clock() - started) * 1e6) / 1000

    def _answer(self, asked: _QueryRun) -> Steps[_Rendered]:
        outcome = yield from self._find(asked)
        if outcome is not LookupOutcome.FOUND:
            return self._block(asked, _BLOCKS[outcome])
        try:
            yield from self._keep(asked)
            answer = _first_that_holds(asked.query.answer, asked.scope)
            if answer is None and asked.query.answer:
                return self._block(asked, "not_found")
            return _render(answer, 0, asked.scope, "found")
        except ExpressionError as error:
            return self._block(asked, _after(error, asked))
        except _NobodyOpposes:
            _log.warning("Query %s: an opposition without a number, or of one that can't be read", asked.name)
            return self._block(asked, "not_found")
        except StoreUnavailable as error:
            _log.error("Query %s: what was keyed in could not be kept: %s", asked.name, error)
            return self._block(asked, "on_error")

    def _find(self, asked: _QueryRun) -> Steps[LookupOutcome]:
        """Do the `find` steps; FOUND when all that must be found were."""
        for name, step in asked.query.find.items():
            if step.key is not None and (yield from self._spent(asked)):
                asked.trail.add(
                    name, "", LookupOutcome.NOT_FOUND, time.perf_counter(), "too many misses of this caller"
                )
                lookup = Found(LookupOutcome.NOT_FOUND)
            else:
                try:
                    lookup = yield from self._lookups.steps(
                        name, step, asked.scope, asked.deadline, asked.query.cache, asked.trail
                    )
                except ExpressionError as error:
                    _log.warning("Query %s: %s", asked.name, error)
                    lookup = Found(LookupOutcome.DOWN)
                if (
                    step.key is not None
                    and lookup.outcome is LookupOutcome.NOT_FOUND
                    and asked.trail.entries[-1].connector
                ):
                    yield from self._missed(asked)  # a key that was asked for; an empty one is no guess
            if lookup.record is not None:
                asked.scope[name] = lookup.record
                asked.records.append((step, lookup.record))
            elif not step.optional:
                return lookup.outcome
        return LookupOutcome.FOUND

    def _spent(self, asked: _QueryRun) -> Steps[bool]:
        limit, misses = asked.query.misses_per_caller, self._misses
        if limit is None or misses is None:
            return False
        counted: Future[bool] = self._apart(lambda: misses.used_up(asked.name, asked.question.caller.e164, limit))
        yield Wait(counted, asked.deadline)
        return counted.done() and counted.result()

    def _missed(self, asked: _QueryRun) -> Steps[None]:
        misses = self._misses
        if asked.query.misses_per_caller is not None and misses is not None:
            yield Wait(self._apart(lambda: misses.count(asked.name, asked.question.caller.e164)), asked.deadline)

    def _keep(self, asked: _QueryRun) -> Steps[None]:
        """Make what `save:` says durable, before the answer goes out."""
        if not asked.query.save:
            return
        scope = self._storable(asked)
        for number, step in enumerate(asked.query.save):
            started = time.perf_counter()
            if step.when is not None and not step.when.true(asked.scope):
                continue
            if step.in_ == OPPOSITIONS and self._opposes:
                yield from self._oppose(asked, step, f"save[{number}]", scope, started)
                continue
            saved = _to_save(asked, step, number, scope)
            if self._save is None:
                fields = json.dumps(dict(saved.fields), ensure_ascii=False, default=str)
                asked.trail.add(f"save[{number}]", step.in_, "shown", started, f"{step.table}: {fields}")
                continue
            yield from self._save(saved, asked.deadline)
            asked.trail.add(f"save[{number}]", step.in_, "kept", started, step.table)

    def _oppose(
        self, asked: _QueryRun, step: SaveStep, place: str, scope: Mapping[str, object], started: float
    ) -> Steps[None]:
        """Keep that somebody does not want to be called for business. Raises `_NobodyOpposes`."""
        template = step.fields.get("phone")
        phone = asked.question.caller if template is None else template.value(scope)
        if not isinstance(phone, Phone):
            phone = parse("" if phone is None else str(phone), asked.question.line.country)
        if not phone:
            asked.trail.add(place, step.in_, "not kept", started, "there is no number that opposes")
            raise _NobodyOpposes
        reference = EXAMPLE
        if self._save is not None:
            new = NewOpposition(phone.e164, new_reference(), self._now(), f"query {asked.name}")
            reference = yield from self._save(new, asked.deadline)
        asked.scope["opposition"] = {"reference": reference}
        asked.trail.add(place, step.in_, "shown" if self._save is None else "kept", started, f"reference {reference}")

    def _storable(self, asked: _QueryRun) -> dict[str, object]:
        """The scope without sensitive variables: what is saved waits in the database until its CRM has it."""
        storable = {
            name: value for name, value in asked.question.variables.items() if name.upper() not in self._sensitive
        }
        return {**asked.scope, "vars": Variables(storable)}

    def _block(self, asked: _QueryRun, block: Block, tried: frozenset[Block] = frozenset()) -> _Rendered:
        """One of the blocks for when it did not go well. What can't be rendered falls to the block for that, and to a
        bare error when that was tried."""
        answer, default = asked.query.block_for(block)
        try:
            return _render(answer, default, asked.scope, block)
        except ExpressionError as error:
            after, tried = _after(error, asked), tried | {block}
        if after not in tried:
            return self._block(asked, after, tried)
        return _FAILED, "the answer could not be made, see the bridge's log", {}, block


class _NobodyOpposes(Exception):
    """It is not known whose opposition is to be kept."""


_Rendered = tuple[int, str, dict[str, str], str]


@dataclass(slots=True)
class _QueryRun:
    """A Query being answered."""

    name: str
    query: Query
    question: Question
    deadline: Deadline
    trail: Trail
    scope: dict[str, object] = field(default_factory=dict)
    records: list[tuple[FindStep, Record]] = field(default_factory=list)


def _who(records: Sequence[tuple[FindStep, Record]]) -> Record | None:
    """The record that tells who calls; the bridge's own calls tell when, not who."""
    first = None
    for step, record in records:
        if record.connector != CALLS:
            if step.phone is not None:
                return record
            first = first or record
    return first


def _first_that_holds(answers: Sequence[Answer], scope: Mapping[str, object]) -> Answer | None:
    for answer in answers:  # nearly always the first: a generator for it takes longer
        if answer.when is None or answer.when.true(scope):
            return answer
    return None


def _render(answer: Answer | None, default: int, scope: Mapping[str, object], outcome: str) -> _Rendered:
    """An answer block with its values filled in. Raises `ExpressionError`."""
    if answer is None:
        return default, "", {}, outcome
    values: dict[str, str] = {}
    for name, template in answer.variables.items():
        value = _value(template, scope)
        if value is not None:
            values[name] = variables.clean(value)
    text = variables.clean(answer.text.render(scope)) if answer.text is not None else ""
    return default if answer.result is None else answer.result, text, values, outcome


def _value(template: Template | None, scope: Mapping[str, object]) -> str | None:
    """A variable's value; None leaves it out: the configuration says null, or `{{ none }}`. What is merely missing is
    empty."""
    return None if template is None else template.text(scope)


def _after(error: ExpressionError, asked: _QueryRun) -> Block:
    """Which block follows when a value could not be made, said in the log by name, never by number."""
    if isinstance(error.__cause__, NotDialable):
        country = asked.question.line.country
        records = ", ".join(
            f"{name} {_shown(record, country)} of {record.connector}" for name, record in _records(asked.scope)
        )
        _log.warning("Query %s: %s can't be dialled: %s", asked.name, records or "the destination", error.__cause__)
        return "not_found"
    _log.warning("Query %s: %s", asked.name, error)
    return "on_error"


def _records(scope: Mapping[str, object]) -> list[tuple[str, Record]]:
    return [(name, value) for name, value in scope.items() if isinstance(value, Record)]


def _shown(record: Record, country: str) -> str:
    """A record's id, unless that is a phone number itself."""
    if not record.id:
        return "?"
    return mask(record.id) if any(map(parse(record.id, country).same, record.phones)) else record.id


def _to_save(asked: _QueryRun, step: SaveStep, number: int, scope: Mapping[str, object]) -> ToSave:
    fields = {name: template.value(scope) for name, template in step.fields.items()}
    fields = {name: str(value) if isinstance(value, Phone) else value for name, value in fields.items()}
    question = asked.question
    call = str(question.call.get("id") or "")
    content = json.dumps([asked.name, number, fields], sort_keys=True, default=str)
    digest = hashlib.sha256(content.encode()).hexdigest()[:16]
    key = f"{question.line.number}:{call}:{asked.name}:{digest}"
    return ToSave(key, step.in_, step.table, fields, question.line.number, call, question.caller.e164)


def _by_folded_name(queries: Mapping[str, Query]) -> dict[str, str]:
    """Names in one case, where that is still one Query."""
    folded: dict[str, list[str]] = {}
    for name in queries:
        folded.setdefault(name.strip().casefold(), []).append(name)
    return {key: names[0] for key, names in folded.items() if len(names) == 1}

"""Tasks: who is to be called, and what became of it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from connectors.base import Deadline, Misconfigured, Task, TaskOutcome, Unavailable, WriteResult
from connectors.rest.answers import RestAnswer
from connectors.rest.client import ReadyRequest, RestClient
from connectors.rest.finding import detail, id_of, items
from connectors.rest.options import RestTaskOptions
from connectors.rest.requests import UpdateStep
from connectors.rest.values import JmesPath, Unfit
from connectors.taskdates import NO_MOMENT, moment

_ROUNDS = 5
_TRIED, _COUNTED = 5, 100  # tasks that `check --connect` looks at, and counts
_SHOWN = 40


class RestTasks:
    """The tasks of a CRM."""

    def __init__(self, options: RestTaskOptions, client: RestClient) -> None:
        self._options = options
        self._client = client
        self._listing = ReadyRequest(options.list_, client, writes=False)
        self._reading = ReadyRequest(options.read, client, writes=False) if options.read is not None else None
        self._changes = [ReadyRequest(change, client, writes=change.verb != "GET") for change in options.update or []]
        self._details = [(request.name, ReadyRequest(request, client, writes=False)) for request in options.details]

    def list(self, deadline: Deadline) -> Iterator[Task]:
        """Yield the tasks that ask for a call now. Raises `ConnectorError`."""
        path = self._options.list_.items or self._options.items
        for item, answer in items(self._client, self._listing, path, {}, deadline, self._options.list_.pages):
            task = self._task(item, answer, deadline)
            if task is not None:
                yield task

    def tried(self, deadline: Deadline) -> str:
        """Return what listing gives, in words, for `check --connect`: how many, and of the first few whether they can
        be used. Raises `ConnectorError`, also for a time that can't be read."""
        listed = asking = without = 0
        path = self._options.list_.items or self._options.items
        for item, answer in items(self._client, self._listing, path, {}, deadline, self._options.list_.pages):
            listed += 1
            if asking < _TRIED:
                task = self._task(item, answer, deadline, strict=True)
                asking += task is not None
                without += task is not None and not task.fields.get("phone", "unknown")
            elif listed >= _COUNTED:
                break
        return self._counted(listed, asking, without)

    def _counted(self, listed: int, asking: int, without: int) -> str:
        what = self._options.what
        explanation = f": a callback is {what.render({'settings': self._client.settings})}" if what is not None else ""
        if not listed:
            return f"answered, there are none{explanation}"
        counted = f"answered, {f'{_COUNTED} or more' if listed >= _COUNTED else listed} listed"
        if not asking:
            return f"{counted}, none of them asks for a call{explanation}"
        counted += f", {asking} looked at" if asking < listed else ""
        return counted + (f", {without} without a number in the field phone" if without else "")

    def read(self, task: Task, deadline: Deadline) -> Task | None:
        """Return the task as it is now; as it was where nothing says how to read one. What the bridge itself wrote into
        it is no change. Raises `ConnectorError`."""
        if self._reading is None or self._options.read is None:
            return task
        for item, answer in items(
            self._client, self._reading, self._options.read.items, {"task": _seen(task)}, deadline
        ):
            now = self._task(item, answer, deadline, claimed=True)
            if now is None or now.id != task.id:
                return None
            return Task(now.id, {name: self._unclaimed(value, task.fields.get(name))
                                 for name, value in now.fields.items()})  # fmt: skip
        return None

    def update(self, task: Task, outcome: TaskOutcome, deadline: Deadline) -> WriteResult:
        """Tell what became of a task. Raises `ConnectorError`."""
        if not self._changes or outcome.status not in self._options.on:
            return WriteResult(task.id, created=False)
        for _ in range(_ROUNDS):
            written = self._make_changes(task, outcome, deadline)
            if written is not None:
                return written
        raise Unavailable(f"the task {task.id} kept changing while it was updated (again_on)")

    def _make_changes(self, task: Task, outcome: TaskOutcome, deadline: Deadline) -> WriteResult | None:
        """What the requests came to; None when they have to be made again."""
        scope: dict[str, object] = {"task": _seen(task), "outcome": self._words(outcome)}
        answer: RestAnswer | None = None
        for call in self._changes:
            change = call.request
            assert isinstance(change, UpdateStep)  # noqa: S101 - that is what they were made of
            if not self._client.applies(call, scope, deadline):
                scope |= {change.name: None} if change.name is not None else {}
                continue
            answer = self._client.ask(call, scope, deadline)
            if answer.named and answer.status in change.again_on:
                return None
            if answer.named:
                self._client.context.log.info("%s: the task is gone, nobody is told", answer.place)
                return WriteResult(task.id, created=False, exchange=answer.describe())
            if change.name is not None:
                scope[change.name] = _within(answer, change)
        return WriteResult(task.id, created=False, exchange=answer.describe() if answer is not None else "")

    def _words(self, outcome: TaskOutcome) -> dict[str, object]:
        statuses: Mapping[Any, Any] = self._options.statuses
        return {
            "status": statuses.get(outcome.status, outcome.status),
            "text": outcome.text,
            "at": outcome.at,
            "idcall": outcome.idcall,
            "result": outcome.result,
            "seconds": outcome.seconds,
        }

    def _task(
        self, item: Any, answer: RestAnswer, deadline: Deadline, *, claimed: bool = False, strict: bool = False
    ) -> Task | None:
        """The task of an item; None when it asks for no call. One that is `claimed` by the bridge still asks. `strict`:
        a time that can't be read is `Misconfigured`, not left to whoever takes it for a time."""
        options = self._options
        try:
            asks = options.when is None or options.when.holds(item)
            id_ = id_of(item, options.mapping["id"])
            if not asks and not (claimed and self._is_claimed(item)):
                return None
            if id_ is None:
                self._client.context.log.warning("%s: a task without an id is left out", answer.place)
                return None
            fields = self._fields(self._detailed(item, deadline) if self._details else item)
        except Unfit as unfit:
            raise Misconfigured(f"{answer.place}: tasks: {unfit}", exchange=answer.describe()) from None
        for name in options.dates.fields:
            if name in fields:
                fields[name] = self._moment(fields[name], name, id_, strict=strict)
        return Task(id_, fields)

    def _fields(self, item: Any) -> dict[str, object]:
        return {name: path.search(item) for name, path in self._options.mapping.items()}

    def _detailed(self, item: Any, deadline: Deadline) -> dict[str, Any]:
        """An item with what `details` found, by name; None for what is not there, or can't be asked for because
        something for its path is missing."""
        detailed: dict[str, Any] = dict(item) if isinstance(item, Mapping) else {"id": item}
        scope: dict[str, object] = {"task": self._fields(detailed)}
        for name, call in self._details:
            detailed[name] = scope[name] = detail(self._client, call, scope, deadline)
        return detailed

    def _moment(self, value: object, name: str, task: str, *, strict: bool) -> object:
        """A time as such; what can't be read stays as it is, so that whoever takes it for a time refuses it."""
        try:
            return moment(value, self._options.dates, self._client.context.timezone)
        except NO_MOMENT:
            if strict:
                shape = re.sub(r"\d", "9", str(value)[:_SHOWN])
                text = (
                    f"task {task}: {name} is written like {shape!r}, which is no time as tasks.dates says it is written"
                )
                form = self._options.dates.format or "ISO 8601"
                raise Misconfigured(f"{text} ({form}): write its format") from None
            self._client.context.log.warning("task %s: %s is no time as tasks.dates says it is written", task, name)
            return value

    def _is_claimed(self, item: Any) -> bool:
        """Whether a task asks for no call any more only because the bridge has claimed it: what `when` looks at holds
        the word that the bridge wrote there."""
        when = self._options.when
        return when is not None and any(self._is_claim(JmesPath(path).search(item)) for path in when.reads)

    def _unclaimed(self, now: object, before: object) -> object:
        return before if self._is_claim(now) else now

    def _is_claim(self, value: object) -> bool:
        written = bool(self._changes) and "claimed" in self._options.on
        return written and value is not None and str(value) == str(self._options.statuses.get("claimed", "claimed"))


def _seen(task: Task) -> dict[str, object]:
    """A task as expressions see it."""
    return {**task.fields, "id": task.fields.get("id", task.id)}


def _within(answer: RestAnswer, change: UpdateStep) -> Any:
    """What later requests of a chain see of this one's answer."""
    try:
        value = change.items.search(answer.body) if change.items is not None else answer.body
    except Unfit as unfit:
        raise Misconfigured(f"{answer.place}: items: {unfit}", exchange=answer.describe()) from None
    return value[0] if isinstance(value, list) and value else value

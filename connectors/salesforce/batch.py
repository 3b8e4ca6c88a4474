"""Many calls at once: requests of up to 200 Tasks, each Task with a result of its own."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence

from connectors.base import Activity, ConnectorError, Deadline, Unavailable, WriteResult
from connectors.expression import ExpressionError
from connectors.salesforce.client import SalesforceClient, SoqlRow
from connectors.salesforce.faults import Refusal, as_error, read
from connectors.salesforce.people import settling
from connectors.salesforce.writing import Job, Writing, to_spare

BATCH = 200
"""Records that one request may hold."""
Result = WriteResult | ConnectorError


class TaskBatch:
    """Writes many calls by way of `writing`. `results` come by place as they come about."""

    def __init__(self, client: SalesforceClient, writing: Writing, deadline: Deadline) -> None:
        self._client = client
        self._writing = writing
        self._deadline = deadline
        self._results: dict[int, Result] = {}

    def log(self, activities: Sequence[Activity]) -> list[Result]:
        """See `Connector.log_activities`. Raises `ConnectorError`, `Refusal` where none could be tried."""
        waiting = list(enumerate(activities))
        while waiting:
            now, waiting = _one_of_each_key(waiting)
            self._round(now)
        return [self._results[place] for place in range(len(activities))]

    def _round(self, activities: Sequence[tuple[int, Activity]]) -> None:
        key = self._writing.options.external_id
        existing = {} if key else self._writing.existing([activity for _, activity in activities], self._deadline)
        jobs = list(self._jobs(activities, existing))
        for chunk in _chunks([job for job in jobs if job.record]):
            self._send(chunk, "PATCH", "composite/sobjects", lambda job: {"id": job.record})
        for chunk in _chunks([job for job in jobs if not job.record]):
            if key:
                self._send(chunk, "PATCH", f"composite/sobjects/Task/{key}", lambda job: {key: job.activity.key})
            else:
                self._send(chunk, "POST", "composite/sobjects", lambda _job: {})

    def _jobs(self, activities: Sequence[tuple[int, Activity]], existing: Mapping[str, str]) -> Iterator[Job]:
        """Those that have something to send; the others have their result."""
        for place, activity in activities:
            written_id = activity.written_id if activity.revision > 1 else None
            record = written_id or existing.get(activity.key)
            if record and activity.revision == 1:
                self._results[place] = WriteResult(record, created=False)
                continue
            try:
                draft = self._writing.draft(activity, self._deadline)
            except (ConnectorError, Refusal, ExpressionError) as error:
                self._results[place] = as_error(error)
                continue
            yield Job(activity, draft.correction() if record else draft, record, place)

    def _send(self, jobs: Sequence[Job], method: str, path: str, identity: Callable[[Job], SoqlRow]) -> None:
        """One request, and more for those that have to leave a field out. It is answered by 200 whatever failed."""
        while jobs:
            records = [{"attributes": {"type": "Task"}, **identity(job), **job.draft.fields} for job in jobs]
            try:
                answers = self._client.write(method, path, {"allOrNone": False, "records": records}, self._deadline)
                if not isinstance(answers, list) or len(answers) != len(jobs):
                    raise Unavailable("the answer is not Salesforce's: it has not a result for each record")
            except (ConnectorError, Refusal) as error:
                failure = as_error(error)
                if method == "POST" and isinstance(failure, Unavailable):
                    failure = settling(failure)
                self._results.update({job.place: failure for job in jobs})
                return
            jobs = self._take(jobs, answers, created=method == "POST")

    def _take(self, jobs: Sequence[Job], answers: Sequence[SoqlRow], *, created: bool) -> list[Job]:
        """Note each result; those to be sent again without a field are left."""
        again = []
        for job, answer in zip(jobs, answers, strict=True):
            if answer.get("success"):
                is_new = bool(answer.get("created", created))
                self._results[job.place] = WriteResult(str(answer.get("id") or job.record), created=is_new)
                continue
            faults = read(answer.get("errors"))
            refusal = Refusal(400, faults, f"Salesforce: {'; '.join(map(str, faults))}")
            spared = to_spare(refusal, job.draft)
            if spared is None:
                self._results[job.place] = refusal.error()
            else:
                job.draft = job.draft.without(spared)
                again.append(job)
        return again


def _one_of_each_key(
    activities: Sequence[tuple[int, Activity]],
) -> tuple[list[tuple[int, Activity]], list[tuple[int, Activity]]]:
    """The first of each key, and the rest for later: the same external id twice in one request is a fault."""
    first: dict[str, tuple[int, Activity]] = {}
    later = []
    for place, activity in activities:
        if activity.key in first:
            later.append((place, activity))
        else:
            first[activity.key] = (place, activity)
    return list(first.values()), later


def _chunks(jobs: Sequence[Job]) -> Iterator[list[Job]]:
    rest = iter(jobs)
    while chunk := list(itertools.islice(rest, BATCH)):
        yield chunk

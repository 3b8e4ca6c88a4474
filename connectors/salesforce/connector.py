"""The connector: what the bridge asks, given to the parts that do it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import ClassVar, TypeVar
from urllib.parse import quote

from connectors.base import (
    Activity,
    Connector,
    ConnectorError,
    ConnectorOptions,
    Context,
    Deadline,
    LookupQuery,
    Misconfigured,
    NewRecord,
    ProbeResult,
    Record,
    Task,
    TaskOutcome,
    Usage,
    WriteResult,
)
from connectors.expression import ExpressionError
from connectors.salesforce.batch import TaskBatch
from connectors.salesforce.client import SalesforceClient
from connectors.salesforce.faults import Refusal, as_error
from connectors.salesforce.options import SOAP_ENDS, SalesforceOptions
from connectors.salesforce.people import People
from connectors.salesforce.probe import Probe
from connectors.salesforce.saving import Saving
from connectors.salesforce.schema import Schema
from connectors.salesforce.search import Search
from connectors.salesforce.soql import Statement
from connectors.salesforce.tasks import SalesforceTasks
from connectors.salesforce.writing import Writing

T = TypeVar("T")


class SalesforceConnector(Connector):
    """A Salesforce org."""

    Options: ClassVar[type[ConnectorOptions]] = SalesforceOptions
    cooperative: ClassVar[bool] = True

    def __init__(self, name: str, options: ConnectorOptions, context: Context) -> None:
        super().__init__(name, options, context)
        if not isinstance(options, SalesforceOptions):
            raise Misconfigured(f"connector {name} has options of another type")
        self.options = options
        if options.login.way == "password":
            context.log.warning(
                "%s: SOAP login() with a password ends with %s: change to client credentials", name, SOAP_ENDS
            )
        self._client = SalesforceClient(name, options, context)
        self._schema = Schema(self._client, context.cache, _identity(options))
        self._search = Search(name, self._client, self._schema, options, context)
        self._saving = Saving(name, self._client, self._schema, options)
        self._writing: Writing | None = None
        if options.activity:
            people = People(name, self._client, self._schema, self._search, options.activity, context)
            self._writing = Writing(self._client, self._schema, people, options.activity, context)
        self._tasks = SalesforceTasks(self._client, self._schema, options.tasks, context) if options.tasks else None

    @property
    def usage(self) -> Usage | None:
        """How much of the day's API requests the org has used, as it said last to any process of this machine."""
        return self._client.day_use.last()

    @property
    def requests(self) -> int:
        """Requests of this connector that Salesforce counted."""
        return self._client.requests

    def find(self, query: LookupQuery, deadline: Deadline) -> Sequence[Record]:
        if self.context.background:
            self._client.allow_background()
        return self._translated(lambda: self._search.find(query, deadline))

    def link(self, record: Record) -> str | None:
        """See `Connector.link`. Without the option, it is the org's own page of the record."""
        if self._usual_link is not None or record.kind in self._links:
            return super().link(record)
        instance = self._client.instance
        return f"{instance}/{quote(record.id, safe='')}" if instance and record.id else None

    def save(self, record: NewRecord, deadline: Deadline) -> WriteResult:
        """See `Connector.save`. Without `external_id`, a lost answer is `Ambiguous`."""
        return self._in_background(lambda: self._saving.save(record, deadline))

    def log_activity(self, activity: Activity, deadline: Deadline) -> WriteResult:
        """See `Connector.log_activity`: a Task."""
        return self._in_background(lambda: self._logging().log(activity, deadline))

    def log_activities(
        self, activities: Sequence[Activity], deadline: Deadline
    ) -> Sequence[WriteResult | ConnectorError]:
        """See `Connector.log_activities`: by requests of up to 200 Tasks."""
        try:
            return self._in_background(lambda: TaskBatch(self._client, self._logging(), deadline).log(activities))
        except ConnectorError as error:
            return [error] * len(activities)

    def tasks(self, deadline: Deadline) -> Iterable[Task]:
        return self._in_background(lambda: self._having_tasks().all(deadline))

    def read_task(self, task: Task, deadline: Deadline) -> Task | None:
        return self._in_background(lambda: self._having_tasks().read(task, deadline))

    def update_task(self, task: Task, outcome: TaskOutcome, deadline: Deadline) -> WriteResult:
        """See `Connector.update_task`. A task that somebody else has taken refuses to be claimed: `Rejected`."""
        return self._in_background(lambda: self._having_tasks().update(task, outcome, deadline))

    def organization_id(self, deadline: Deadline) -> str:
        """Return the org whose Outbound Messages are taken: as configured, else the one signed in to."""
        if self.options.organization_id:
            return self.options.organization_id
        return self._translated(lambda: self._organization(deadline))

    def probe(self, deadline: Deadline) -> Iterable[ProbeResult]:
        return list(Probe(self.options, self._client, self._schema, self._search, self._tasks, deadline).findings())

    def close(self) -> None:
        self._client.close()

    def _organization(self, deadline: Deadline) -> str:
        organization = self._client.signed(deadline).access.organization_id
        if organization:
            return organization
        return str(self._client.query(Statement(["Id"], "Organization").soql(), deadline)[0]["Id"])

    def _logging(self) -> Writing:
        if self._writing is None:
            raise self._cannot("keep activities")
        return self._writing

    def _having_tasks(self) -> SalesforceTasks:
        if self._tasks is None:
            raise self._cannot("list tasks")
        return self._tasks

    def _in_background(self, work: Callable[[], T]) -> T:
        self._client.allow_background()
        return self._translated(work)

    def _translated(self, work: Callable[[], T]) -> T:
        """What it comes to; `ConnectorError` alone comes out."""
        try:
            return work()
        except (Refusal, ExpressionError) as error:
            raise as_error(error) from error


def _identity(options: SalesforceOptions) -> str:
    """Which org and user this is, without a secret: they may see different things."""
    login = options.login
    who = (login.way, login.host, login.client_id, login.username, login.instance_url, options.version)
    return "|".join(str(part or "") for part in who)

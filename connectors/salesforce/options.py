"""What a Salesforce connector's section may hold."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Literal, get_args

from cryptography.hazmat.primitives.serialization import load_pem_private_key
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, SecretStr, model_validator

from connectors.base import Capabilities, ConnectorOptions, Problem, TemplateUse
from connectors.expression import Template
from connectors.options import OwnLink
from connectors.salesforce.soql import where_fault
from connectors.units import Duration
from connectors.urltemplate import LinkTemplate

OLDEST_VERSION = 52.0  # the header that saves a Lead in spite of an alerting duplicate rule exists from here on
SOAP_ENDS = "Summer '27 (June 2027)"
BUILT_IN = frozenset({"object", "owner_id", "person_contact_id"})
"""Fields that every record found has besides the configured ones."""
ACTIVITY_NAMES = frozenset({"activity", "contact", "call", "caller", "called", "line", "vars", "now"})
Status = Literal[
    "claimed",
    "accepted",
    "answered",
    "busy",
    "no_answer",
    "failed",
    "rejected",
    "cancelled",
    "expired",
    "may_have_rung",
]
STATUSES: tuple[Status, ...] = get_args(Status)
OPEN_STATUSES = frozenset({"claimed", "accepted", "may_have_rung"})
"""Outcomes after which a task is still open."""


def _as_written(value: object) -> object:
    """A number without quotes where a text belongs: as it is spelled in the file."""
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return str(getattr(value, "text", value))
    return value


def _name(value: str) -> str:
    if not re.fullmatch(r"[A-Za-z]\w{0,79}", value, re.ASCII):
        raise ValueError("write an API name, such as Contact or Infocaller_Id__c")
    return value


def _path(value: str) -> str:
    if not re.fullmatch(r"[A-Za-z]\w{0,79}(\.[A-Za-z]\w{0,79}){0,5}", value, re.ASCII):
        raise ValueError("write a field or a path of fields, such as Phone or Owner.Phone")
    return value


def _id(value: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9]{15}([A-Za-z0-9]{3})?", value):
        raise ValueError("write an Id of 15 or 18 characters, as the address bar of the record shows it")
    return value


def _listed(value: object) -> object:
    return value if isinstance(value, list) else [value]


def _version(value: object) -> object:
    match = re.fullmatch(r"v?(\d{2,3})(\.0)?", str(getattr(value, "text", value)))
    if not match or float(match[1]) < OLDEST_VERSION:
        raise ValueError(f"write an API version from {OLDEST_VERSION} on, such as 64.0")
    return f"{match[1]}.0"


def _share(value: object) -> object:
    match = re.fullmatch(r"\s*(\d{1,2})\s*%\s*", str(value))
    if not match:
        raise ValueError("write a percentage, such as 10%")
    return int(match[1]) / 100


def _where(value: str) -> str:
    fault = where_fault(value)
    if fault:
        raise ValueError(fault)
    return value


Text = Annotated[str, BeforeValidator(_as_written)]
Secret = Annotated[SecretStr, BeforeValidator(_as_written)]
Name = Annotated[Text, AfterValidator(_name)]
FieldPath = Annotated[Text, AfterValidator(_path)]
FieldPaths = Annotated[list[FieldPath], BeforeValidator(_listed, json_schema_input_type=str | list[str])]
RecordId = Annotated[Text, AfterValidator(_id)]
Where = Annotated[Text, AfterValidator(_where)]


class SalesforceSection(BaseModel):
    """A part of the section; unknown keys are faults."""

    model_config = ConfigDict(extra="forbid", frozen=True, arbitrary_types_allowed=True)


class Login(SalesforceSection):
    """How to sign in: one of the four ways of docs/connectors/salesforce.md."""

    domain: Text | None = Field(
        None, description="acme.my for https://acme.my.salesforce.com; login, test; or a whole https address"
    )
    client_id: Text | None = Field(None, description="Consumer key of the External Client App")
    client_secret: Secret | None = Field(None, description="Consumer secret: client credentials flow")
    private_key_file: Path | None = Field(None, description="PEM file of the app's private key: JWT bearer flow")
    audience: Text | None = Field(None, description="`aud` of the JWT; default: that of login or test by the domain")
    username: Text | None = Field(None, description="The user, for JWT or SOAP login()")
    password: Secret | None = Field(None, description="SOAP login(), which Salesforce retires in June 2027")
    security_token: Secret | None = Field(None, description="The user's security token, with the password")
    session_id: Secret | None = Field(None, description="A session from elsewhere, which can't be renewed")
    instance_url: Text | None = Field(None, description="Where that session is good: https://…")

    @property
    def way(self) -> Literal["client_credentials", "jwt", "password", "session"]:
        """Which of the four it is."""
        if self.session_id:
            return "session"
        if self.private_key_file:
            return "jwt"
        return "client_credentials" if self.client_secret else "password"

    @property
    def host(self) -> str:
        """Where to sign in, `https://…` without a slash at the end."""
        domain = (self.domain or "login").rstrip("/")
        if domain.startswith("https://"):
            return domain
        return f"https://{domain.removesuffix('.salesforce.com')}.salesforce.com"

    @property
    def secrets(self) -> list[str]:
        """What must never be shown."""
        secrets = (self.client_secret, self.password, self.security_token, self.session_id)
        return [secret.get_secret_value() for secret in secrets if secret]

    @model_validator(mode="after")
    def _one_way(self) -> Login:
        keys = {name for name in type(self).model_fields if getattr(self, name) is not None}
        needed = {
            "client_credentials": ({"domain", "client_id", "client_secret"}, set[str]()),
            "jwt": ({"username", "client_id", "private_key_file"}, {"domain", "audience"}),
            "password": ({"username", "password"}, {"domain", "security_token"}),
            "session": ({"session_id", "instance_url"}, set[str]()),
        }
        must, may = needed[self.way]
        if not must <= keys <= must | may:
            raise ValueError(
                "write one of: domain, client_id, client_secret; username, client_id, private_key_file; "
                "username, password, security_token; session_id, instance_url"
            )
        return self._checked()

    def _checked(self) -> Login:
        if self.way == "client_credentials" and self.domain in ("login", "test"):
            raise ValueError("domain: client credentials need your My Domain, such as acme.my")
        if self.domain and not re.fullmatch(r"(https://)?[A-Za-z0-9.-]+(:\d+)?/?", self.domain):
            raise ValueError("domain: write acme.my, login, test or a whole address such as https://login.example.com")
        if self.instance_url and not re.fullmatch(r"https://[A-Za-z0-9.-]+(:\d+)?/?", self.instance_url):
            raise ValueError("instance_url: write an address such as https://acme.my.salesforce.com, without a path")
        return self


class SalesforceRecordOptions(SalesforceSection):
    """A kind of record: which objects it is in, and which of their fields are wanted."""

    objects: list[Name] = Field([], description="The objects to look in; the first that has a match wins")
    object: Name | None = Field(None, description="The same, for a single one")
    key: Name | None = Field(None, description="The field that `key:` looks for")
    fields: dict[Text, FieldPaths] = Field(
        {}, description="What to read: a field, a path such as Owner.Phone, or several: the first that has a value"
    )
    phones: list[Name] | None = Field(None, description="Fields that hold phones; default: all of type phone but faxes")
    where: Where | dict[Name, Where] | None = Field(
        None, description="More conditions, in SOQL; for single objects by their name"
    )
    date: Name | None = Field(
        None, description="The field with its date: many: newest and many: next go by it", examples=["StartDateTime"]
    )
    newest: Name | None = Field(None, description="The same; without either, many: newest goes by CreatedDate")
    external_id: Name | None = Field(None, description="External Id field of records saved: each key once")
    link: OwnLink = None

    @property
    def dated(self) -> str | None:
        """The field with the date."""
        return self.date or self.newest

    @property
    def all_objects(self) -> list[str]:
        """The objects in order."""
        return self.objects or ([self.object] if self.object else [])

    def where_of(self, name: str) -> str | None:
        """Return the conditions for one object."""
        if isinstance(self.where, dict):
            return next((text for key, text in self.where.items() if key.lower() == name.lower()), None)
        return self.where

    @model_validator(mode="after")
    def _some_object(self) -> SalesforceRecordOptions:
        if self.date and self.newest:
            raise ValueError("date: and newest: mean the same: keep date:")
        if bool(self.objects) == bool(self.object):
            raise ValueError("write either object: Order or objects: [Contact, Lead]")
        return self


class Dispositions(SalesforceSection):
    """What CallDisposition says."""

    answered: Text = Field("Answered", description="Of a call that somebody answered")
    missed: Text = Field("Not answered", description="Of a call that nobody answered")


class SalesforceActivityOptions(SalesforceSection):
    """How calls are kept, as Tasks."""

    external_id: Name | None = Field(
        None, description="External Id field of Task: upsert by it. Without one, CallObject is searched first"
    )
    owners: dict[Text, RecordId] = Field({}, description="Who owns the Task: number or extension that answered → user")
    fields: dict[Name, Template] = Field({}, description="Any other field of Task")
    status: Text = Field("Completed", description="Status of the Task")
    dispositions: Dispositions = Field(default_factory=lambda: Dispositions.model_validate({}),
                                       description="What CallDisposition says")  # fmt: skip
    unknown_caller: Literal["none", "lead"] = Field("none", description="Make a Lead of a caller who is not known")
    lead: dict[Name, Template] = Field({}, description="Fields of that Lead; default: LastName, Company, Phone")
    lead_external_id: Name | None = Field(
        None, description="External Id field of Lead for the number: needed where several hosts write"
    )
    lead_assignment: bool = Field(False, description="Let the org's assignment rules choose the owner of that Lead")


class SalesforceTaskOptions(SalesforceSection):
    """Which Tasks ask for a call, and how they are told what became of it."""

    where: Where = Field(description="Which Tasks ask for a call, in SOQL")
    fields: dict[Text, FieldPaths] = Field({}, description="What to read; phone and due have defaults")
    statuses: dict[Status | Literal["closed"], Text | None] = Field(
        {}, description="Status for an outcome; closed: for all that end it; none: leave it"
    )
    on: list[Status] = Field(list(STATUSES), description="Outcomes that are written back")
    update: dict[Name, Template] | None = Field(
        None, description="What to write; default: Status, CallDisposition and a line in Description"
    )

    def status(self, outcome: str) -> str | None:
        """Return the org's word for an outcome; None: leave Status as it is."""
        words: dict[str, str | None] = {word: status for word, status in self.statuses.items()}  # noqa: C416 - wider keys
        if outcome in words:
            return words[outcome]
        if outcome == "claimed":
            return "In Progress"
        return None if outcome in OPEN_STATUSES else words.get("closed", "Completed")


class SalesforceOptions(ConnectorOptions):
    """A Salesforce org."""

    type: Literal["salesforce"] = Field(description="Salesforce")
    login: Login = Field(description="How to sign in")
    version: Annotated[str, BeforeValidator(_version, json_schema_input_type=str | float)] = Field(
        "64.0", description="API version"
    )
    timeout: Duration = Field(Duration(10), description="The most that one request may take")
    ca_file: Path | None = Field(None, description="Certificates (PEM) of a private CA")
    search: Literal["sosl", "soql"] = Field(
        "sosl", description="soql sees what was written a moment ago, and is slower in large orgs"
    )
    reserve: Annotated[float, BeforeValidator(_share, json_schema_input_type=str)] = Field(
        0.1, description="Part of the day's API requests that is kept for lookups during a call"
    )
    organization_id: RecordId | None = Field(
        None, description="The org whose Outbound Messages are taken; default: this"
    )
    records: dict[Text, SalesforceRecordOptions] = Field({}, description="Kinds of records, by a name of your own")
    activity: SalesforceActivityOptions | None = Field(None, description="How calls are kept")
    tasks: SalesforceTaskOptions | None = Field(None, description="Tasks that ask for a call")

    def abilities(self) -> Capabilities:
        """Kinds without `key` are found by phone; those of one object can be saved."""
        kinds = self.records.items()
        fields = {kind: frozenset(record.fields) | BUILT_IN for kind, record in kinds if record.fields}
        return Capabilities(
            by_phone=frozenset(kind for kind, record in kinds if record.phones or not record.key),
            by_key=frozenset(kind for kind, record in kinds if record.key),
            saves=frozenset(kind for kind, record in kinds if len(record.all_objects) == 1),
            updates=frozenset(kind for kind, record in kinds if len(record.all_objects) == 1),
            activities=self.activity is not None,
            updates_activities=self.activity is not None,
            batch=200 if self.activity is not None else 1,
            dated=frozenset(kind for kind, record in kinds if record.dated),
            tasks=self.tasks is not None,
            fields=fields,
            links=True,
        )

    def own_links(self) -> Mapping[tuple[str, str], LinkTemplate]:
        """Return those of single kinds."""
        return {("records", kind): record.link for kind, record in self.records.items() if record.link is not None}

    def templates(self) -> Iterator[TemplateUse]:
        """Yield those of Task, Lead and of what tasks are told."""
        if self.activity:
            for group in ("fields", "lead"):
                for name, template in getattr(self.activity, group).items():
                    yield TemplateUse(("activity", group, name), template, ACTIVITY_NAMES)
        if self.tasks and self.tasks.update:
            for name, template in self.tasks.update.items():
                yield TemplateUse(("tasks", "update", name), template, frozenset({"task", "outcome", "now"}))

    def problems(self, folder: Path) -> Iterator[Problem]:
        """Files that can't be read, and a way to sign in that ends."""
        if self.login.way == "password":
            text = f"SOAP login() with a password ends with {SOAP_ENDS}: change to client_id and client_secret before"
            yield Problem(("login", "password"), text, warning=True)
        if self.ca_file and not (folder / self.ca_file).is_file():
            yield Problem(("ca_file",), f"there is no file {self.ca_file}")
        if self.login.private_key_file:
            fault = _key_fault(folder / self.login.private_key_file)
            if fault:
                yield Problem(("login", "private_key_file"), fault)


def _key_fault(file: Path) -> str | None:
    """What is wrong with the private key, None where it can be used."""
    try:
        load_pem_private_key(file.read_bytes(), None)
    except OSError as error:
        return f"can't be read: {error.strerror}"
    except (ValueError, TypeError) as error:
        return f"is no private key in PEM without a password: {str(error)[:100]}"
    return None

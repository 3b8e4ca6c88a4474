"""What a connector of `type: rest` may be told."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, ValidationInfo, field_validator, model_validator

from connectors.base import Capabilities, ConnectorOptions, Problem, TemplateUse
from connectors.expression import Template
from connectors.options import OwnLink
from connectors.rest import checks, presets
from connectors.rest.auth import Auth, NoAuth
from connectors.rest.requests import (
    Create,
    Detail,
    ErrorRule,
    Existing,
    Listing,
    Pop,
    ReadRequest,
    Request,
    SearchStep,
    Tries,
    UpdateSteps,
    tries,
)
from connectors.rest.values import JmesPath, Loc, RestSection, Secret, Size, Text, listed
from connectors.taskdates import Dates
from connectors.units import Duration
from connectors.urltemplate import LinkTemplate

Status = Literal[
    "claimed", "accepted", "answered", "busy", "no_answer", "failed", "rejected", "cancelled", "expired",
    "may_have_rung",
]  # fmt: skip
STATUSES: tuple[Status, ...] = (
    "claimed", "accepted", "answered", "busy", "no_answer", "failed", "rejected", "cancelled", "expired",
    "may_have_rung",
)  # fmt: skip
_ID, _PHONE = JmesPath("id"), JmesPath("phone")


class RestRecordOptions(RestSection):
    """One kind of record: how it is found, and created."""

    search: Tries | None = Field(
        None, description="One request, or a list: tries of which the first that matches wins; with name: a chain"
    )
    items: JmesPath | None = Field(None, description="JMESPath to the list, or the one item; default: the whole answer")
    fields: dict[Text, JmesPath] | None = Field(
        None, min_length=1, description="Its fields: JMESPaths in an item; default: the item as it is"
    )
    phones: Annotated[list[JmesPath], BeforeValidator(listed)] | None = Field(
        None,
        min_length=1,
        description="JMESPaths to the numbers in an item; one has to match; default: what the field phone reads",
    )
    key: JmesPath | None = Field(None, description="JMESPath to the key in an item; what has another is no match")
    date: JmesPath | None = Field(
        None,
        description="JMESPath to an item's date (ISO 8601, 24/12/2026 10:00, or seconds or milliseconds since 1970): "
        "many: newest and many: next go by it",
        examples=["starts_at"],
    )
    newest: JmesPath | None = Field(None, description="The same; it may also lead to what only grows, such as a number")
    create: Create | None = Field(None, description="For save: and unknown callers; field has the values, key is ours")
    find: Existing | None = Field(None, description="Looks for one of ours by {{ key }} before it is created again")
    update: Request | None = Field(
        None,
        description="Changes one of ours; field has the values, key is ours, found is what find finds, or has its id",
    )
    link: OwnLink = None

    @property
    def numbers(self) -> list[JmesPath]:
        """Where an item's numbers are."""
        return self.phones or [(self.fields or {}).get("phone", _PHONE)]

    @property
    def tries(self) -> list[list[SearchStep]]:
        """Each try as a chain."""
        return tries(list(self.search)) if self.search else []

    def asks(self, way: Literal["phone", "key"]) -> list[list[SearchStep]]:
        """Return the tries that a lookup by phone, or by key, takes."""
        other = "key" if way == "phone" else "phone"
        return [chain for chain in self.tries if other not in (names := checks.names_in(chain))
                and (way in names or (way == "phone" or self.key is not None))]  # fmt: skip

    @property
    def dated(self) -> JmesPath | None:
        """Where an item's date is."""
        return self.date or self.newest

    @model_validator(mode="after")
    def _possible(self) -> Self:
        if self.date and self.newest:
            raise ValueError("date: and newest: mean the same: keep date:")
        if self.search is None and self.create is None:
            raise ValueError("say how it is found (search), or created (create)")
        for chain in self.tries:
            checks.chain([step.name for step in chain])
            if {"phone", "key"} <= checks.names_in(chain):
                raise ValueError("one search asks by phone or by key, not both: write two tries")
        return self


class RestActivityOptions(RestSection):
    """How a call is kept."""

    create: Create = Field(description="Keeps a call; activity has what is known of it")
    find: Existing | None = Field(None, description="Looks for it by activity.key before it is created again")
    update: Request | None = Field(None, description="Corrects it; found is what find finds, or has its id")


class RestTaskOptions(RestSection):
    """Who is to be called."""

    what: Template | None = Field(None, description="What is a task, in words: check --connect says it if it sees none")
    list_: Listing = Field(alias="list", description="Lists the tasks that ask for a call")
    items: JmesPath | None = Field(None, description="JMESPath to the list; default: the whole answer")
    fields: dict[Text, JmesPath] = Field(
        default_factory=lambda: {"phone": _PHONE},
        min_length=1,
        description="Their fields, id among them: JMESPaths in an item",
    )
    details: Annotated[list[Detail], BeforeValidator(listed)] = Field(
        [], description="Requests for each task, for what a list does not say; fields find their answers by name"
    )
    when: JmesPath | None = Field(None, description="JMESPath: an item for which it finds nothing asks for no call")
    dates: Dates = Field(default_factory=Dates, description="How times are written")
    read: ReadRequest | None = Field(None, description="Reads one task again, just before it is rung")
    update: UpdateSteps | None = Field(None, description="Says what became of a task: one request, or a chain")
    statuses: dict[Status, Any] = Field({}, description="outcome.status in the CRM's words")
    on: list[Status] = Field(list(STATUSES), description="Which outcomes are told")

    @field_validator("statuses")
    @classmethod
    def _simple(cls, value: dict[Status, Any]) -> dict[Status, Any]:
        for status, word in value.items():
            if not isinstance(word, (str, int, float)):
                raise ValueError(f"{status}: write a word or a number")
        return value

    @model_validator(mode="after")
    def _chained(self) -> Self:
        checks.chain([change.name for change in self.update or []], last_too=True)
        checks.chain([detail.name for detail in self.details], last_too=True)
        return self

    @property
    def mapping(self) -> dict[str, JmesPath]:
        """The fields, with the id."""
        return {"id": _ID, **self.fields}


class RestOptions(ConnectorOptions):
    """A CRM with a REST API."""

    type: Literal["rest"] = Field("rest", description="Any CRM with a REST API")
    preset: Text | None = Field(None, description="A CRM that is described already; what stands here overrides it")
    settings: dict[Text, Secret] = Field({}, description="Values for {{ settings.NAME }}, such as a preset asks for")
    base_url: Template = Field(description="Where the API begins")
    auth: Auth = Field(default_factory=lambda: NoAuth(type="none"), description="How to sign in")
    headers: dict[Text, Template] = Field({}, description="Headers of every request")
    timeout: Duration = Field(Duration(10), description="The longest a request may take")
    ca_file: Text | None = Field(None, description="A private CA's certificates (PEM), trusted instead of the public")
    max_answer: Size = Field(5_000_000, description="The largest answer that is read")
    decode: Literal["html"] | None = Field(
        None, description="html: the texts in its answers are HTML, such as &#039; for an apostrophe; they are decoded"
    )
    error: ErrorRule | None = Field(None, description="Errors that come inside an answer")
    records: dict[Text, RestRecordOptions] = Field(
        {}, description="What can be found or created, by a name of your own"
    )
    activity: RestActivityOptions | None = Field(None, description="How calls are kept")
    tasks: RestTaskOptions | None = Field(None, description="Who is to be called")
    pop: Pop | None = Field(None, description="How a record opens on the screen of who answered a call")

    @model_validator(mode="before")
    @classmethod
    def _on_preset(cls, value: Any) -> Any:
        return presets.applied(value)

    @field_validator("base_url")
    @classmethod
    def _whole_url(cls, value: Template, info: ValidationInfo) -> Template:
        checks.base_url(value, info.data.get("settings", {}))
        return value

    @property
    def plain_settings(self) -> Mapping[str, str]:
        """The settings as expressions see them."""
        return {name: value.get_secret_value() for name, value in self.settings.items()}

    @property
    def secret(self) -> list[object]:
        """The options without those settings that a preset has a value for: what everybody may know."""
        public = presets.settings(self.preset)
        hidden = {name: value for name, value in self.settings.items() if name not in public}
        return [value for name, value in vars(self).items() if name != "settings"] + [hidden]

    def shown(self) -> frozenset[Loc]:
        """Return the settings that a preset has a value for."""
        return frozenset(("settings", name) for name in presets.settings(self.preset))

    @cached_property
    def root(self) -> str:
        """The base URL with the settings filled in."""
        return self.base_url.render({"settings": self.plain_settings}).rstrip("/")

    def abilities(self) -> Capabilities:
        """Return what can be asked of it, as it is configured here."""
        return Capabilities(
            by_phone=frozenset(name for name, record in self.records.items() if record.asks("phone")),
            by_key=frozenset(name for name, record in self.records.items() if record.asks("key")),
            saves=frozenset(name for name, record in self.records.items() if record.create is not None),
            updates=frozenset(name for name, record in self.records.items() if record.create and record.update),
            activities=self.activity is not None,
            updates_activities=self.activity is not None and self.activity.update is not None,
            tasks=self.tasks is not None,
            fields={name: frozenset({"id", *record.fields}) for name, record in self.records.items()
                    if record.fields is not None},
            task_fields=frozenset(self.tasks.mapping) if self.tasks is not None else None,
            wordless=checks.wordless(self),
            dated=frozenset(name for name, record in self.records.items() if record.dated is not None),
            pops=frozenset(self.pop.agents) if self.pop is not None else frozenset(),
            pop_finds=self.pop.record if self.pop is not None and "contact" in checks.names_in(self.pop) else "",
        )  # fmt: skip

    def own_links(self) -> Mapping[tuple[str, str], LinkTemplate]:
        """Return those of single kinds."""
        return {("records", kind): record.link for kind, record in self.records.items() if record.link is not None}

    def link_names(self) -> Mapping[str, object]:
        """Return the settings, and where the API begins."""
        return {"settings": self.plain_settings, "base_url": self.root}

    def templates(self) -> Iterator[TemplateUse]:
        """Yield each expression among the options, with the names that it may use."""
        yield from checks.templates(self)

    def problems(self, folder: Path) -> Iterator[Problem]:
        """Yield what is wrong beyond types."""
        yield from checks.problems(self, folder)

"""What a connector of `type: rest` may be told."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Literal, Self
from zoneinfo import ZoneInfo

from pydantic import BeforeValidator, Field, ValidationInfo, field_validator, model_validator

from connectors.base import Capabilities, ConnectorOptions, Problem, TemplateUse
from connectors.expression import Template
from connectors.rest import checks, presets
from connectors.rest.auth import Auth, NoAuth
from connectors.rest.requests import (
    Changes,
    Create,
    Detail,
    ErrorRule,
    Existing,
    Listing,
    Reading,
    Request,
    Step,
    Tries,
    tries,
)
from connectors.rest.values import JmesPath, Loc, Secret, Section, Size, Text, listed
from connectors.units import Duration

Status = Literal[
    "claimed", "accepted", "answered", "busy", "no_answer", "failed", "rejected", "cancelled", "expired",
    "may_have_rung",
]  # fmt: skip
STATUSES: tuple[Status, ...] = (
    "claimed", "accepted", "answered", "busy", "no_answer", "failed", "rejected", "cancelled", "expired",
    "may_have_rung",
)  # fmt: skip
_ID, _PHONE = JmesPath("id"), JmesPath("phone")


class Dates(Section):
    """How times are written."""

    format: Text | None = Field(
        None, description="As strptime reads it; epoch or epoch_ms: seconds or milliseconds; default ISO 8601"
    )
    timezone: Text | None = Field(None, description="The zone of times that name none; default: the line's")
    fields: list[Text] = Field(["due"], description="Which fields are times")

    @field_validator("timezone")
    @classmethod
    def _zone(cls, value: str | None) -> str | None:
        try:
            return value if value is None else str(ZoneInfo(value))
        except (ValueError, OSError, KeyError):
            raise ValueError("there is no such time zone; write one such as Europe/Madrid or UTC") from None


class RecordOptions(Section):
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
    newest: JmesPath | None = Field(None, description="JMESPath to what orders items, such as the date of a change")
    create: Create | None = Field(None, description="For save: and unknown callers; field has the values, key is ours")
    find: Existing | None = Field(None, description="Looks for one of ours by {{ key }} before it is created again")

    @property
    def numbers(self) -> list[JmesPath]:
        """Where an item's numbers are."""
        return self.phones or [(self.fields or {}).get("phone", _PHONE)]

    @property
    def tries(self) -> list[list[Step]]:
        """Each try as a chain."""
        return tries(list(self.search)) if self.search else []

    def asks(self, way: Literal["phone", "key"]) -> list[list[Step]]:
        """The tries that a lookup by phone, or by key, takes."""
        other = "key" if way == "phone" else "phone"
        return [chain for chain in self.tries if other not in (names := checks.names_in(chain))
                and (way in names or (way == "phone" or self.key is not None))]  # fmt: skip

    @model_validator(mode="after")
    def _possible(self) -> Self:
        if self.search is None and self.create is None:
            raise ValueError("say how it is found (search), or created (create)")
        for chain in self.tries:
            checks.chain([step.name for step in chain])
            if {"phone", "key"} <= checks.names_in(chain):
                raise ValueError("one search asks by phone or by key, not both: write two tries")
        return self


class ActivityOptions(Section):
    """How a call is kept."""

    create: Create = Field(description="Keeps a call; activity has what is known of it")
    find: Existing | None = Field(None, description="Looks for it by activity.key before it is created again")
    update: Request | None = Field(None, description="Corrects it; found is what find finds, or has its id")


class TaskOptions(Section):
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
    read: Reading | None = Field(None, description="Reads one task again, just before it is rung")
    update: Changes | None = Field(None, description="Says what became of a task: one request, or a chain")
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
        checks.chain([one.name for one in self.update or []], last_too=True)
        checks.chain([one.name for one in self.details], last_too=True)
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
    records: dict[Text, RecordOptions] = Field({}, description="What can be found or created, by a name of your own")
    activity: ActivityOptions | None = Field(None, description="How calls are kept")
    tasks: TaskOptions | None = Field(None, description="Who is to be called")

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
        known = presets.settings(self.preset)
        hidden = {name: value for name, value in self.settings.items() if name not in known}
        return [value for name, value in vars(self).items() if name != "settings"] + [hidden]

    def shown(self) -> frozenset[Loc]:
        """The settings that a preset has a value for."""
        return frozenset(("settings", name) for name in presets.settings(self.preset))

    @cached_property
    def root(self) -> str:
        """The base URL with the settings filled in."""
        return self.base_url.render({"settings": self.plain_settings}).rstrip("/")

    def abilities(self) -> Capabilities:
        """What can be asked of it, as it is configured here."""
        return Capabilities(
            by_phone=frozenset(name for name, record in self.records.items() if record.asks("phone")),
            by_key=frozenset(name for name, record in self.records.items() if record.asks("key")),
            saves=frozenset(name for name, record in self.records.items() if record.create is not None),
            activities=self.activity is not None,
            updates_activities=self.activity is not None and self.activity.update is not None,
            tasks=self.tasks is not None,
            fields={name: frozenset({"id", *record.fields}) for name, record in self.records.items()
                    if record.fields is not None},
            task_fields=frozenset(self.tasks.mapping) if self.tasks is not None else None,
            wordless=checks.wordless(self),
        )  # fmt: skip

    def templates(self) -> Iterator[TemplateUse]:
        """Each expression among the options, with the names that it may use."""
        yield from checks.templates(self)

    def problems(self, folder: Path) -> Iterator[Problem]:
        """What is wrong beyond types."""
        yield from checks.problems(self, folder)

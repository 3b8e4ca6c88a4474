"""The section of the configuration that makes calls of tasks."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, PlainValidator, PrivateAttr, model_validator

from bridge.config.commercial import ConsentFields, Purpose
from bridge.config.find import FindStep
from bridge.config.hours import DAYTIME, Holidays, NamedHours
from bridge.config.kinds import Incomplete, Secrets, Section, Text, as_written, listed, section_or_none
from connectors.expression import Template
from connectors.units import Duration, Rate

LONGEST_NAME = 100
"""Characters of a source's name."""
FROM, NAME, BUILT_IN_ORIGIN = "from", "name", "built_in"
"""The kinds of origins."""


def _number_or_expression(value: object) -> int | Template:
    """A whole number, or a text with `{{ }}`."""
    if isinstance(value, Template):
        return value
    if isinstance(value, str) and "{{" in value:
        return Template(value)
    if isinstance(value, int) and not isinstance(value, bool):
        return int(value)
    raise ValueError("write a whole number, or an expression such as {{ task.minutes }}")


OfTask = Annotated[int | Template, PlainValidator(_number_or_expression, json_schema_input_type=int | str)]
"""A whole number, the configuration's own or the task's."""


def _plain(value: object) -> object:
    text = as_written(value)
    if isinstance(text, str) and "{{" in text:
        raise ValueError("no expression can stand here: one name for all tasks of this source")
    return text


class DoNotCall(Section):
    """A list of people who are not to be called."""

    in_: Text = Field(alias="in", description="The connector that has the list", examples=["agenda"])
    table: Text = Field(description="The table, object or record that is looked up by phone", examples=["robinson"])


class MissedRecord(Section):
    """What each task of missed calls is in a CRM."""

    in_: Text = Field(alias="in", description="The connector that keeps it", examples=["agenda"])
    table: Text = Field(description="The table, object or record that it becomes", examples=["callback"])
    fields: dict[str, Template] = Field(
        description="Its values, by field; they change with each further missed call",
        examples=[{"phone": "{{ task.phone }}", "calls": "{{ task.count }}", "status": "open"}],
    )
    done: dict[str, Template] = Field(
        {},
        description="Values once the task has ended; outcome has .status, .text and .at",
        examples=[{"status": "closed", "note": "{{ outcome.text }}"}],
    )


class CallbackSource(Section):
    """Tasks that become calls: where they come from, whom to call, when, and with which rules."""

    name: Text | None = Field(
        None, description="The word in /callbacks/NAME; default: from", examples=["web"], max_length=LONGEST_NAME
    )
    from_: Text | None = Field(
        None,
        alias="from",
        description="The connector whose tasks are called, or missed_calls; leave out for HTTP and campaigns",
    )
    token: Secrets = Field(
        (),
        description="Bearer token for tasks that come by HTTP, 24 characters or more, or a list of two, either of "
        "which will do; without it none do",
        examples=["${CALLBACK_TOKEN}"],
    )
    per_address: Rate = Field(
        Rate(600, 60.0),
        description="So many requests one address may send to this source by HTTP",
        json_schema_extra={"default": "600/m"},
    )
    asked_per_number: Rate = Field(
        Rate(20, 86400.0),
        description="So many different tasks for one number are taken by HTTP; per_number says how often it is called",
        json_schema_extra={"default": "20/d"},
    )
    when: Template | None = Field(
        None,
        description="Which tasks are this source's: of several sources from one connector, the first whose when: "
        "holds takes a task; one without it takes what is left",
        examples=["{{ task.kind == 'urgent' }}"],
    )
    purpose: Purpose | None = Field(
        None,
        description="What its calls are for. commercial: to sell, held to the rules of docs/commercial-calls.md; "
        "service: about a contract or service that there is; requested: the person asked for the call. Default: "
        "requested for missed_calls and with token:, else nothing is held to any rule, with a warning",
    )
    consent: ConsentFields | None = Field(
        None, description="Of purpose: commercial, which needs it: where each row says why its person may be called"
    )
    automatic: bool = Field(
        False,
        description="Of purpose: commercial: whether a recording speaks and nobody of yours; then consent alone counts",
    )
    exclusion_max_age: Duration = Field(
        Duration(30 * 86400),
        description="Of purpose: commercial: how old the last check against exclusion lists may be, for rows without "
        "consent",
    )
    line: Text = Field(description="The line that calls", examples=["912345678"])
    every: Duration = Field(Duration(30), description="How often the connector's tasks are looked at")
    dial: Literal["automatic", "by_hand"] = Field(
        "automatic",
        description="by_hand: a callback waits until somebody says `infocaller-bridge callbacks call ID`",
    )
    after: Duration = Field(
        Duration(0), description="Of missed_calls only: not before so long after the end of the last missed call"
    )
    rule_group: Annotated[Text, BeforeValidator(_plain)] = Field(
        description="The platform's rule group for these calls (gruporeglas)", min_length=1, examples=["callbacks"]
    )
    number: Template = Field(
        Template("{{ task.phone }}"),
        description="Who is rung",
        json_schema_extra={"default": "{{ task.phone }}"},
        examples=["{{ task.phone }}"],
    )
    customer: Template | None = Field(None, description="Whom the call is about; default: number")
    at: Template = Field(
        Template("{{ task.due }}"),
        description="Not before this time; a date alone means the opening of that day's hours",
        json_schema_extra={"default": "{{ task.due }}"},
        examples=["{{ task.due }}"],
    )
    schedule: Literal["bridge", "platform"] = Field(
        "bridge",
        description="Who waits for that time. platform: the request goes out ahead; the task is not read again then",
    )
    variables: dict[str, Template | None] = Field(
        {}, description="The call's variables, as its script sees them", examples=[{"TAREA": "{{ task.id }}"}]
    )
    find: dict[str, FindStep] = Field(
        {},
        description="What to look up just before the call; variables see it by name, empty where nothing is found",
        examples=[{"contact": {"in": "agenda", "phone": "{{ task.phone }}", "optional": True}}],
    )
    max_wait: OfTask = Field(5, description="Minutes to wait for a free line (EsperaMax), 1 to 300")
    retries: OfTask = Field(0, description="How often a busy phone is tried again (Reintentos), 0 to 4")
    hours: NamedHours = Field(
        [DAYTIME],
        description="When people are called: always, days with from and to, or the name of a calendar under hours:",
        json_schema_extra={"default": {"days": "mon-fri", "from": "09:00", "to": "20:00"}},
    )
    holidays: Annotated[
        Holidays | Literal["line"] | None,
        BeforeValidator(section_or_none, json_schema_input_type=Holidays | Literal["none"]),
    ] = Field(
        "line",
        description="Whose public holidays are kept, besides those of a calendar that hours: names: country and "
        "region, or none. Default: the line's country; with hours: always none",
        json_schema_extra={"default": None},
    )
    of: Literal["customer", "line"] = Field("customer", description="Whose time zone `hours` are in")
    do_not_call: Annotated[
        list[DoNotCall], BeforeValidator(listed, json_schema_input_type=DoNotCall | list[DoNotCall])
    ] = Field([], description="Who is never called, one list or several; while one can't be read, nobody is called")
    per_number: Rate = Field(
        Rate(3, 86400.0),
        description="Maximum calls to one number, all sources together",
        json_schema_extra={"default": "3/d"},
    )
    expires: Duration = Field(Duration(7 * 86400), description="How late a task may still be called")
    may_have_rung: Literal["ask", "given_up"] = Field(
        "ask",
        description="Where nobody can know whether the phone rang: ask a person, or tell the CRM and let it be",
    )
    outcomes: dict[Literal["answered", "busy", "no_answer", "failed"], Template] = Field(
        {},
        description="What a call came to, tried in order; else answered if it lasted, no_answer if not",
        examples=[{"busy": "{{ call.events[-1].name == 'Comunica' }}"}],
    )

    save: MissedRecord | None = Field(
        None, description="Of missed_calls only: the CRM has each task as a record, which is closed when the task ends"
    )
    _built_in: bool = PrivateAttr(False)

    @property
    def built_in(self) -> bool:
        """Whether its tasks are those that the bridge makes of missed calls."""
        return self._built_in

    @property
    def aim(self) -> Purpose | None:
        """What its calls are for, None where that is not said: who was missed, or filled in a form, asked for one."""
        return self.purpose or ("requested" if self._built_in or self.token else None)

    @property
    def connector(self) -> str | None:
        """The connector whose tasks it has, None where there is none."""
        return None if self._built_in else self.from_

    def as_built_in(self) -> CallbackSource:
        """Return the same, where no connector is called as `from` says."""
        copy = self.model_copy()
        copy._built_in = True
        return copy

    @property
    def title(self) -> str:
        """What the source is called."""
        return self.name or self.from_ or ""

    @property
    def origin(self) -> str:
        """What its tasks are known by, beside their ids."""
        if self._built_in:
            return f"{BUILT_IN_ORIGIN}:{self.from_}"
        return f"{FROM}:{self.from_}" if self.from_ is not None else f"{NAME}:{self.title}"

    @model_validator(mode="after")
    def _some_way_in(self) -> CallbackSource:
        if self.from_ is None and self.name is None:
            raise Incomplete(
                "write from: (a connector with tasks), or name: (for campaigns, and with token: for tasks by HTTP)",
                "from",
                "name",
            )
        return self

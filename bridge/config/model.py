"""What the configuration file may hold. Its descriptions are what an editor shows and what the reference page says.

Values with `{{ }}` are `Template`; durations are seconds (`Duration`); a `Secret` never prints. Each section checks
what it can know by itself; what takes the whole file (names in expressions, what a connector can do) is in `names`,
`uses` and `rules`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cached_property
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, ConfigDict, Field, SecretStr, SerializeAsAny, model_validator

from bridge.config.alerts import Alert, ReportRule, Smtp
from bridge.config.builtin import OPPOSITIONS
from bridge.config.callbacks import CallbackSource
from bridge.config.commercial import Commercial
from bridge.config.console import ConsoleSettings, ConsoleUser
from bridge.config.emission import Emission
from bridge.config.find import FindStep
from bridge.config.hours import Moment, OpeningTimes
from bridge.config.kinds import (
    Incomplete,
    Integer,
    Network,
    OptionalSecret,
    Secret,
    Secrets,
    Section,
    Size,
    Text,
    listed,
    or_none,
    section_or_none,
)
from bridge.hours.calendar import Calendar
from connectors.base import ConnectorOptions
from connectors.expression import Template
from connectors.units import Duration, Rate

DESTINATION = "DESTINO"
"""The variable by which a Query says whom the call is put through to."""
VARIABLE_NAME = re.compile(r"[A-Z0-9]{1,15}")
NAME_RULE = "variable names are made of A-Z and 0-9, 1 to 15 of them, no spaces (manual, Appendix II)"

Unanswered = Literal["not_found", "ambiguous", "on_error", "on_timeout"]
"""Why a Query is not answered by its `answer`."""


NOTHING_KNOWN = 2
"""The Result where a CRM could not be asked in time and the configuration has no answer for that. No other default is
2, so a caller of whom nothing is known is never mistaken for one whom no CRM knows."""


_ALWAYS = OpeningTimes(open="always")


class Server(Section):
    """Where the bridge listens and who may talk to it."""

    host: Text = Field("127.0.0.1", description="Address to listen on; 0.0.0.0 for all", examples=["127.0.0.1"])
    port: Integer = Field(8080, ge=1, le=65535, description="Port to listen on")
    url_key: Secrets = Field(
        (),
        description="The unguessable part of the platform's URLs: 16 characters or more. Required unless host is "
        "loopback or allowed_ips is set. A list of two: either will do, `urls` prints the first",
        examples=["${BRIDGE_URL_KEY}"],
    )
    console_password: OptionalSecret = Field(
        None,
        description="Password of the console at /console/, for one user named admin; empty: no console. For several "
        "people, with roles: console.users",
        examples=["${BRIDGE_CONSOLE_PASSWORD:-}"],
    )
    console_port: Integer | None = Field(
        None,
        ge=1,
        le=65535,
        description="A port for the console alone: then it is served there, and no longer at port; none: at port",
        examples=[8081],
    )
    console_host: Text | None = Field(
        None, description="Address to listen on with console_port; default: host", examples=["192.168.1.10"]
    )
    allowed_ips: list[Network] = Field(
        [],
        description="Addresses and networks that may use the platform's URLs; empty: all",
        examples=[["203.0.113.0/24"]],
    )
    trusted_proxies: list[Network] = Field(
        [], description="Proxies whose X-Forwarded-For counts", examples=[["127.0.0.1"]]
    )
    max_body: Size = Field(
        256 * 1024,
        ge=1024,
        le=16 * 1024**2,
        description="Largest request that is read",
        json_schema_extra={"default": "256KiB"},
    )
    workers: Integer = Field(2, ge=1, le=64, description="Processes that answer requests")
    threads: Integer = Field(
        600, ge=1, le=4000, description="Lookups in each of them that may wait for one CRM at a time; more queue up"
    )
    metrics_token: Secrets = Field(
        (),
        description="Bearer token for /metrics, or a list of two; without it, /metrics answers loopback only",
    )
    log: Literal["text", "json"] = Field("text", description="How the log is written: key=value, or JSON lines")


class Dial(Section):
    """Whom DESTINO and emissions may call."""

    countries: list[Text] | None = Field(
        None, description="Two-letter countries; default: the line's", examples=[["ES", "PT"]]
    )
    kinds: list[Literal["fixed", "mobile", "voip", "toll_free"]] = Field(
        ["fixed", "mobile"], description="Kinds of numbers that may be called"
    )
    allow: list[Text] = Field([], description="Numbers that may be called besides, exactly as written")
    per_day: Integer = Field(2000, ge=1, description="Emissions of this line in a day")


class Line(Section):
    """A phone line (LineNumber) on the platform."""

    number: Text = Field(
        description="The line's main number, as the platform writes it (LineNumber)",
        min_length=1,
        examples=["912345678"],
    )
    password: Secret = Field(
        description="The telephone password of the line, from the panel", examples=["${INFOCALLER_PASSWORD}"]
    )
    country: Text = Field("ES", description="How numbers without a country code are read: two letters")
    timezone: Text = Field("Europe/Madrid", description="Time zone of the line's times (IANA name)")
    extensions: list[Text] = Field(
        [], description="Extensions that DESTINO may name besides phone numbers", examples=[["101", "102"]]
    )
    dial: Dial = Field(default_factory=Dial, description="Whom emissions and DESTINO may call")
    emission: Emission = Field(default_factory=Emission, description="How this line's emission requests go out")


class Cache(Section):
    """How long answers of a CRM are kept."""

    fresh: Duration = Field(Duration(30), description="How long a record is reused without asking the CRM")
    negative: Duration = Field(Duration(5), description="How long a 'not found' is reused without asking the CRM")
    stale: Duration = Field(Duration(24 * 3600), description="How long a record still serves while the CRM is down")


class ActivityFind(FindStep):
    """One thing to look up for an activity: by `phone` or by `key`."""

    in_: Annotated[list[Text], BeforeValidator(listed, json_schema_input_type=Text | list[Text])] = Field(
        [], alias="in", description="The connector to ask, or several in order; default: the rule's own"
    )


class Answer(Section):
    """Variables for the call, in capitals, beside `result`, `text` and `when`."""

    model_config = ConfigDict(extra="allow", frozen=True, arbitrary_types_allowed=True)
    __pydantic_extra__: dict[str, Template | None] = Field(init=False)

    when: Template | None = Field(
        None, description="In `answer` only: this block counts only if that is true", examples=["{{ order.id }}"]
    )
    result: Integer | None = Field(
        None, description="Result for the platform: 0 went well, any other takes the script's error branch"
    )
    text: Template | None = Field(None, description="ResultText, for people")

    @property
    def variables(self) -> dict[str, Template | None]:
        """The variables to send, by name; None is left out."""
        return dict(self.__pydantic_extra__ or {})

    @property
    def usual_result(self) -> int:
        """The Result where the block says none and a variable of it is what counts: 0 if it sets one, else 1."""
        return 0 if self.__pydantic_extra__ else 1


def _table_unless_opposition(schema: dict[str, Any]) -> None:
    required = schema.pop("required")
    schema["if"] = {"properties": {"in": {"const": OPPOSITIONS}}, "required": ["in"]}
    schema["then"], schema["else"] = {"required": ["in"]}, {"required": required}


class SaveStep(Section):
    """Something keyed in during the call, to be kept in a CRM; or that the caller does not want to be called for
    business, with `in: oppositions`."""

    model_config = ConfigDict(json_schema_extra=_table_unless_opposition)

    in_: Text = Field(
        alias="in",
        description="The connector that keeps it; oppositions: the bridge itself notes that `phone` (the caller, where "
        "it is left out) opposes commercial calls, and answers may use {{ opposition.reference }}",
        examples=["agenda"],
    )
    table: Text = Field(description="The table, object or record that it becomes", examples=["survey"])
    fields: dict[str, Template] = Field(
        description="What to keep, by field", examples=[{"phone": "{{ caller.e164 }}", "score": "{{ vars.NOTA }}"}]
    )
    when: Template | None = Field(None, description="Only if that is true")

    @model_validator(mode="before")
    @classmethod
    def _nothing_else_of_an_opposition(cls, given: Any) -> Any:
        if isinstance(given, dict) and given.get("in") == OPPOSITIONS:
            return {"table": "", "fields": {}, **given}
        return given


class Query(Section):
    """What to answer when the platform asks during a call."""

    find: dict[str, FindStep] = Field({}, description="What to look up, in order; later ones see the earlier by name")
    answer: Annotated[list[Answer], BeforeValidator(listed, json_schema_input_type=Answer | list[Answer])] = Field(
        [], description="What to answer; of several blocks, the first whose `when` is true"
    )
    not_found: Answer | None = Field(
        None, description="Answer when something was not found; default result 0 if it sets a variable, else 1"
    )
    ambiguous: Answer | None = Field(None, description="Answer when several match; default: not_found")
    on_error: Answer | None = Field(None, description="Answer when a CRM could not be asked; default: on_timeout")
    on_timeout: Answer | None = Field(
        None, description="Answer when it took too long; default: not_found's variables with result 2"
    )
    deadline: Duration = Field(Duration(1.5), description="Maximum time until the platform has its answer")
    cache: Annotated[Cache | None, BeforeValidator(section_or_none, json_schema_input_type=Cache | Literal["none"])] = (
        Field(default_factory=Cache, description="How long answers of the CRM are kept, or none")
    )
    misses_per_caller: Annotated[
        Rate | None, BeforeValidator(or_none, json_schema_input_type=Rate | Literal["none"])
    ] = Field(None, description="So many lookups by key may miss for one caller, such as 20/h; then not_found, unasked")
    save: Annotated[list[SaveStep], BeforeValidator(listed, json_schema_input_type=SaveStep | list[SaveStep])] = Field(
        [], description="What to keep in a CRM, after `find`; safe on disk before the answer goes out"
    )

    def block_for(self, outcome: Unanswered) -> tuple[Answer | None, int]:
        """Return what to answer when `answer` can't be: the block with its variables (None: no variables), and the
        Result where the block itself says none.

        on_error defaults to on_timeout, that to not_found's variables with result 2, and ambiguous to not_found.
        """
        if outcome == "not_found":
            return self.not_found, self.not_found.usual_result if self.not_found else 1
        block: Answer | None = getattr(self, outcome)
        if block is not None:
            return block, block.usual_result
        if outcome == "on_timeout":
            return self._late, NOTHING_KNOWN
        return self.block_for("not_found" if outcome == "ambiguous" else "on_timeout")

    @cached_property
    def _late(self) -> Answer | None:
        """not_found without its own result: what it sets is still good, but nothing is known."""
        return self.not_found and self.not_found.model_copy(update={"result": None})


class UnknownCaller(Section):
    """What to make of a caller that the CRM does not know, once for a number."""

    table: Text = Field("contact", description="The table, object or record to create")
    fields: dict[str, Template] = Field(description="Its fields", examples=[{"phone": "{{ caller.e164 }}"}])
    min_seconds: Integer = Field(0, ge=0, description="Only after calls of at least so many seconds")


class ActivityRule(Section):
    """What each call leaves in a CRM."""

    name: Text | None = Field(None, description="Part of the activity's key; default: the connector and `on`")
    in_: Text = Field(alias="in", description="The connector that keeps it", examples=["agenda"])
    on: Annotated[
        list[Literal["call", "inicio", "desvio_correcto", "desvio_fallido", "fin"]],
        BeforeValidator(
            listed,
            json_schema_input_type=Literal["call", "inicio", "desvio_correcto", "desvio_fallido", "fin"]
            | list[Literal["call", "inicio", "desvio_correcto", "desvio_fallido", "fin"]],
        ),
    ] = Field(["call"], description="call: one for each finished call; or single events", min_length=1)
    when: Template | None = Field(None, description="Only if that is true", examples=["{{ call.seconds > 5 }}"])
    find: dict[str, ActivityFind] | None = Field(
        None, description="What to look up; default: contact, by the caller, in the rule's own connector"
    )
    subject: Template | None = Field(None, description="One line; default: who called and how it went")
    note: Template | None = Field(None, description="Default: what happened in the call, line by line")
    outcome: Template | None = Field(
        None,
        description="What came of the call, as the agent keyed it in: a variable, or a menu's option",
        examples=["{{ vars.RESULTADO }}", "{{ call.menus['Resultado'] }}"],
    )
    outcomes: dict[Text, Text] = Field(
        {},
        description="The words for what was keyed in; what is not among them stays as it is",
        examples=[{"1": "Vendido", "2": "Volver a llamar"}],
    )
    fields: dict[str, Template] = Field({}, description="More fields of the activity")
    own_callbacks: bool = Field(
        False,
        description="Whether a call that came of a task of the same connector leaves an activity as well, though the "
        "task says what became of it",
    )
    unknown_caller: UnknownCaller | None = Field(None, description="Create a record for a caller who is not known")
    close_after: Duration = Field(Duration(6 * 3600), description="When a call whose FIN never came counts as over")

    @model_validator(mode="after")
    def _words_of_something(self) -> ActivityRule:
        if self.outcomes and self.outcome is None:
            raise Incomplete('outcomes: are words for what outcome: says; write outcome: "{{ vars.NAME }}"', "outcomes")
        return self


class Case(Section):
    """A question with the answer that is expected."""

    ask: Text = Field(description="The Query", examples=["PEDIDO"])
    caller: Text = Field("X", description="Who calls; X: hidden", examples=["600111222"])
    line: Text | None = Field(None, description="The line; default: the first")
    vars: dict[str, Text] = Field({}, description="The call's variables", examples=[{"PEDIDO": "00077"}])
    at: Moment | None = Field(
        None, description="As if it were then, on the line's clock; default: now", examples=["2026-12-24T21:30"]
    )
    replay: Text | None = Field(
        None,
        description="Play the CRMs' answers that are kept in this file (see record) instead of asking them",
        examples=["answers/ana.yaml"],
    )
    answer: dict[str, Text | None] = Field({}, description="Variables that must come back; null: must not come")
    result: Integer | None = Field(None, description="The Result that must come back; default 0 where answer is given")


class Configuration(Section):
    """The whole file."""

    server: Server = Field(default_factory=Server, description="Where the bridge listens and who may talk to it")
    database: Secret = Field(
        SecretStr("sqlite:///bridge.db"),
        description="sqlite:///FILE or postgresql://user:password@host/name",
        json_schema_extra={"default": "sqlite:///bridge.db"},
        examples=["sqlite:///bridge.db", "postgresql://bridge:${DATABASE_PASSWORD}@localhost/bridge"],
    )
    state: Text = Field(
        ".infocaller-bridge", description="Folder of the bridge's own: indexes, locks, the spool; made when missing"
    )
    retention: Duration = Field(
        Duration(90 * 86400),
        description="How long calls, Queries, events, activities and callbacks that are done are kept",
    )
    raw_retention: Duration = Field(
        Duration(7 * 86400),
        description="How long everything of a call is kept as it came; after that its documents are compressed, once "
        "the call is over and every CRM has it. Nothing is lost by that: all is still shown, exported and forgotten",
    )
    log_queries: bool = Field(
        True,
        description="Whether what each Query asked and was answered is kept, as long as `retention`, for `calls show` "
        "and the console",
    )
    sensitive: list[Text] = Field(
        [],
        description="Variables that are used and passed on, never stored, logged or shown",
        examples=[["TARJETA", "PIN"]],
    )
    language: Literal["es", "en"] = Field("es", description="Language of notes, outcomes and messages to people")
    lines: list[Line] = Field(
        description="The phone lines",
        min_length=1,
        examples=[[{"number": "912345678", "password": "${INFOCALLER_PASSWORD}"}]],
    )
    hours: dict[str, OpeningTimes] = Field(
        {},
        description="Calendars by a name of your own, for expressions and callbacks: {{ hours.NAME.open }}",
    )
    connectors: dict[str, SerializeAsAny[ConnectorOptions]] = Field({}, description="The CRMs, by a name of your own")
    queries: dict[str, Query] = Field({}, description="The Queries, by the name that they have in the panel")
    activities: list[ActivityRule] = Field([], description="What each call leaves in a CRM")
    callbacks: list[CallbackSource] = Field([], description="Tasks that become calls")
    commercial: Commercial = Field(
        default_factory=Commercial,
        description="What holds for all sources with purpose: commercial: docs/commercial-calls.md",
    )
    console: ConsoleSettings = Field(
        default_factory=ConsoleSettings, description="Who may open the console: docs/console.md"
    )
    alerts: list[Alert] = Field([], description="Who is told of troubles: docs/alerts.md")
    reports: list[ReportRule] = Field([], description="Who gets the figures by e-mail: docs/reports.md")
    smtp: Smtp | None = Field(None, description="The mail server that takes them")
    tests: list[Case] = Field([], description="Questions with the answers expected, run by `infocaller-bridge test`")

    @cached_property
    def calendars(self) -> Mapping[str, Calendar]:
        """The calendars of `hours`, by name. Raises `bridge.hours.calendar.HolidaysUnknown`, unless it was checked."""
        return {name: times.calendar() for name, times in self.hours.items()}

    @cached_property
    def console_users(self) -> Mapping[str, ConsoleUser]:
        """Who may sign in to the console, by name; none: there is no console."""
        password = self.server.console_password
        if self.console.users or password is None:
            return {user.name: user for user in self.console.users}
        return {"admin": ConsoleUser(name="admin", password=password, role="admin")}

    @property
    def console_address(self) -> str:
        """Where a browser finds the console; empty: there is none, or its public address is not known."""
        return f"{self.console.url}/console/" if self.console.url and self.console_users else ""

    def times_of(self, source: CallbackSource) -> OpeningTimes:
        """Return a source's calling hours without its own holidays: those that it writes, or a calendar. Raises
        KeyError where there is no such calendar."""
        if isinstance(source.hours, list):
            return OpeningTimes.model_construct(open=source.hours, holidays=None, closed=())
        return _ALWAYS if source.hours == "always" else self.hours[source.hours]

    def line(self, number: str) -> Line | None:
        """Return the line with this LineNumber, None where there is none."""
        return next((line for line in self.lines if line.number == number), None)

    def source(self, name: str) -> CallbackSource | None:
        """Return the source of callbacks with this name, None where there is none."""
        return next((source for source in self.callbacks if source.title == name), None)

"""What a connector of `type: sql` may be told."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, SecretStr, WithJsonSchema, model_validator
from sqlalchemy.engine import URL

from connectors.base import Capabilities, ConnectorOptions, Problem, TemplateUse
from connectors.expression import Template
from connectors.options import OwnLink
from connectors.rest.options import STATUSES, Status
from connectors.rest.values import Text, listed
from connectors.sql import checks, urls
from connectors.sql.parameters import ways
from connectors.sql.statements import SqlStatement
from connectors.taskdates import Dates
from connectors.units import Duration, as_written
from connectors.urltemplate import LinkTemplate

Values = dict[Text, Template]
_PARAMETERS = "Values of the statements' parameters beside those that are there anyway, or instead of them"
_Url = Annotated[SecretStr, BeforeValidator(as_written), WithJsonSchema({"type": "string", "writeOnly": True})]


class SqlSection(BaseModel):
    """A part of the section; unknown keys are faults."""

    model_config = ConfigDict(extra="forbid", frozen=True, arbitrary_types_allowed=True)


class SqlRecordOptions(SqlSection):
    """One kind of record: how it is found, and saved."""

    select: Annotated[
        list[SqlStatement], BeforeValidator(listed, json_schema_input_type=SqlStatement | list[SqlStatement])
    ] = Field(
        [],
        description="Finds it by :e164, :digits, :national or :key; of a list, the first that finds any",
        examples=["SELECT id, name, phone FROM customers WHERE phone = :national"],
    )
    parameters: Values = Field({}, description=_PARAMETERS, examples=[{"ends": "{{ '%' ~ (phone.digits | last(9)) }}"}])
    phones: Annotated[list[Text], BeforeValidator(listed, json_schema_input_type=Text | list[Text])] = Field(
        ["phone"], min_length=1, description="The columns with its numbers; one has to match"
    )
    key_column: Text | None = Field(
        None,
        description="The column with its key; a row with another text is no match. Default: the column that the "
        "statement compares with :key, if it is returned",
    )
    date: Text | None = Field(
        None, description="The column with its date: many: newest and many: next go by it", examples=["starts_at"]
    )
    insert: SqlStatement | None = Field(
        None,
        description="Saves it, for save: and unknown callers; their fields are its parameters, :key is ours",
        examples=["INSERT INTO survey (bridge_key, phone, score) VALUES (:key, :phone, :score)"],
    )
    find: SqlStatement | None = Field(
        None,
        description="Looks for one of ours by :key before it is saved again; returns id",
        examples=["SELECT id FROM survey WHERE bridge_key = :key"],
    )

    update: SqlStatement | None = Field(
        None, description="Changes what was saved, by :key, or by :id; :key and the fields are as in insert"
    )
    link: OwnLink = None

    @model_validator(mode="after")
    def _possible(self) -> Self:
        if not self.select and self.insert is None:
            raise ValueError("say how it is found (select), or saved (insert)")
        if (self.find is not None or self.update is not None) and self.insert is None:
            raise ValueError("find: and update: go with insert:; to look something up write select:")
        return self


class SqlActivityOptions(SqlSection):
    """How a call is kept."""

    insert: SqlStatement = Field(description="Keeps a call")
    find: SqlStatement | None = Field(None, description="Looks for it by :key before it is inserted again; returns id")
    update: SqlStatement | None = Field(None, description="Corrects it by :key, or by :id")
    parameters: Values = Field({}, description=_PARAMETERS)


class SqlTaskOptions(SqlSection):
    """Who is to be called."""

    select: SqlStatement = Field(
        description="Lists the tasks that ask for a call: id, phone, due and others as you like"
    )
    read: SqlStatement | None = Field(
        None, description="Reads one task again by :id, just before it is rung; default: select is searched"
    )
    update: SqlStatement | None = Field(None, description="Says what became of a task, by :id")
    parameters: Values = Field({}, description=_PARAMETERS)
    dates: Dates = Field(default_factory=lambda: Dates.model_validate({}), description="How times are written")
    statuses: dict[Status, Text | int] = Field({}, description=":status in the database's words")
    on: list[Status] = Field(list(STATUSES), description="Which outcomes are written")


class SqlOptions(ConnectorOptions):
    """An SQL database: PostgreSQL, MariaDB, MySQL, SQL Server, SQLite, or another that SQLAlchemy reaches."""

    type: Literal["sql"] = Field("sql", description="Any SQL database")
    url: _Url = Field(
        description="Where it is, as SQLAlchemy writes it; a relative SQLite path starts at the configuration's folder",
        examples=["${ERP_URL}", "sqlite:///facturas.db", "mysql://bridge:${ERP_PASSWORD}@127.0.0.1/erp"],
    )
    timeout: Duration = Field(Duration(5), description="The longest a statement may take")
    connections: int = Field(10, ge=1, le=200, description="How many connections each process opens at most")
    records: dict[Text, SqlRecordOptions] = Field({}, description="What can be found or saved, by a name of your own")
    activity: SqlActivityOptions | None = Field(None, description="How calls are kept")
    tasks: SqlTaskOptions | None = Field(None, description="Who is to be called")

    @model_validator(mode="after")
    def _readable(self) -> Self:
        self.address  # noqa: B018 - raises ValueError for what is no URL
        return self

    @cached_property
    def address(self) -> URL:
        """The URL with the driver that a bare one means."""
        return urls.read(self.url.get_secret_value())

    @property
    def backend(self) -> str:
        """What kind of database it is: `postgresql`, `mysql`, `mariadb`, `mssql`, `sqlite`, …"""
        return self.address.get_backend_name()

    def selects(self, kind: str, way: Literal["phone", "key"]) -> list[SqlStatement]:
        """Return the statements that a lookup of this kind by phone, or by key, tries."""
        record = self.records[kind]
        return [select for select in record.select if way in ways(select.parsed(self.backend), record.parameters)]

    def abilities(self) -> Capabilities:
        """Return what can be asked of it, as it is configured here."""
        return Capabilities(
            by_phone=frozenset(kind for kind in self.records if self.selects(kind, "phone")),
            by_key=frozenset(kind for kind in self.records if self.selects(kind, "key")),
            saves=frozenset(kind for kind, record in self.records.items() if record.insert is not None),
            updates=frozenset(kind for kind, record in self.records.items() if record.update is not None),
            activities=self.activity is not None,
            updates_activities=self.activity is not None and self.activity.update is not None,
            tasks=self.tasks is not None,
            wordless=checks.wordless(self),
            dated=frozenset(kind for kind, record in self.records.items() if record.date is not None),
            save_fields=checks.save_fields(self),
            activity_fields=checks.activity_fields(self),
        )

    def own_links(self) -> Mapping[tuple[str, str], LinkTemplate]:
        """Return those of single kinds."""
        return {("records", kind): record.link for kind, record in self.records.items() if record.link is not None}

    def shown(self) -> frozenset[tuple[str | int, ...]]:
        """Return the URL where it holds no password."""
        return frozenset() if self.address.password else frozenset({("url",)})

    def templates(self) -> Iterator[TemplateUse]:
        """Yield each expression among the options, with the names that it may use."""
        yield from checks.templates(self)

    def problems(self, folder: Path) -> Iterator[Problem]:
        """Yield what is wrong beyond types."""
        yield from checks.problems(self, folder)

"""A connector's section in the configuration, and what follows from it. Part of `connectors.base`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from connectors.expression import Template
from connectors.units import Duration, Rate
from connectors.urltemplate import LinkTemplate


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What a connector can do with its present options. `check` rejects a configuration that asks for more.

    Attributes:
        by_phone: The kinds that `find` finds by phone number.
        by_key: The kinds that `find` finds by key.
        saves: The kinds that `save` takes.
        updates: Those of them that `save` also changes once they are written.
        activities: Whether `log_activity` works.
        updates_activities: Whether a correction replaces the activity that was logged before.
        batch: How many activities `log_activities` takes at once.
        tasks: Whether `tasks`, `read_task` and `update_task` work.
        fields: The field names of each kind, for "did you mean". A kind that is not among them may have any field.
        task_fields: The field names of a task; None if they are not known.
        texts: Whether every field is a text, also a number or a yes.
        wordless: The outcomes that the CRM has no word for, so that the bridge's own is written, although other
            outcomes are configured with the CRM's words.
        save_fields: The fields that a saved record of each kind has to have, and no others. A kind that is not among
            them may have any.
        activity_fields: The `fields` that a rule for activities has to have.
        dated: The kinds whose records have a date, by which the newest and the next are told.
        fields_seen: Whether `fields` were read from a file that may change while the configuration does not.
        pops: The extensions, or numbers, on whose screens `pop` opens a record.
        pop_finds: The kind of record that a call's number has to be found as for that; empty where `pop` needs none.
        links: Whether every record has a link (`Connector.link`), also without `link:`.
    """

    by_phone: frozenset[str] = frozenset()
    by_key: frozenset[str] = frozenset()
    saves: frozenset[str] = frozenset()
    updates: frozenset[str] = frozenset()
    activities: bool = False
    updates_activities: bool = False
    batch: int = 1
    tasks: bool = False
    fields: Mapping[str, frozenset[str]] = field(default_factory=dict)
    task_fields: frozenset[str] | None = None
    texts: bool = False
    wordless: tuple[str, ...] = ()
    fields_seen: bool = False
    dated: frozenset[str] = frozenset()
    save_fields: Mapping[str, frozenset[str]] = field(default_factory=dict)
    activity_fields: frozenset[str] = frozenset()
    pops: frozenset[str] = frozenset()
    pop_finds: str = ""
    links: bool = False


@dataclass(frozen=True, slots=True)
class TemplateUse:
    """An expression in a connector's options.

    Attributes:
        loc: Where it stands, as a path from the connector's own section.
        template: The expression.
        names: The names that it may use.
    """

    loc: tuple[str | int, ...]
    template: Template
    names: frozenset[str]


@dataclass(frozen=True, slots=True)
class Problem:
    """A mistake in a connector's options that only the connector can see, such as a file that is missing.

    Attributes:
        loc: Where it stands, as a path from the connector's own section.
        text: What is wrong, and what to write instead.
        warning: Whether it is shown without making the configuration invalid.
        outage: Whether the fault lies outside the configuration, in a file that is missing or broken. The connector
            then still opens, raises `Unavailable` or `Misconfigured` for what is concerned, and works again by itself
            once the fault is gone.
    """

    loc: tuple[str | int, ...]
    text: str
    warning: bool = False
    outage: bool = False


class Breaker(BaseModel):
    """When to stop asking a CRM that does not answer."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    failures: int = Field(5, ge=1, description="Failures in a row after which the CRM is no longer asked")
    open: Duration = Field(Duration(10), description="How long before it is tried again, in the background")


OwnLink = Annotated[
    LinkTemplate | None,
    Field(
        description="Where a person opens one of these, instead of the connector's link",
        examples=["https://crm.example.com/orders/{{ record.id }}"],
    ),
]
"""The option `link` of a single kind of records."""


class ConnectorOptions(BaseModel):
    """The keys of every connector's section. Derive from it; add `type: Literal["yours"]` and your own keys."""

    model_config = ConfigDict(extra="forbid", frozen=True, arbitrary_types_allowed=True)

    type: str = Field(description="Which kind of connector this is")
    breaker: Breaker = Field(
        default_factory=Breaker, description="When to stop asking this CRM while it does not answer"
    )
    rate: Rate | None = Field(
        None, description="At most so many requests, such as 10/s; lookups during a call come first"
    )
    link: LinkTemplate | None = Field(
        None,
        description="Where a person opens a record: an address of http or https, in which record has the record's "
        "fields",
        examples=["https://crm.example.com/contacts/{{ record.id }}"],
    )

    def abilities(self) -> Capabilities:
        """Return what the connector can do with these options."""
        return Capabilities()

    def templates(self) -> Iterator[TemplateUse]:
        """Yield each expression among the options, for `check` to test."""
        return iter(())

    def own_links(self) -> Mapping[tuple[str, str], LinkTemplate]:
        """Return the links of single kinds, which come before `link`; by where the kind stands, such as
        `("records", "order")`."""
        return {}

    def link_names(self) -> Mapping[str, object]:
        """Return what links see beside `record`."""
        return {}

    def shown(self) -> frozenset[tuple[str | int, ...]]:
        """Return where options stand that have a secret's type but hold no secret, as paths from the section."""
        return frozenset()

    def problems(self, folder: Path) -> Iterator[Problem]:
        """Yield the mistakes that types don't catch. Relative paths start at `folder`."""
        return iter(())

"""What a request in the configuration may hold."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Discriminator, Field, Tag, model_validator

from connectors.expression import Template
from connectors.rest.pages import Pages
from connectors.rest.values import JmesPath, JsonBody, RestSection, Text, listed
from connectors.units import Duration
from connectors.urltemplate import PathTemplate

Value = Template | list[Template] | None
When = Annotated[
    Template | None, Field(description="Only if that is true; else the request is not made, and its name is empty")
]


class Match(RestSection):
    """Answers with this status, or one of them, for which `when` holds; one of the two may be left out."""

    status: Annotated[list[int], BeforeValidator(listed, json_schema_input_type=int | list[int])] = Field(
        [], description="HTTP status, or several; none: any"
    )
    when: JmesPath | None = Field(None, description="JMESPath that finds something in the answer")

    @model_validator(mode="after")
    def _some_condition(self) -> Self:
        if not self.status and self.when is None:
            raise ValueError("say which answers: status, when, or both")
        return self

    def matches(self, status: int, body: object) -> bool:
        """Return whether an answer is one of these. Raises `Unfit`."""
        return (not self.status or status in self.status) and (self.when is None or self.when.holds(body))


def _matches(value: object) -> object:
    several = value if isinstance(value, list) else [value]
    return [{"status": item} if isinstance(item, int) and not isinstance(item, bool) else item for item in several]


Matches = Annotated[list[Match], BeforeValidator(_matches, json_schema_input_type=int | list[int | Match] | Match)]


class ErrorRule(RestSection):
    """Errors that come inside an answer."""

    when: JmesPath = Field(description="JMESPath: it is an error when this finds something")
    text: JmesPath | None = Field(None, description="JMESPath to its words")
    passing: JmesPath | None = Field(
        None, description="JMESPath: true, it may pass and is tried again; false, the admin has to mend it"
    )
    mend: JmesPath | None = Field(
        None, description="JMESPath: true, a setting is wrong, here or in the CRM: no record or password is refused"
    )


class Request(RestSection):
    """One HTTP request."""

    path: PathTemplate = Field(description="Below base_url; a full URL only on the same host")
    method: Literal["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"] | None = Field(
        None, description="Default GET; POST where there is a body"
    )
    params: dict[Text, Value] = Field({}, description="Query parameters; of a list, each value is sent")
    headers: dict[Text, Template] = Field({}, description="Headers beside the connector's own")
    json_: JsonBody | None = Field(None, alias="json", description="JSON body")
    omit_null: bool = Field(False, description="Whether what is null in the JSON body is left out of it")
    form: dict[Text, Value] | None = Field(None, description="Form body")
    timeout: Duration | None = Field(None, description="The longest it may take; default: the connector's")
    idempotent: bool | None = Field(
        None, description="Whether it may be sent again when it failed; default: where it only reads, PUT and DELETE"
    )
    error: ErrorRule | None = Field(None, description="Errors inside its answers; default: the connector's")

    @property
    def verb(self) -> str:
        return self.method or ("GET" if self.json_ is None and self.form is None else "POST")

    @model_validator(mode="after")
    def _one_body(self) -> Self:
        if self.json_ is not None and self.form is not None:
            raise ValueError("a request has one body: json or form")
        if self.method in ("GET", "HEAD") and (self.json_ is not None or self.form is not None):
            raise ValueError(f"a {self.method} has no body: put it into params, or change the method")
        return self


class ReadRequest(Request):
    """A request that looks for something."""

    items: JmesPath | None = Field(None, description="JMESPath to the list, or the one thing; default: all of it")
    not_found: Matches | None = Field(
        None, description="Answers that mean: not there. Default 404 where it looks for one"
    )


class LookupRequest(ReadRequest):
    """Looks for something by our own key before it is written again."""

    key: JmesPath | None = Field(None, description="JMESPath to our key in what is found; others are passed over")


class Existing(LookupRequest):
    """The same, where its id has to be known."""

    id: JmesPath | None = Field(None, description="JMESPath to the CRM's id in what is found; default: id")


class SearchStep(LookupRequest):
    """One request of a search."""

    name: Text | None = Field(None, description="What later steps call its first item; makes the list a chain")
    phones: Annotated[list[JmesPath], BeforeValidator(listed)] | None = Field(
        None, min_length=1, description="JMESPaths to the numbers in an item of this step"
    )
    pages: Pages | None = Field(None, description="How the following pages are asked for")
    each: bool = Field(False, description="Each item is followed to the next step, not only the first")
    when: When = None


class Detail(ReadRequest):
    """One more request, for what another does not say."""

    name: Text = Field(description="What the task's fields, and later requests, call its first item")
    when: When = None


class Listing(ReadRequest):
    """Lists everything there is."""

    pages: Pages | None = Field(None, description="How the following pages are asked for")


class Following(Request):
    """A request that follows a create."""

    when: When = None


class Create(Request):
    """Writes something new."""

    before: Annotated[list[Detail], BeforeValidator(listed)] = Field(
        [], description="Requests to make before it; it finds their answers by name"
    )
    id: JmesPath | None = Field(None, description="JMESPath to the id in the answer; default: id")
    already: Matches = Field([], description="Answers that mean: it is there already")
    then: Annotated[list[Following], BeforeValidator(listed)] = Field(
        [], description="Requests to make once it is there, such as one that closes it; found has its id"
    )


class Pop(Request):
    """Opens a record on the screen of who answered a call."""

    agents: dict[Text, Text] = Field(
        {},
        description="Who has a screen: by extension, or number, their id in the CRM, which the request calls agent",
        examples=[{"101": "385473779372"}],
    )
    record: Text = Field(
        "contact", description="The kind of record that the caller's number is looked up as, the request's contact"
    )


class UpdateStep(ReadRequest):
    """One request of an update."""

    name: Text | None = Field(None, description="What later requests call its answer")
    again_on: Annotated[list[int], BeforeValidator(listed)] = Field(
        [], description="Statuses after which the whole update starts again, such as 412"
    )
    when: When = None


def _kind(value: Any) -> str:
    return "chain" if isinstance(value, list) else "step"


Tries = Annotated[
    list[
        Annotated[Annotated[SearchStep, Tag("step")] | Annotated[list[SearchStep], Tag("chain")], Discriminator(_kind)]
    ],
    BeforeValidator(listed),
    Field(min_length=1),
]
UpdateSteps = Annotated[list[UpdateStep], BeforeValidator(listed), Field(min_length=1)]


def tries(search: list[SearchStep | list[SearchStep]]) -> list[list[SearchStep]]:
    """Return each try as a chain of requests."""
    steps = [part for part in search if isinstance(part, SearchStep)]
    if any(step.name for step in steps) and len(steps) == len(search):
        return [steps]
    return [part if isinstance(part, list) else [part] for part in search]

"""A step that looks something up, in Queries, activities and callbacks alike."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, model_validator

from bridge.config.kinds import Incomplete, Section, Text, listed
from connectors.expression import Template


class FindStep(Section):
    """One thing to look up: by `phone` or by `key`."""

    in_: Annotated[list[Text], BeforeValidator(listed, json_schema_input_type=Text | list[Text])] = Field(
        alias="in",
        min_length=1,
        description="The connector to ask, or several in order: the first that finds wins",
        examples=["agenda", ["agenda", "crm"]],
    )
    table: Text | None = Field(None, description="The table, object or record to look in; default: this step's name")
    phone: Template | None = Field(None, description="Look up by this phone number", examples=["{{ caller }}"])
    key: Template | None = Field(None, description="Look up by this key", examples=["{{ vars.PEDIDO }}"])
    many: Literal["first", "newest", "next", "ambiguous"] = Field(
        "ambiguous",
        description="Which of several matches to take: the first, the newest, the next that is still to come (by its "
        "date:), or none (ambiguous)",
    )
    optional: bool = Field(False, description="Go on without it when it is not found, ambiguous or its CRM is away")

    @model_validator(mode="after")
    def _one_way(self) -> FindStep:
        if (self.phone is None) == (self.key is None):
            both = "both phone: and key: stand here; keep one" if self.phone else "it does not say what to look for"
            raise Incomplete(f'{both}: phone: "{{{{ caller }}}}" or key: "{{{{ vars.NAME }}}}"', "phone", "key")
        return self

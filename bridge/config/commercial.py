"""The parts of the configuration that hold commercial calls to the law."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from bridge.config.kinds import Section
from connectors.expression import Template
from connectors.units import Duration

Purpose = Literal["commercial", "service", "requested"]
"""What calls are for: to sell; for a contract or service that there is; because the person asked for the call."""
COMMERCIAL: Purpose = "commercial"


class ConsentFields(Section):
    """Where each row of a commercial source says why its person may be called."""

    basis: Template = Field(
        description="What allows the call, as consent or legitimate_interest; empty or anything else: kept back",
        examples=["{{ task.basis }}"],
    )
    date: Template = Field(
        description="The day on which consent was given or last renewed; of legitimate_interest that of the last "
        "contract, request or dealings. Missing or to come: kept back",
        examples=["{{ task.consent_date }}"],
    )
    proof: Template = Field(
        Template("{{ task.proof }}"),
        description="Where the proof of it is: a reference, kept with the evidence of each call",
        json_schema_extra={"default": "{{ task.proof }}"},
        examples=["{{ task.consent_ref }}"],
    )


class Commercial(Section):
    """What holds for all sources with `purpose: commercial`."""

    require_400: bool = Field(
        False,
        description="Whether a line that is in no range reserved for commercial calls (in Spain 400) may make none: "
        "a fault instead of a warning",
    )
    evidence: Duration = Field(
        Duration(1827 * 86400),
        description="How long is kept what allowed each call of a source with purpose:, apart from retention; the "
        "default is five years",
    )

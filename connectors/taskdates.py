"""How tasks write times: as the configuration says, and read so."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Annotated
from zoneinfo import ZoneInfo

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema, field_validator

from connectors.units import as_written

_Text = Annotated[str, BeforeValidator(as_written), WithJsonSchema({"type": ["string", "number"]})]
_DATE_ONLY = len("2026-12-24")


class Dates(BaseModel):
    """How times are written."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    format: _Text | None = Field(
        None, description="As strptime reads it; epoch or epoch_ms: seconds or milliseconds; default ISO 8601"
    )
    timezone: _Text | None = Field(None, description="The zone of times that name none; default: the line's")
    fields: list[_Text] = Field(["due"], description="Which fields are times")

    @field_validator("timezone")
    @classmethod
    def _zone(cls, value: str | None) -> str | None:
        try:
            return value if value is None else str(ZoneInfo(value))
        except (ValueError, OSError, KeyError):
            raise ValueError("there is no such time zone; write one such as Europe/Madrid or UTC") from None


NO_MOMENT = (ValueError, TypeError, OverflowError, OSError)
"""What `moment` raises for what is no time."""


def moment(value: object, dates: Dates, timezone: str) -> object:
    """Return an aware time, a date where no time is given, None for nothing. Raises `NO_MOMENT`."""
    if value is None or value == "":
        return None
    text = str(value).strip()
    if dates.format in ("epoch", "epoch_ms"):
        seconds = float(text) / (1000 if dates.format == "epoch_ms" else 1)
        return datetime.fromtimestamp(seconds, UTC)
    if dates.format is None and len(text) == _DATE_ONLY:
        return date.fromisoformat(text)
    read = datetime.fromisoformat(text) if dates.format is None else datetime.strptime(text, dates.format)
    if dates.format is not None and not any(part in dates.format for part in ("%H", "%I", "%c", "%X")):
        return read.date()
    return read if read.tzinfo else read.replace(tzinfo=ZoneInfo(dates.timezone or timezone))

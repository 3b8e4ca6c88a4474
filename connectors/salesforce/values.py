"""Values on their way into Salesforce: as JSON, and no longer than their fields."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime
from decimal import Decimal

from connectors.base import Record, Rejected
from connectors.phone import Phone
from connectors.salesforce.schema import FieldInfo

CUT = " […]"
"""What stands at the end of a text that was too long."""
_CUT_TYPES = frozenset({"string", "textarea", "combobox"})
_NUMBERS = frozenset({"int", "long", "double", "currency", "percent"})
Plain = str | int | float | bool | None


def plain(value: object) -> Plain:
    """Return a value as JSON says it; an empty text is None. Raises `Rejected` for what is no single value."""
    if isinstance(value, Phone):
        value = value.e164
    elif isinstance(value, Record):
        value = value.id
    elif isinstance(value, datetime):
        moment = value if value.tzinfo else value.replace(tzinfo=UTC)
        value = moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.000+0000")
    elif isinstance(value, date):
        value = value.isoformat()
    elif isinstance(value, Decimal):
        value = int(value) if value == value.to_integral_value() else float(value)
    if value is None or isinstance(value, (bool, int, float)):
        return value
    if isinstance(value, str):
        return value if value.strip() else None
    text = str(value)
    if text.startswith(("<", "{", "[")):
        raise Rejected(f"a field of Salesforce takes a single value, not {type(value).__name__}")
    return text or None


def fitted(field: FieldInfo, value: object) -> Plain:
    """Return a value for this field: its type, and a text cut at its length. Raises `Rejected` for what can't become
    one."""
    fit = plain(value)
    if fit is None:
        return None
    if field.type in _NUMBERS:
        return _number(field, fit)
    if field.type == "boolean":
        return fit if isinstance(fit, bool) else str(fit).strip().lower() in ("true", "1", "yes", "sí", "si")
    text = fit if isinstance(fit, str) else str(fit).lower() if isinstance(fit, bool) else str(fit)
    if field.external_id or field.type not in _CUT_TYPES:
        return text
    return cut(text, field.length)


def cut(text: str, length: int) -> str:
    """Return the text, cut with a mark where it is longer. Salesforce counts as Java does: beyond the BMP, two for
    each."""
    text = text.encode("utf-16-le", "replace").decode("utf-16-le")
    data = text.encode("utf-16-le")
    if not length or len(data) <= 2 * length:
        return text
    mark = CUT if length > 2 * len(CUT) else ""
    return data[: 2 * (length - len(mark))].decode("utf-16-le", "ignore") + mark


def _number(field: FieldInfo, value: str | float) -> int | float:
    if isinstance(value, bool):
        return int(value)
    if isinstance(value, str):
        if not re.fullmatch(r"\s*[+-]?\d{1,18}([.,]\d{1,12})?\s*", value, re.ASCII):
            raise Rejected(f"{field.name}: {value[:40]!r} is no number")
        value = float(value.replace(",", "."))
    return round(value) if field.type in ("int", "long") else value

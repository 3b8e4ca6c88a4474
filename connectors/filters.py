"""The filters of `{{ }}` that Jinja2 does not have, and how a value is written as text."""

from __future__ import annotations

import base64
import hashlib
import hmac as hmac_module
import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any
from uuid import NAMESPACE_URL, uuid5
from zoneinfo import ZoneInfo

from jinja2 import ChainableUndefined, Undefined, pass_context
from jinja2.runtime import Context

from connectors import dates
from connectors.phone import Phone, parse_all
from connectors.spoken import spoken


class NotDialable(Exception):
    """A value given to `| dial` can't be dialled. The message says why, without the number."""


class Missing(ChainableUndefined):
    """The value of a missing name. It equals an empty text, is neither more nor less than anything, and is 0 to a
    filter that asks for a number. To calculate with it is an error."""

    __slots__ = ()

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Undefined) or other is None or other == ""

    def __ne__(self, other: object) -> bool:
        return not self == other

    def __hash__(self) -> int:
        return hash(None)

    def _never(self, _other: object) -> bool:
        return False

    __lt__ = __le__ = __gt__ = __ge__ = _never  # type: ignore[assignment]  # jinja2 has them raise

    @property
    def _undefined_message(self) -> str:
        name = (
            f"{self._undefined_name} is empty here" if isinstance(self._undefined_name, str) else "this is empty here"
        )
        return f"{name}, and nothing can be reckoned with what is not there; write | default(0) after it"

    def _no_number(self) -> Any:
        raise TypeError("nothing there")  # `| int` and `| float` then give 0

    __int__ = __float__ = _no_number


def text_of(value: object) -> str:
    """A value as people read it: nothing for None, `true` and `false` as JSON writes them, times to the second."""
    if type(value) is str:
        return value
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (list, tuple)):
        return ", ".join(text_of(item) for item in value)
    if isinstance(value, Mapping):
        return json.dumps(value, ensure_ascii=False, default=str)
    return str(value.replace(microsecond=0) if isinstance(value, datetime) else value)


def _b64encode(value: object) -> str:
    return base64.b64encode(text_of(value).encode()).decode()


def _last(value: object, count: int) -> str:
    return text_of(value)[-count:]


def _sha256(value: object) -> str:
    return hashlib.sha256(text_of(value).encode()).hexdigest()


def _hmac(value: object, key: object, algorithm: str = "sha256") -> str:
    return hmac_module.new(text_of(key).encode(), text_of(value).encode(), algorithm).hexdigest()


def _spaced(value: object) -> str:
    """A phone number in groups of three, as many people type it: `600 111 222`."""
    digits = text_of(value)
    plus, digits = ("+", digits[1:]) if digits.startswith("+") else ("", digits)
    head = len(digits) % 3
    groups = ([digits[:head]] if head else []) + [digits[i : i + 3] for i in range(head, len(digits), 3)]
    return plus + " ".join(groups)


def _uuid(value: object) -> str:
    """The same UUID for the same text: for CRMs that let the caller choose a record's id."""
    return str(uuid5(NAMESPACE_URL, text_of(value)))


def _time(value: object, format_: str, timezone: str = "UTC") -> str | None:
    """A time as `strftime` writes it, in a time zone: `{{ activity.start | time('%Y-%m-%d %H:%M:%S') }}`."""
    return value.astimezone(ZoneInfo(timezone)).strftime(format_) if isinstance(value, datetime) else None


@pass_context
def _date(context: Context, value: object, format_: str = "") -> object:
    """A time on its own clock, or a date, or a text that is one: `{{ cita.fecha | date('%A %d/%m/%Y %H:%M') }}`, with
    the names of days and months in the configuration's language. A text that names a zone is shown by the line's clock.
    Nothing for what is no date."""
    when = dates.read(value)
    if isinstance(value, str) and isinstance(when, datetime) and when.tzinfo is not None:
        when = dates.shown(when, _clock(context).now.tzinfo)
    usual = "%d/%m/%Y %H:%M" if isinstance(when, datetime) else "%d/%m/%Y"
    text = dates.written(when, format_ or usual, _clock(context).language)
    return Missing() if text is None else text


@pass_context
def _spoken(context: Context, value: object, language: str = "") -> object:
    """A time or a date in words, as it is said on the line's day: `mañana a las diez`. Nothing for what is no date."""
    if language not in ("", *dates.LANGUAGES):
        raise ValueError(f"spoken knows {' and '.join(dates.LANGUAGES)} only")
    text = spoken(value, _clock(context), language or None)
    return Missing() if text is None else text


def _clock(context: Context) -> dates.Clock:
    clock = context.get(dates.CLOCK)
    return clock if isinstance(clock, dates.Clock) else dates.Clock(datetime.now(UTC))


def _epoch(value: object) -> int | None:
    return int(value.timestamp()) if isinstance(value, datetime) else None


def _epoch_ms(value: object) -> int | None:
    return round(value.timestamp() * 1000) if isinstance(value, datetime) else None


DEFAULT_COUNTRY = "ES"
"""How `| e164` reads a number without a country code where the expression knows no line."""


@pass_context
def _e164(context: Context, value: object, country: str = "") -> str:
    """`{{ contact.phone | e164 }}`: by the country given, else that of the scope's `line`, else Spain's. A cell of
    several numbers gives the first; what is no number is empty."""
    if isinstance(value, Phone):
        return value.e164
    text = "" if value is None else str(value)
    numbers = parse_all(text, country or _country_of(context.get("line")) or DEFAULT_COUNTRY)
    return next((phone.e164 for phone in numbers), "")


def _country_of(line: object) -> str:
    country = line.get("country") if isinstance(line, Mapping) else getattr(line, "country", None)
    return country if isinstance(country, str) else ""


@pass_context
def _dial(context: Context, value: object) -> str:
    """What the `dial` of the scope's `line` makes of it: the number in E.164 if the line may dial it, or one of its
    extensions as it is. Raises `NotDialable`."""
    line = context.resolve("line")
    dial: Callable[[object], str] | None = getattr(line, "dial", None)
    if dial is None or isinstance(dial, Undefined):
        raise NotDialable("only a call's own line can say what may be dialled")
    return dial(value)


# `last` replaces Jinja's own (the last item of a list): of a text, its last characters (last(9) of a number).
FILTERS: dict[str, Callable[..., object]] = {
    "b64encode": _b64encode, "last": _last, "sha256": _sha256, "hmac": _hmac, "spaced": _spaced,
    "time": _time, "epoch": _epoch, "epoch_ms": _epoch_ms, "uuid": _uuid, "dial": _dial, "e164": _e164,
    "date": _date, "spoken": _spoken,
}  # fmt: skip

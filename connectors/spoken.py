"""Times as people say them, in words alone, for a variable that a locution reads out: `mañana a las diez`."""

from __future__ import annotations

from datetime import date, datetime, timedelta, tzinfo

from connectors.dates import Clock, month_name, read, shown, weekday_name

_WEEK = 7
_MOST_ROUND = 5
_ES = (
    "cero", "uno", "dos", "tres", "cuatro", "cinco", "seis", "siete", "ocho", "nueve", "diez", "once", "doce", "trece",
    "catorce", "quince", "dieciséis", "diecisiete", "dieciocho", "diecinueve", "veinte", "veintiuno", "veintidós",
    "veintitrés", "veinticuatro", "veinticinco", "veintiséis", "veintisiete", "veintiocho", "veintinueve",
)  # fmt: skip
_EN = (
    "zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve",
    "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen",
)  # fmt: skip
_EN_TENS = {20: "twenty", 30: "thirty", 40: "forty", 50: "fifty"}
_ES_TENS = {30: "treinta", 40: "cuarenta", 50: "cincuenta"}
_ORDINALS = {1: "first", 2: "second", 3: "third", 5: "fifth", 8: "eighth", 9: "ninth", 12: "twelfth"}


def spoken(value: object, clock: Clock, language: str | None = None) -> str | None:
    """Return a time as it is said on the clock's day: `hoy a las cinco de la tarde`, `el lunes a las nueve y media`; a
    date alone without the time. Midnight is the end of the day before. None for what is no date."""
    when = read(value)
    if when is None:
        return None
    language = language or clock.language
    if isinstance(when, datetime):
        when = _on(when, clock.now.tzinfo)
    day = when.date() if isinstance(when, datetime) else when
    if isinstance(when, datetime) and (when.hour, when.minute) == (0, 0) and day > date.min:
        day -= timedelta(days=1)  # midnight is what a day ends with
    of_day = (_day_es if language == "es" else _day_en)(day, clock.now.date())
    if not isinstance(when, datetime):
        return of_day
    return f"{of_day} {(_time_es if language == 'es' else _time_en)(when.hour, when.minute)}"


def _on(when: datetime, zone: tzinfo | None) -> datetime:
    return when if when.tzinfo is None else shown(when, zone)


def _day_es(day: date, today: date) -> str:
    ahead = (day - today).days
    near = {-1: "ayer", 0: "hoy", 1: "mañana"}.get(ahead)
    if near is not None:
        return near
    weekday = f"el {weekday_name(day, 'es')}"
    if 0 < ahead < _WEEK:
        return weekday
    dated = f"{weekday} {_number_es(day.day)} de {month_name(day, 'es')}"
    return dated if day.year == today.year else f"{dated} de {_year_es(day.year)}"


def _time_es(hour: int, minute: int) -> str:
    to_go = minute > 30 and minute % _MOST_ROUND == 0
    hour = hour + to_go
    article = "a la" if hour % 12 == 1 else "a las"
    spoken = f"{article} {'una' if hour % 12 == 1 else _ES[(hour - 1) % 12 + 1]}"
    if to_go:
        spoken += f" menos {'cuarto' if minute == 45 else _number_es(60 - minute)}"
    elif minute:
        spoken += f" y {({15: 'cuarto', 30: 'media'}).get(minute) or _number_es(minute)}"
    return spoken + _part_es(_told_by(hour, to_go=to_go))


def _told_by(hour: int, *, to_go: bool) -> int:
    """The hour by which the part of the day is told: a quarter to noon is still in the morning."""
    return hour - 1 if to_go and hour == 12 else hour % 24


def _part_es(hour: int) -> str:
    """What tells the two halves of the day apart; nothing in the morning, which is what one takes it for."""
    if 6 <= hour < 12:
        return ""
    if hour == 12:
        return " del mediodía"
    if 13 <= hour < 21:
        return " de la tarde"
    return " de la noche" if hour >= 21 or hour == 0 else " de la madrugada"


def _number_es(number: int) -> str:
    if number < len(_ES):
        return _ES[number]
    tens, ones = number // 10 * 10, number % 10
    return _ES_TENS[tens] + (f" y {_ES[ones]}" if ones else "")


def _year_es(year: int) -> str:
    rest = year - 2000
    if not 0 <= rest < 60:
        return str(year)
    return f"dos mil {_number_es(rest)}" if rest else "dos mil"


def _day_en(day: date, today: date) -> str:
    ahead = (day - today).days
    near = {-1: "yesterday", 0: "today", 1: "tomorrow"}.get(ahead)
    if near is not None:
        return near
    weekday = f"on {weekday_name(day, 'en')}"
    if 0 < ahead < _WEEK:
        return weekday
    dated = f"{weekday} the {_ordinal(day.day)} of {month_name(day, 'en')}"
    return dated if day.year == today.year else f"{dated} {_year_en(day.year)}"


def _time_en(hour: int, minute: int) -> str:
    to_go = minute > 30 and minute % _MOST_ROUND == 0
    hour = hour + to_go
    named = _EN[(hour - 1) % 12 + 1]
    if minute in (15, 30, 45):
        spoken = f"{({15: 'a quarter past', 30: 'half past', 45: 'a quarter to'})[minute]} {named}"
    elif minute and minute % _MOST_ROUND == 0:
        spoken = f"{_number_en(60 - minute)} to {named}" if to_go else f"{_number_en(minute)} past {named}"
    elif minute:
        spoken = f"{named} {'oh ' if minute < 10 else ''}{_number_en(minute)}"
    else:
        spoken = {0: "midnight", 12: "noon"}.get(hour, named)
        return f"at {spoken}{'' if spoken != named else _part_en(hour)}"
    return f"at {spoken}{_part_en(_told_by(hour, to_go=to_go))}"


def _part_en(hour: int) -> str:
    if 6 <= hour < 12:
        return ""
    if 12 <= hour < 18:
        return " in the afternoon"
    if 18 <= hour < 21:
        return " in the evening"
    return " at night"


def _number_en(number: int) -> str:
    if number < len(_EN):
        return _EN[number]
    tens, ones = number // 10 * 10, number % 10
    return _EN_TENS[tens] + (f"-{_EN[ones]}" if ones else "")


def _ordinal(number: int) -> str:
    if number in _ORDINALS:
        return _ORDINALS[number]
    if number < 20:
        return f"{_EN[number]}th"
    tens, ones = number // 10 * 10, number % 10
    return f"{_EN_TENS[tens]}-{_ordinal(ones)}" if ones else f"{_EN_TENS[tens][:-1]}ieth"


def _year_en(year: int) -> str:
    rest = year - 2000
    if not 0 < rest < 60:
        return str(year)
    return f"two thousand and {_number_en(rest)}" if rest < 10 else f"twenty {_number_en(rest)}"

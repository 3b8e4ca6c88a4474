"""Times in expressions: read as files write them, written by `| date`, said by `| spoken`."""

from __future__ import annotations

from datetime import date, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.infocaller import variables
from connectors import dates
from connectors.expression import ExpressionError, Template

MADRID = ZoneInfo("Europe/Madrid")
FRIDAY = datetime(2026, 11, 27, 16, 0, tzinfo=MADRID)


def render(text: str, value: object = None, now: datetime = FRIDAY, language: str = "es") -> str:
    return Template(text).render({**dates.timed(now, language), "x": value})


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-12-24", date(2026, 12, 24)),
        ("24/12/2026", date(2026, 12, 24)),
        ("1.2.2026", date(2026, 2, 1)),
        ("24-12-26", date(2026, 12, 24)),
        (" 24/12/2026 9:05 ", datetime(2026, 12, 24, 9, 5)),
        ("24/12/2026, 09:05:30", datetime(2026, 12, 24, 9, 5, 30)),
        ("24/12/2026 09:05 h", datetime(2026, 12, 24, 9, 5)),
        ("2026-12-24 09:05", datetime(2026, 12, 24, 9, 5)),
        ("2026-12-24T09:05:00Z", datetime(2026, 12, 24, 9, 5, tzinfo=ZoneInfo("UTC"))),
        ("2026-12-24T09:05+02:00", datetime(2026, 12, 24, 9, 5, tzinfo=timezone(timedelta(hours=2)))),
    ],
)
def test_dates_are_read_as_files_and_crms_write_them(text: str, expected: date) -> None:
    assert dates.read(text) == expected
    assert type(dates.read(text)) is type(expected)


@pytest.mark.parametrize(
    "value",
    ["", "pronto", "31/02/2026", "2026-13-01", "00/00/0000", "24/12", "20261224", "600111222", None, 5, "25:00"],
)
def test_what_is_no_date_is_none(value: object) -> None:
    assert dates.read(value) is None
    assert render("[{{ x | date }}{{ x | spoken }}{{ x | date('%d') }}]", value) == "[]"


@given(st.text(max_size=40))
def test_any_text_is_a_date_or_none(text: str) -> None:
    assert dates.read(text) is None or isinstance(dates.read(text), date)


def test_nothing_is_null_in_json_and_empty_in_a_variable() -> None:
    template, scope = Template("{{ nobody.due | date('%d/%m') }}"), dates.timed(FRIDAY, "es")
    assert (template.value(scope), template.text(scope)) == (None, "")
    assert render("{{ x | date | default('never') }}") == "never"


@pytest.mark.parametrize(
    ("form", "expected"),
    [
        ("date('%d/%m/%Y %H:%M')", "27/11/2026 16:00"),
        ("date", "27/11/2026 16:00"),
        ("date('%A %-d de %B')", "viernes 27 de noviembre"),
        ("date('%a %b %%A')", "vie nov %A"),
    ],
)
def test_date_writes_a_time_on_its_own_clock(form: str, expected: str) -> None:
    assert render(f"{{{{ now | {form} }}}}") == expected
    elsewhere = FRIDAY.replace(tzinfo=ZoneInfo("America/Lima"))
    assert render(f"{{{{ x | {form} }}}}", elsewhere) == expected


def test_names_of_days_and_months_are_in_the_language_of_the_configuration() -> None:
    assert render("{{ now | date('%A, %B') }}", language="en") == "Friday, November"
    assert render("{{ x | date('%A') }} {{ x | date }}", "24/12/2026") == "jueves 24/12/2026"


def test_parts_of_a_time_can_be_read_and_nothing_else() -> None:
    assert render("{{ now.year }}-{{ now.month }}-{{ now.day }} {{ now.hour }} {{ now.weekday }}") == "2026-11-27 16 5"
    assert Template("{{ now.hour + 1 }}").value(dates.timed(FRIDAY, "es")) == 17
    assert render("[{{ x.hour }}{{ now.tzinfo }}{{ now.isoformat }}{{ now.__class__ }}]", date(2026, 1, 1)) == "[]"


SAID = [
    ("2026-11-27T17:00", "hoy a las cinco de la tarde", "today at five in the afternoon"),
    ("2026-11-28 10:00", "mañana a las diez", "tomorrow at ten"),
    ("30/11/2026 9:30", "el lunes a las nueve y media", "on Monday at half past nine"),
    ("30/11/2026 13:15", "el lunes a la una y cuarto de la tarde", "on Monday at a quarter past one in the afternoon"),
    ("28/11/2026 11:45", "mañana a las doce menos cuarto", "tomorrow at a quarter to twelve"),
    ("28/11/2026 20:40", "mañana a las nueve menos veinte de la noche", "tomorrow at twenty to nine at night"),
    ("28/11/2026 12:00", "mañana a las doce del mediodía", "tomorrow at noon"),
    ("28/11/2026 00:00", "hoy a las doce de la noche", "today at midnight"),
    ("28/11/2026 00:30", "mañana a las doce y media de la noche", "tomorrow at half past twelve at night"),
    ("28/11/2026 01:00", "mañana a la una de la madrugada", "tomorrow at one at night"),
    ("26/11/2026 08:37", "ayer a las ocho y treinta y siete", "yesterday at eight thirty-seven"),
    ("26/11/2026 08:02", "ayer a las ocho y dos", "yesterday at eight oh two"),
    (
        "07/12/2026 10:25",
        "el lunes siete de diciembre a las diez y veinticinco",
        "on Monday the seventh of December at twenty-five past ten",
    ),
    (
        "2027-01-21",
        "el jueves veintiuno de enero de dos mil veintisiete",
        "on Thursday the twenty-first of January twenty twenty-seven",
    ),
    ("28/11/2026", "mañana", "tomorrow"),
    ("2026-11-28T01:00:00Z", "mañana a las dos de la madrugada", "tomorrow at two at night"),
]


@pytest.mark.parametrize(("time", "spanish", "english"), SAID)
def test_spoken_says_a_time_as_people_do(time: str, spanish: str, english: str) -> None:
    assert render("{{ x | spoken }}", time) == spanish
    assert render("{{ x | spoken }}", time, language="en") == english
    assert render("{{ x | spoken('en') }}", time) == english


@given(st.datetimes(datetime(1990, 1, 1), datetime(2100, 1, 1)), st.sampled_from(dates.LANGUAGES))
def test_what_is_spoken_can_be_a_variables_value_as_it_is(moment: datetime, language: str) -> None:
    said = render("{{ x | spoken }}", moment, language=language)
    assert said
    assert variables.clean(said) == said
    assert not set(said) & set("<>&'\"")


@pytest.mark.parametrize(
    "never",
    ["0001-01-01", "0001-01-01T00:00:00Z", "0001-01-01T00:00:00+14:00", "31/12/9999", "9999-12-31T23:59:59-12:00"],
)
@pytest.mark.parametrize("zone", ["Europe/Madrid", "America/Lima", "Pacific/Kiritimati"])
def test_what_crms_write_for_never_is_a_date_like_any_other(never: str, zone: str) -> None:
    now = datetime(2026, 11, 27, 12, tzinfo=ZoneInfo(zone))
    when = dates.read(never)
    assert when is not None
    assert dates.is_over(when, now) is (when.year == 1)
    assert dates.begins(when, ZoneInfo(zone)).tzinfo is not None
    assert render("{{ x | date }}{{ x | spoken }}", never, now)


def test_another_language_is_an_error_that_names_those_there_are() -> None:
    with pytest.raises(ExpressionError, match="es and en"):
        render("{{ now | spoken('fr') }}")

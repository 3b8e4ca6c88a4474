"""Durations and rates, as people write them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ValidationError

from connectors.units import Duration, Rate


class Model(BaseModel):
    wait: Duration = Duration(1.5)
    rate: Rate | None = None


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("1500ms", 1.5), ("2s", 2), (" 5 m ", 300), ("3h", 10_800), ("90d", 7_776_000), ("1.5s", 1.5), ("0s", 0)],
)
def test_a_duration_is_a_number_and_a_unit(text: str, seconds: float) -> None:
    assert Duration.parse(text) == seconds
    assert Model.model_validate({"wait": text}).wait == seconds


@pytest.mark.parametrize("wrong", ["", "5", "s", "-1s", "5 minutes", "1h30m", "1,5s", 5, 1.5, True, None, ["5s"], "5S"])
def test_anything_else_is_told_what_to_write(wrong: object) -> None:
    with pytest.raises(ValidationError, match="1500ms, 2s, 5m, 3h or 90d"):
        Model.model_validate({"wait": wrong})


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (1.5, "1500ms"),
        (2, "2s"),
        (90, "90s"),
        (300, "5m"),
        (86_400, "1d"),
        (90_000, "25h"),
        (0, "0ms"),
        (0.0005, "0.5ms"),
        (179.97, "179970ms"),
        (1234.5675, "1234567.5ms"),
    ],
)
def test_a_duration_prints_in_its_largest_whole_unit(seconds: float, text: str) -> None:
    assert str(Duration(seconds)) == text


@given(st.integers(0, 10**9))
def test_a_duration_is_read_back_as_it_is_printed(milliseconds: int) -> None:
    duration = Duration(milliseconds / 1000)
    assert abs(float(Duration.parse(str(duration))) - float(duration)) < 0.0005


@pytest.mark.parametrize(
    ("text", "rate"), [("10/s", (10, 1)), ("30 / m", (30, 60)), ("20/h", (20, 3600)), (" 3/d ", (3, 86_400))]
)
def test_a_rate_is_how_many_in_which_time(text: str, rate: tuple[int, float]) -> None:
    assert Rate.parse(text) == rate
    assert Rate.parse(Rate.parse(text)) == rate
    assert Rate.parse(str(Rate.parse(text))) == rate


@pytest.mark.parametrize("wrong", ["", "10", "0/s", "-1/s", "1.5/s", "10/w", "10/2s", 10, None, "ten/s"])
def test_any_other_rate_is_told_what_to_write(wrong: object) -> None:
    with pytest.raises(ValueError, match="10/s, 30/m, 20/h or 3/d"):
        Rate.parse(wrong)


def test_they_go_through_json_as_they_are_written() -> None:
    model = Model.model_validate({"wait": "2s", "rate": "20/h"})
    assert model.model_dump(mode="json") == {"wait": "2s", "rate": "20/h"}
    assert Model.model_validate_json(model.model_dump_json()) == model
    schema = Model.model_json_schema()
    assert schema["properties"]["wait"]["examples"]
    assert "1.5s" not in str(schema.get("$defs"))

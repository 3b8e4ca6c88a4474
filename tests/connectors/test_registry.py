"""Connectors are found by the name that packages give them."""

from importlib.metadata import EntryPoint
from typing import Literal

import pytest

from connectors.base import Connector, ConnectorOptions, Misconfigured
from connectors.registry import GROUP, Registry, installed


class GoodOptions(ConnectorOptions):
    type: Literal["good"]


class Good(Connector):
    Options = GoodOptions


class NoOptions(Connector):
    pass


def point(name: str, value: str) -> EntryPoint:
    return EntryPoint(name, value if ":" in value else f"{__name__}:{value}", GROUP)


def test_the_built_in_connectors_are_registered_like_any_other() -> None:
    assert {"csv", "rest", "salesforce"} <= set(installed().names)
    assert installed().options_types()["csv"] is installed().connector("csv").Options


def test_an_unknown_type_says_what_was_meant() -> None:
    registry = Registry([point("good", "Good")])
    with pytest.raises(Misconfigured, match="did you mean good"):
        registry.connector("god")
    with pytest.raises(Misconfigured, match="there are good"):
        registry.connector("zzz")


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ("no_such_module_anywhere:X", "ModuleNotFoundError"),
        ("Missing", "AttributeError"),
        ("point", "no class derived"),
        ("NoOptions", "Options"),
        ("Good", 'Literal\\["broken"\\]'),
    ],
)
def test_a_broken_plug_in_is_named_and_the_others_go_on(value: str, reason: str) -> None:
    registry = Registry([point("broken", value), point("good", "Good")])
    assert registry.connector("good") is Good
    with pytest.raises(Misconfigured, match=rf"connector broken \(.*{reason}"):
        registry.connector("broken")
    assert list(registry.options_types()) == ["good"]


def test_a_name_that_is_taken_stays_with_the_first() -> None:
    registry = Registry([point("good", "Good"), point("good", "connectors.csv.connector:CsvConnector")])
    assert registry.names == ["good"]
    assert registry.connector("good") is Good

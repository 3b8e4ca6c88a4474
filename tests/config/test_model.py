from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from bridge.config.model import Answer, Cache, Configuration, Line, Query, Server
from connectors.units import Duration


def query(**blocks: Any) -> Query:
    return Query.model_validate(blocks)


def names(block: Answer | None) -> list[str] | None:
    return None if block is None else list(block.variables)


@pytest.mark.parametrize(
    ("outcome", "result"), [("not_found", 1), ("ambiguous", 1), ("on_error", 2), ("on_timeout", 2)]
)
def test_without_any_block_nothing_is_set_and_an_outage_has_a_result_of_its_own(outcome: Any, result: int) -> None:
    assert query().block_for(outcome) == (None, result)


@pytest.mark.parametrize("outcome", ["not_found", "ambiguous", "on_error", "on_timeout"])
def test_a_block_of_its_own_counts_with_0_where_it_sets_a_variable_else_1(outcome: Any) -> None:
    block, result = query(**{"not_found": {"Z": "9"}, outcome: {"A": "1"}}).block_for(outcome)
    assert (names(block), result) == (["A"], 0)
    block, result = query(**{"not_found": {"Z": "9"}, outcome: {"text": "sorry"}}).block_for(outcome)
    assert (names(block), result) == ([], 1)
    block, result = query(**{outcome: {"A": "1", "result": 7}}).block_for(outcome)
    assert block is not None
    assert block.result == 7


def test_ambiguous_defaults_to_not_found_with_its_result() -> None:
    asked = query(not_found={"A": "1", "result": 3})
    assert asked.block_for("ambiguous") == asked.block_for("not_found")


def test_on_timeout_defaults_to_the_variables_of_not_found_with_a_result_of_its_own_whatever_that_says() -> None:
    block, result = query(not_found={"A": "1", "text": "no", "result": 0}).block_for("on_timeout")
    assert block is not None
    assert (names(block), str(block.text), block.result, result) == (["A"], "no", None, 2)


def test_on_error_defaults_to_on_timeout_and_that_to_not_found() -> None:
    asked = query(not_found={"A": "1"}, on_timeout={"B": "2"})
    assert asked.block_for("on_error") == asked.block_for("on_timeout")
    asked = query(not_found={"A": "1"})
    block, result = asked.block_for("on_error")
    assert (names(block), result) == (["A"], 2)


def test_defaults_are_those_of_the_documentation() -> None:
    usual = Configuration.model_validate({"lines": [{"number": "912345678", "password": "3956"}], "queries": {"A": {}}})
    server, line, asked = Server(), usual.lines[0], usual.queries["A"]
    assert (server.host, server.port, server.max_body, server.workers, server.threads, server.log) == (
        "127.0.0.1", 8080, 262144, 2, 600, "text",
    )  # fmt: skip
    assert (usual.database.get_secret_value(), usual.retention, usual.language) == (
        "sqlite:///bridge.db",
        Duration(7776000),
        "es",
    )
    assert (line.country, line.timezone, line.dial.kinds, line.dial.per_day, line.dial.countries) == (
        "ES", "Europe/Madrid", ["fixed", "mobile"], 2000, None,
    )  # fmt: skip
    assert (asked.deadline, asked.cache, asked.misses_per_caller) == (1.5, Cache(), None)
    assert (Cache().fresh, Cache().negative, Cache().stale) == (Duration(30), Duration(5), Duration(86400))


def test_one_thing_may_stand_where_a_list_is() -> None:
    asked = query(
        find={"a": {"in": "crm", "key": "1"}}, answer={"A": "1"}, save={"in": "crm", "table": "t", "fields": {}}
    )
    assert (asked.find["a"].in_, len(asked.answer), len(asked.save)) == (["crm"], 1, 1)


def test_none_switches_off_the_cache_and_the_count_of_misses() -> None:
    asked = query(cache="none", misses_per_caller="none")
    assert (asked.cache, asked.misses_per_caller) == (None, None)
    assert query(misses_per_caller="20/h").misses_per_caller == (20, 3600)


def test_null_leaves_a_variable_out_and_a_number_is_text() -> None:
    block = query(answer={"A": None, "B": 12, "C": True}).answer[0]
    assert block.variables["A"] is None
    assert [str(block.variables[name]) for name in "BC"] == ["12", "true"]


@pytest.mark.parametrize(
    ("written", "size"), [("256KiB", 262144), ("1MiB", 1048576), ("2048", 2048), (4096, 4096), ("2048B", 2048)]
)
def test_sizes_are_read_with_their_unit(written: object, size: int) -> None:
    assert Server.model_validate({"max_body": written}).max_body == size


@pytest.mark.parametrize("written", ["1GiB", "1K", "1kb", "-1", "", "9" * 30, True])
def test_what_is_no_size_is_refused(written: object) -> None:
    with pytest.raises(ValidationError):
        Server.model_validate({"max_body": written})


def test_a_line_is_found_by_its_number_exactly() -> None:
    usual = Configuration(lines=[Line.model_validate({"number": "912345678", "password": "1"})])
    assert usual.line("912345678") is usual.lines[0]
    assert usual.line("+34912345678") is None

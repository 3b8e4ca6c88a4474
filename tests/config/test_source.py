from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.config.load import attempt
from bridge.config.nodes import Unreadable
from bridge.config.scalars import Whole
from bridge.config.source import read
from tests.config.files import LINES, loaded, told


def value(text: str) -> Any:
    return read(text, str).value


@pytest.mark.parametrize("spelling", ["00077", "912345678", "+34600111222", "0x1F", "1.50", "1e3", "-0", ".5"])
def test_a_number_keeps_its_spelling(spelling: str) -> None:
    assert value(f"a: {spelling}")["a"].text == spelling


def test_a_number_is_a_number_where_one_is_wanted() -> None:
    assert value("{a: 00077, b: 0x1F, c: 1.50, d: 0o17}") == {"a": 77, "b": 31, "c": 1.5, "d": 15}
    assert json.dumps(value("{a: 00077, c: 1.50}")) == '{"a": 77, "c": 1.5}'


def test_words_mean_what_yaml_1_2_says() -> None:
    assert value("{on: yes, country: NO, t: true, n: null, e: }") == {
        "on": "yes", "country": "NO", "t": True, "n": None, "e": None,
    }  # fmt: skip
    assert value("a: 2024-05-31") == {"a": "2024-05-31"}
    assert value("a: 1_000") == {"a": "1_000"}
    assert value("a: 12:30:00") == {"a": "12:30:00"}
    assert value("a: .inf") == {"a": ".inf"}


def test_quotes_and_str_make_a_text() -> None:
    assert value("{a: '77', b: \"true\", c: !!str 77}") == {"a": "77", "b": "true", "c": "77"}
    assert not isinstance(value("a: '77'")["a"], Whole)


def test_a_very_long_number_is_a_text() -> None:
    assert value(f"a: {'9' * 5000}")["a"] == "9" * 5000
    assert value("a: 1e999") == {"a": "1e999"}


def test_keys_are_texts_as_they_are_written() -> None:
    assert value("{911000001: a, true: b, ~: c}") == {"911000001": "a", "true": "b", "~": "c"}


def test_anchors_aliases_and_merging_bring_what_they_name() -> None:
    text = """
    usual: &usual {a: 1, b: 2}
    more: &more {b: 3, c: 4}
    one: {<<: *usual, b: 5}
    two: {<<: [*usual, *more], d: 6}
    three: *usual
    '<<': plain
    """
    made = value(text)
    assert made["one"] == {"a": 1, "b": 5}
    assert made["two"] == {"a": 1, "b": 2, "c": 4, "d": 6}
    assert made["three"] == {"a": 1, "b": 2}
    assert made["<<"] == "plain"


def test_what_aliases_bring_is_not_shared() -> None:
    made = value("{a: &a {x: [1]}, b: *a}")
    made["b"]["x"].append(2)
    assert made["a"] == {"x": [1]}


def test_places_are_those_of_key_and_value() -> None:
    source = read("a:\n  - b: c\n    d: e\n", str)
    place = source.places["a", 0, "d"]
    assert (place.key, place.value) == ((3, 5), (3, 8))


def test_a_byte_order_mark_and_windows_line_ends_are_fine(tmp_path: Path) -> None:
    path = tmp_path / "bridge.yaml"
    path.write_bytes(b"\xef\xbb\xbf" + LINES.replace("\n", "\r\n").encode() + "language: fr # ñ\r\n".encode())
    assert [str(fault).removeprefix(f"{path}:") for fault in attempt(path, {"PASSWORD": "1"}).faults] == [
        "4:11: language: write one of es, en"
    ]


def test_a_byte_order_mark_takes_no_column(tmp_path: Path) -> None:
    path = tmp_path / "bridge.yaml"
    for text, column in ((b"servr: {}", 1), (b"a\x00", 2), (b"ab\xff", 3)):
        path.write_bytes(b"\xef\xbb\xbf" + text)
        assert {(fault.line, fault.column) for fault in attempt(path, {}).faults} == {(1, column)}


def test_spelling_survives_into_the_configuration(tmp_path: Path) -> None:
    configuration = loaded(
        tmp_path,
        """
        lines:
          - {number: 912345678, password: 0039, extensions: [007]}
        queries:
          A: {answer: {DESTINO: +34911000001, CERO: 00, N: 1.50}}
        tests:
          - {ask: A, caller: 0600111222, vars: {PEDIDO: 00077}}
        """,
    ).configuration
    line, case = configuration.lines[0], configuration.tests[0]
    assert (line.number, line.password.get_secret_value(), line.extensions) == ("912345678", "0039", ["007"])
    assert (case.caller, case.vars) == ("0600111222", {"PEDIDO": "00077"})
    variables = configuration.queries["A"].answer[0].variables
    assert {name: str(template) for name, template in variables.items()} == {
        "DESTINO": "+34911000001", "CERO": "00", "N": "1.50",
    }  # fmt: skip


HOSTILE = {
    "brackets": "[" * 60_000,
    "braces": "a: " + "{a: " * 60_000,
    "keys": "".join(f"{' ' * depth}a:\n" for depth in range(300)),
    "aliases of aliases": "a0: &a0 {x: 1}\n" + "".join(f"a{n}: &a{n} {{x: *a{n - 1}}}\n" for n in range(1, 500)),
    "merged bomb": "a: &a {x: [1, 2, 3, 4, 5, 6, 7, 8, 9]}\n"
    + "".join(
        f"{b}: &{b} {{1: *{a}, 2: *{a}, 3: *{a}, 4: *{a}, 5: *{a}}}\n"
        for a, b in zip("abcdefg", "bcdefgh", strict=True)
    ),
    "a merge into itself": "a: &a {<<: *a}",
    "a merge of merges": "a: &a {x: 1}\nb: &b {<<: *a}\nc: {<<: *b}",
    "open quote": 'a: "' + "x" * 500_000,
    "question marks": "? " * 50_000,
    "one long key": "x" * 500_000 + ": 1",
    "only a colon": ":",
    "directive": "%YAML 9.9\n---\na: 1",
    "a version that is none": "%YAML 1.3\n---\na: 1",
    "set": "a: !!set {x, y}",
    "binary": "a: !!binary aGVsbG8=",
    "just text": "hello",
    "end mark": "a: 1\n...\nb: 2",
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_file_costs_one_clear_line(tmp_path: Path, name: str) -> None:
    faults = told(tmp_path, HOSTILE[name])
    assert len(faults) == 1, faults[:5]
    assert "\n" not in faults[0]
    assert len(faults[0]) < 300


def test_a_file_of_10_mb_is_refused_unread(tmp_path: Path) -> None:
    path = tmp_path / "bridge.yaml"
    path.write_bytes(b"# " + b"x" * 10_000_000)
    assert str(attempt(path, {}).faults[0]) == f"{path}: the file is larger than 1024 KiB: is it the right file?"


@given(st.text())
def test_no_text_breaks_the_reader(text: str) -> None:
    with suppress(Unreadable):
        read(text, str)


@given(st.text(alphabet="ab:-[]{}&*!|>'\"#%@`, \n\t?<~", max_size=60))
def test_no_piece_of_yaml_breaks_the_reader(text: str) -> None:
    with suppress(Unreadable):
        read(text, str)

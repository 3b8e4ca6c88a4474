"""Names mean one thing: a class name in the whole project, a local variable what it says."""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FILES = [path for folder in ("bridge", "connectors") for path in sorted((ROOT / folder).rglob("*.py"))]

VAGUE = {"found", "one", "known", "said", "told", "wanted"}
RIGHT = {
    "bridge/callbacks/forecast.py": {"known"},  # how many rows were taken before, as the command shows it
    "bridge/callbacks/task_intake.py": {"known"},
    "bridge/calls/draft.py": {"found"},  # what the rule's `find` found: an `Activity` has it by that name
    "connectors/records.py": {"found"},
}


def assigned(tree: ast.AST) -> Iterator[str]:
    """Each name that a file gives to a variable, a parameter, a field or an exception."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.id
        elif isinstance(node, ast.arg):
            yield node.arg
        elif isinstance(node, ast.ExceptHandler) and node.name:
            yield node.name


@pytest.mark.parametrize(
    "source", ["found = 1", "def f(one): ...", "[1 for said in x]", "with f() as told: ...", "known: int"]
)
def test_a_vague_name_is_seen_wherever_it_is_given(source: str) -> None:
    assert VAGUE.intersection(assigned(ast.parse(source)))


def test_variables_say_what_they_hold() -> None:
    vague = {
        str(path.relative_to(ROOT)): names
        for path in FILES
        if (names := VAGUE.intersection(assigned(ast.parse(path.read_text("utf-8")))))
    }
    assert vague == RIGHT


def test_a_class_name_means_one_thing() -> None:
    places = defaultdict(list)
    for path in FILES:
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.ClassDef):
                places[node.name].append(f"{path.relative_to(ROOT)}:{node.lineno}")
    assert {name: where for name, where in places.items() if len(where) > 1} == {}

"""The import rules of the architecture: one arrow, from the web down to the protocol."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parent.parent

LAYERS = (
    {"errors", "infocaller"},
    {"config", "dial", "scope", "state", "zones", "calling_hours"},
    {"store", "queue", "words", "callview", "calltext", "threads", "breaker", "pace", "misses"}
    | {"permit", "log", "gathering", "guessing", "installation", "troubles", "counters", "alerts"},
    {"outage", "lookup", "gates", "emission_pace", "wire", "retry", "emitter", "saves"},
    {"queries", "calls", "activities", "callbacks"},
    {"keeping", "worker", "service", "reload", "processes", "metrics"},
    {"background", "simulator"},
    {"web", "server"},
    {"cli", "demo", "__main__"},
)
"""Parts of `bridge`, lowest first: each may import those of its own layer and below."""

FLOWS = {"queries", "calls", "activities", "callbacks"}


def modules(package: str) -> Iterator[tuple[str, ast.Module]]:
    for path in sorted((ROOT / package).rglob("*.py")):
        name = ".".join(path.relative_to(ROOT).with_suffix("").parts)
        yield name.removesuffix(".__init__"), ast.parse(path.read_text(encoding="utf-8"))


def imported(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def part(module: str) -> str:
    """The part of `bridge` that a module belongs to."""
    pieces = module.split(".")
    return pieces[1] if len(pieces) > 1 else ""


def test_connectors_know_nothing_of_the_bridge() -> None:
    for name, tree in modules("connectors"):
        assert not [target for target in imported(tree) if target.split(".")[0] in {"bridge", "flask"}], name


def test_every_part_of_the_bridge_imports_downwards_only() -> None:
    layer = {name: number for number, layer in enumerate(LAYERS) for name in layer}
    for name, tree in modules("bridge"):
        if not part(name):
            continue
        assert part(name) in layer, f"{name}: say in this test which layer it belongs to"
        for target in imported(tree):
            if target.split(".")[0] == "bridge" and part(target):
                other = part(target)
                assert layer[other] <= layer[part(name)], f"{name} imports {target}"


def test_the_flows_do_not_import_each_other() -> None:
    for name, tree in modules("bridge"):
        if part(name) in FLOWS:
            others = {part(target) for target in imported(tree) if target.startswith("bridge.")} & FLOWS
            assert others <= {part(name)}, name


def test_only_the_web_knows_flask() -> None:
    for name, tree in modules("bridge"):
        if part(name) not in {"web", "server"}:
            assert not [target for target in imported(tree) if target.split(".")[0] == "flask"], name


def test_the_environment_is_read_in_one_place() -> None:
    allowed = {"bridge.config.load", "bridge.server"}  # the server sets what a library reads from there
    for name, tree in modules("bridge"):
        reads = [
            node
            for node in ast.walk(tree)
            if isinstance(node, ast.Attribute)
            and node.attr in {"environ", "getenv"}
            and isinstance(node.value, ast.Name)
            and node.value.id == "os"
            and name not in allowed
        ]
        assert not reads, name


def test_the_protocol_is_pure() -> None:
    banned = {"os", "socket", "requests", "time", "random", "threading", "pathlib", "logging", "subprocess"}
    for name, tree in modules("bridge.infocaller".replace(".", "/")):
        assert not [target for target in imported(tree) if target.split(".")[0] in banned], name

"""The console's editor that is committed is what editor/ makes, and brings its licences along."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

ROOT = Path(__file__).parent.parent
STATIC = ROOT / "bridge/web/console/static"


def test_it_is_built_from_the_sources_of_now() -> None:
    digest = hashlib.sha256((ROOT / "editor/package-lock.json").read_bytes())
    for source in sorted((ROOT / "editor/src").iterdir()):
        digest.update(source.read_bytes())
    head = (STATIC / "editor.js").read_text("utf-8")[:400]
    assert digest.hexdigest() in head, "run `nox -s editor`, and commit what it makes"


def test_it_needs_nothing_that_a_strict_policy_forbids() -> None:
    text = (STATIC / "editor.js").read_text("utf-8")
    assert "eval(" not in text
    assert "new Function" not in text
    assert "sourceMappingURL" not in text


def test_versions_are_exact_and_each_licence_is_there() -> None:
    wanted = json.loads((ROOT / "editor/package.json").read_text())["devDependencies"]
    assert all(version[0].isdigit() for version in wanted.values())
    licences = (STATIC / "editor.LICENSES.txt").read_text("utf-8")
    for name, version in wanted.items():
        assert f"{name} {version} (MIT)" in licences or name in ("esbuild", "@lezer/highlight")
    assert licences.count("Permission is hereby granted") == licences.count("(MIT)")

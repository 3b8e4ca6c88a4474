"""Connectors written against the names of the version before go on working, with a warning."""

from __future__ import annotations

from pathlib import Path

import pytest

from connectors import base


@pytest.mark.parametrize(("former", "name"), sorted(base._FORMER.items()))
def test_a_former_name_is_the_new_one_with_a_warning(former: str, name: str) -> None:
    with pytest.warns(DeprecationWarning, match=name):
        assert getattr(base, former) is getattr(base, name)


@pytest.mark.parametrize(("former", "name"), [("tape", "cassette"), ("told", "report")])
def test_a_former_name_of_the_context_is_the_new_one_with_a_warning(former: str, name: str, tmp_path: Path) -> None:
    context = base.Context(folder=tmp_path, report=lambda _part, _why, _serves: None)
    with pytest.warns(DeprecationWarning, match=name):
        assert getattr(context, former) is getattr(context, name)


def test_what_never_was_is_still_missing() -> None:
    with pytest.raises(AttributeError, match="Nonsense"):
        base.Nonsense  # noqa: B018

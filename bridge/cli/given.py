"""What the options of `init` answered already, and how a question that none answered is put."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

import click

from bridge.cli.dialogue import Dialogue
from bridge.errors import BridgeError
from bridge.setup.answers import AnswerRefused
from bridge.texts import Text

_Answer = TypeVar("_Answer")


@dataclass(frozen=True)
class Given:
    """The options; None, or nothing, where one was left out."""

    line: str | None = None
    password: str | None = None
    contacts: Path | None = None
    phones: tuple[str, ...] = ()
    name: str | None = None
    transfer: str | None = None
    reception: str | None = None
    crm: str | None = None
    table: str | None = None
    try_number: str | None = None
    offline: bool = False
    settings: Mapping[str, str] = field(default_factory=dict)


class Stop(BridgeError):
    """It can't go on; `reason` says why, for people."""

    def __init__(self, reason: Text) -> None:
        super().__init__(str(reason))
        self.reason = reason


def answered(
    dialogue: Dialogue, option: str, given: str | None, question: Text, check: Callable[[str], _Answer],
    *, default: str | None = None, secret: bool = False,
) -> _Answer:  # fmt: skip
    """Return an answer: the option's, or that to the question, or the default's where there is nobody to ask. Raises
    `click.UsageError`."""
    try:
        if given is not None:
            return check(given)
        if dialogue.asks:
            return dialogue.ask(question, check, default=default or "", secret=secret)
        if default is not None:
            return check(default)
    except AnswerRefused as error:
        raise click.UsageError(dialogue.words(Text("{option}: {reason}", option=option, reason=error.reason))) from None
    raise missing(dialogue, option)


def missing(dialogue: Dialogue, option: str) -> click.UsageError:
    """Return what to raise for a question that no option answers and that nobody can be asked."""
    return click.UsageError(
        dialogue.words(
            Text("{option} is missing: there is nobody to ask, so the options have to say it", option=option)
        )
    )

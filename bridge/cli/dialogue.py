"""Questions at a terminal, in the reader's language; nothing but lines of text, so that any terminal will do."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

import click

from bridge.setup.answers import AnswerRefused
from bridge.texts import Language, Text, literal

_Answer = TypeVar("_Answer")
_YES = {"es": ("s", "si", "sí", "y", "yes"), "en": ("y", "yes")}
_NO = ("n", "no")


class Dialogue:
    """Whoever sits at the terminal. `asks`: whether anybody does; if not, every question has its default answer."""

    def __init__(self, language: Language, *, asks: bool) -> None:
        self.language = language
        self.asks = asks

    def say(self, text: Text | str = "", *, err: bool = False) -> None:
        """Print a text, a line or a paragraph."""
        click.echo(self.words(text) if text else "", err=err)

    def words(self, text: Text | str) -> str:
        """Return a text in the reader's language."""
        return text.render(self.language) if isinstance(text, Text) else text

    def ask(
        self, question: Text, check: Callable[[str], _Answer], *, default: str = "", secret: bool = False
    ) -> _Answer:
        """Return what `check` makes of the answer, asking again while it raises `AnswerRefused`. A secret is not
        echoed. `default` is what an empty answer means."""
        hint = f" [{default}]" if default else ""
        while True:
            answer: str = click.prompt(
                f"{self.words(question)}{hint}", default="", show_default=False, hide_input=secret, prompt_suffix=": "
            )
            try:
                return check(answer.strip() or default if not secret else answer)
            except AnswerRefused as error:
                self.say(Text("  {reason}", reason=error.reason))

    def confirm(self, question: Text) -> bool:
        """Return whether the answer is yes, which an empty one means, too; without anybody to ask, it is."""
        if not self.asks:
            return True
        return self.ask(Text("{question} [Y/n]", question=question), self._yes_or_no)

    def _yes_or_no(self, answer: str) -> bool:
        if answer.lower() in ("", *_YES[self.language]):
            return True
        if answer.lower() in _NO:
            return False
        raise AnswerRefused(Text("write y or n"))

    def choose(self, question: Text, choices: Sequence[Text | str], *, default: int = 0) -> int:
        """Return the place of one of several choices, which are numbered from 1; the default for nobody to ask."""
        if not self.asks:
            return default
        for number, choice in enumerate(choices, 1):
            self.say(f"  {number}  {self.words(choice)}")
        return self.ask(question, lambda answer: _numbers(answer, len(choices))[0], default=str(default + 1))

    def ask_place(self, question: Text, most: int) -> int | None:
        """Return the place of one of several choices that were shown already; None for 0."""
        chosen = self.ask(question, lambda answer: _numbers(answer, most, 0), default="0")
        return chosen[0] if chosen else None

    def choose_some(self, question: Text, choices: Sequence[str], *, least: int) -> list[int]:
        """Return the places of at least so many of several choices, which are numbered from 1."""
        for number, choice in enumerate(choices, 1):
            self.say(f"  {number}  {choice}")
        return self.ask(question, lambda answer: _numbers(answer, len(choices), least))


def _numbers(answer: str, most: int, least: int = 1) -> list[int]:
    """The places, from 0, that the numbers of an answer mean."""
    words = answer.replace(",", " ").split()
    numbers = [int(word) for word in words if word.isascii() and word.isdigit() and len(word) < 6]
    if len(numbers) != len(words) or any(number > most for number in numbers):
        raise AnswerRefused(Text("write a number from 1 to {most}", most=most))
    chosen = [number - 1 for number in numbers if number]
    if len(chosen) < least:
        raise AnswerRefused(Text("write a number from 1 to {most}", most=most))
    return chosen


def plain(text: str) -> Text:
    """Return somebody else's words as they may be shown: no control characters, and not without end."""
    shown = "".join(character if character.isprintable() else "�" for character in text)
    return literal(shown if len(shown) <= 60 else f"{shown[:59]}…")

"""One CRM with a connector in front of it, as the suite needs it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from connectors.base import Connector, ConnectorOptions

GENEROUS = 30.0
"""Seconds within which anything here must happen; no test depends on how fast it does."""

SPELLINGS = (
    "600112233",
    "600 11 22 33",
    "600-11.22/33",
    "+34600112233",
    "+34 600 112 233",
    "0034600112233",
    "(0034) 600.112.233",
    "600112233 ext. 5",
    "600112233 / 911222333",
    "911222333; +34 600 11 22 33",
)
"""How a CRM may have written 600112233 of Spain."""


@dataclass(frozen=True)
class Contact:
    """A person as the CRM keeps them: `phone` and `mobile` as somebody typed them, `changed` an ISO date."""

    name: str
    phone: str = ""
    mobile: str = ""
    changed: str = "2024-01-01"


@dataclass(frozen=True)
class Order:
    """Something that has a key."""

    key: str
    status: str


class Harness(ABC):
    """One CRM with one connector in front of it, as the suite needs it. Made anew for each test."""

    connector: type[Connector]
    """The class under test."""
    folder: Path
    """Where relative paths of the options start."""
    contact: ClassVar[str] = "contact"
    order: ClassVar[str] = "order"
    survey: ClassVar[str] = "survey"
    """The kinds' names in the options."""
    spellings: ClassVar[Sequence[str]] = SPELLINGS
    """The spellings that this connector finds as it is set up here."""
    secrets: ClassVar[Sequence[str]] = ()
    """Passwords and tokens in the options; none may ever be seen."""
    can_find_by_key: ClassVar[bool] = True
    """Whether there are orders to be found by key."""
    can_save: ClassVar[bool] = True
    """Whether surveys can be saved; then `saved` is there."""
    can_log: ClassVar[bool] = True
    """Whether calls can be logged; then `activities` is there."""
    can_correct: ClassVar[bool] = True
    """Whether a corrected activity takes the place of the first."""
    can_task: ClassVar[bool] = False
    """Whether there are tasks that ask for a call; then `add_task` and `outcomes` are there."""
    can_hang: ClassVar[bool] = False
    """Whether the CRM can keep a caller waiting; then `hang` is there."""
    orders_newest: ClassVar[bool] = False
    """Whether the options say by which field contacts are newest (`Contact.changed`)."""
    once_at_once: ClassVar[bool] = True
    """Whether simultaneous writes under one key come out as one, by whatever the CRM enforces."""

    @abstractmethod
    def options(self) -> ConnectorOptions:
        """Return the connector's configuration for the kinds above; called after `load`."""

    @abstractmethod
    def load(self, contacts: Sequence[Contact] = (), orders: Sequence[Order] = ()) -> None:
        """Make the CRM hold exactly these; called before the connector is opened."""

    @abstractmethod
    def go_away(self) -> None:
        """Make the CRM unreachable; called before or after the connector is opened."""

    away_once_open: ClassVar[bool] = True
    """False where what was loaded goes on serving after `go_away` (a file's last good content)."""

    def come_back(self) -> None:
        """Make the CRM reachable again."""
        raise AssertionError(f"{type(self).__name__} lacks come_back()")

    def hang(self) -> None:
        """Make the CRM take requests and answer none before the harness is closed (or 60 s have passed)."""
        raise AssertionError(f"{type(self).__name__} lacks hang()")

    def lose_answer(self) -> bool:
        """Let the CRM do the next write and lose its answer; return False where answers can't get lost."""
        return False

    def survey_fields(self, phone: str, score: str) -> Mapping[str, object]:
        """Return the fields of a survey under the names that `save` takes."""
        return {"phone": phone, "score": score}

    def saved(self) -> Sequence[Mapping[str, str]]:
        """Return the surveys that the CRM holds, each as `phone` and `score`."""
        raise AssertionError(f"{type(self).__name__} lacks saved()")

    def activities(self) -> Sequence[Mapping[str, str]]:
        """Return the activities that the CRM holds, each as `key`, `subject` and `note`."""
        raise AssertionError(f"{type(self).__name__} lacks activities()")

    def add_task(self, phone: str) -> str:  # noqa: ARG002 - for those who have tasks
        """Put a task into the CRM that asks for a call to `phone`, and return its id."""
        raise AssertionError(f"{type(self).__name__} lacks add_task()")

    def outcomes(self, task: str) -> Sequence[str]:  # noqa: ARG002 - as above
        """Return the outcomes that the CRM shows for the task, in its own words."""
        raise AssertionError(f"{type(self).__name__} lacks outcomes()")

    def close(self) -> None:  # noqa: B027 - most have nothing to stop
        """Stop whatever the harness started."""

"""The rules of a country about calls, as dated data: `bridge/callbacks/rules/COUNTRY.yaml`. Pure, but for reading that
file once.

A rule holds from one day to another, says where it is written and how sure that is, and what it demands in one of a few
forms that the gates know. What no program can see to (`demands: people`) is there to be read.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from functools import cached_property, lru_cache
from importlib.resources import files
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator
from ruamel.yaml import YAML

from bridge.config.commercial import Purpose
from bridge.config.hours import Holidays, Opening
from bridge.hours.calendar import Calendar
from bridge.texts import Language

Basis = Literal["consent", "legitimate_interest"]
"""What may allow a commercial call."""


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Bilingual(_Part):
    """A text in the languages of people."""

    en: str
    es: str

    def in_(self, language: Language) -> str:
        """Return the text in a language."""
        return self.es if language == "es" else self.en


class _Rule(_Part):
    """`until`: its last day, None where none is known; `sure`: whether it binds whoever calls, or that is open and for
    a lawyer to say (`doubt` tells what); `source`: where it is written, `url` to read it."""

    id: str
    since: date
    until: date | None = None
    sure: Literal["certain", "open"] = "certain"
    doubt: Bilingual | None = None
    source: str
    url: str
    says: Bilingual

    @model_validator(mode="after")
    def _whole(self) -> _Rule:
        if (self.sure == "open") != (self.doubt is not None):
            raise ValueError("what is open says in doubt: why, and nothing else does")
        if self.until is not None and self.until < self.since:
            raise ValueError("until: is before since:")
        return self


class HoursRule(_Rule):
    """No commercial call outside of these hours, nor on public holidays of the country."""

    demands: Literal["hours"]
    open: list[Opening]
    holidays: bool


class CallerRule(_Rule):
    """The number that a call shows, of calls for these purposes: only one of the range `only`, or none of the range
    `never`, or of no kind in `kinds`. A range is what national numbers of that many digits begin with."""

    demands: Literal["caller"]
    purposes: list[Purpose]
    only: str | None = None
    never: str | None = None
    digits: int = 9
    kinds: frozenset[str] = frozenset()

    @model_validator(mode="after")
    def _one(self) -> CallerRule:
        if sum(map(bool, (self.only, self.never, self.kinds))) != 1:
            raise ValueError("write one of only:, never: and kinds:")
        return self


class BasisRule(_Rule):
    """A commercial call needs one of these; `automatic`: the rule is about calls in which nobody of the caller's
    speaks, and only about them; `business`: a company's number needs none."""

    demands: Literal["basis"]
    accepted: list[Basis]
    automatic: bool = False
    business: bool = False


class AgeRule(_Rule):
    """A basis counts for so many months, to the same day of the month."""

    demands: Literal["age"]
    basis: Basis
    months: Annotated[int, Field(gt=0)]


class ListsRule(_Rule):
    """Exclusion lists are consulted first, but for rows with one of these bases."""

    demands: Literal["exclusion_lists"]
    unless: list[Basis]


class OppositionRule(_Rule):
    """Whoever opposed is not called, and what they said is kept for so many months at least."""

    demands: Literal["opposition"]
    months: Annotated[int, Field(gt=0)]


class PeopleRule(_Rule):
    """What people have to see to: no program knows it."""

    demands: Literal["people"]


_R = TypeVar("_R", bound=_Rule)
Rule = HoursRule | CallerRule | BasisRule | AgeRule | ListsRule | OppositionRule | PeopleRule


def _country(value: object) -> object:
    return value.upper() if isinstance(value, str) else value


class Lawbook(_Part):
    """The rules of a country, those that were and those to come among them."""

    country: Annotated[str, BeforeValidator(_country), Field(pattern="[A-Z]{2}")]
    checked: date
    """When somebody last compared it with the sources."""
    rules: list[Annotated[Rule, Field(discriminator="demands")]]

    @model_validator(mode="after")
    def _ids(self) -> Lawbook:
        if len({rule.id for rule in self.rules}) < len(self.rules):
            raise ValueError("two rules have the same id")
        return self

    def on(self, day: date) -> Law:
        """Return the rules that hold on a day of this country's calendar."""
        return self._laws[sum(change <= day for change in self._changes)]

    def version(self, day: date) -> str:
        """Return what the rules of that day are called: the country and the month in which they last changed, with a
        letter for a further change in one month."""
        return self.on(day).version

    @cached_property
    def _changes(self) -> list[date]:
        """The days on which a rule begins, or has ended the day before."""
        ended = {date.fromordinal(rule.until.toordinal() + 1) for rule in self.rules if rule.until is not None}
        return sorted({rule.since for rule in self.rules} | ended)

    @cached_property
    def _laws(self) -> list[Law]:
        laws, named = [Law(self, f"{self.country.lower()}-0", ())], set[str]()
        for day in self._changes:
            name = f"{self.country.lower()}-{day:%Y-%m}"
            version = next(name + letter for letter in ("", *"bcdefghij") if name + letter not in named)
            named.add(version)
            holding = tuple(
                rule for rule in self.rules if rule.since <= day and (rule.until is None or day <= rule.until)
            )
            laws.append(Law(self, version, holding))
        return laws


@dataclass(frozen=True)
class Law:
    """The rules of one day. `version`: what they are called together."""

    book: Lawbook
    version: str
    rules: Sequence[Rule]

    @cached_property
    def hours(self) -> Sequence[tuple[HoursRule, Calendar]]:
        """The hours of commercial calls, each with its calendar."""
        place = Holidays(country=self.book.country)
        return [(rule, Calendar(rule.open, place if rule.holidays else None)) for rule in self._of(HoursRule)]

    def callers(self, purpose: Purpose | None) -> Iterator[CallerRule]:
        """Yield what holds for the number that calls for this purpose show."""
        return (rule for rule in self._of(CallerRule) if purpose in rule.purposes)

    def bases(self, *, automatic: bool) -> BasisRule | None:
        """Return what a commercial call needs, None where nothing is said of that; the strictest of several."""
        asked = [rule for rule in self._of(BasisRule) if automatic or not rule.automatic]
        return min(asked, key=lambda rule: (len(rule.accepted), rule.business), default=None)

    def age(self, basis: str) -> AgeRule | None:
        """Return for how long a basis counts, None where that is not limited."""
        asked = (rule for rule in self._of(AgeRule) if rule.basis == basis)
        return min(asked, key=lambda rule: rule.months, default=None)

    def lists(self, basis: str) -> ListsRule | None:
        """Return what says that exclusion lists bind a row with this basis, None where they do not."""
        return next((rule for rule in self._of(ListsRule) if basis not in rule.unless), None)

    def _of(self, kind: type[_R]) -> Iterator[_R]:
        return (rule for rule in self.rules if isinstance(rule, kind))


@lru_cache(maxsize=64)
def lawbook(country: str) -> Lawbook | None:
    """Return the rules of a country, None where none are known."""
    name = f"{country.lower()}.yaml"
    folder = files("bridge") / "callbacks" / "rules"
    if not country.isalpha() or not (folder / name).is_file():
        return None
    return parsed((folder / name).read_text("utf-8"))


def parsed(text: str) -> Lawbook:
    """Return the rules that a file holds. Raises `pydantic.ValidationError`."""
    content: Any = YAML(typ="safe", pure=True).load(text)
    return Lawbook.model_validate(content)

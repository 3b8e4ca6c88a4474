"""Paging: what the configuration says of it, and what the next page takes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, Self

from pydantic import Field, model_validator

from connectors.rest.answers import RestAnswer
from connectors.rest.values import JmesPath, RestSection, Text


class Pages(RestSection):
    """How to ask for the pages after the first, in one of the ways: by number or offset (`param`), by a URL in the
    body (`next`), by a `cursor`, or by the header Link (`link`)."""

    param: Text | None = Field(None, description="Parameter for the page's number, the offset or the cursor")
    first: int | None = Field(None, ge=0, description="The first page's number or offset; default 1, with step: size 0")
    step: Literal["size"] | int = Field(1, description="How it grows: 1 for numbers, size for offsets")
    size_param: Text | None = Field(None, description="Parameter for how many a page may hold")
    size: int | None = Field(None, ge=1, description="How many a page holds; one with fewer is the last")
    next: JmesPath | None = Field(None, description="JMESPath to the next page's URL in the body")
    cursor: JmesPath | None = Field(None, description="JMESPath to what `param` takes for the next page")
    link: Text | None = Field(None, description="The relation in the header Link that is the next page: next")
    at_most: int = Field(20, ge=1, le=10_000, description="After so many pages it ends, with a warning")

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        ways = [name for name in ("next", "cursor", "link") if getattr(self, name) is not None]
        if len(ways) > 1:
            raise ValueError(f"pages go on in one way: {' or '.join(ways)}")
        if (ways in ([], ["cursor"])) and self.param is None:
            raise ValueError("say how pages go on: param (with first, size …), next, cursor with param, or link: next")
        if ways in (["next"], ["link"]) and self.param is not None:
            raise ValueError(f"{ways[0]} brings the whole address: leave param out")
        if not ways and self.step == "size" and self.size is None:
            raise ValueError("step: size needs the size")
        return self


@dataclass(frozen=True, slots=True)
class Page:
    """What to ask for: values beside the request's own, or another `url`. `number` counts from 1."""

    number: int = 1
    values: Mapping[str, object] = field(default_factory=dict)
    url: str | None = None


def first(pages: Pages | None) -> Page:
    """Return the first page."""
    if pages is None:
        return Page()
    values: dict[str, object] = {}
    if pages.param is not None and pages.cursor is None:
        values[pages.param] = _position(pages, 1)
    return Page(1, values | _size(pages))


def following(pages: Pages, page: Page, answer: RestAnswer, count: int) -> Page | None:
    """Return the page after this one, of which `count` items came; None: it was the last. Raises `Unfit`."""
    number = page.number + 1
    if pages.link is not None:
        url = answer.links.get(pages.link)
        return Page(number, url=url) if url else None
    if pages.next is not None:
        url = pages.next.search(answer.body)
        return Page(number, url=str(url)) if url else None
    assert pages.param is not None  # noqa: S101 - the configuration was checked
    if pages.cursor is not None:
        cursor = pages.cursor.search(answer.body)
        return None if cursor in (None, "", False) else Page(number, {pages.param: cursor, **_size(pages)})
    if count == 0 or (pages.size is not None and count < pages.size):
        return None
    return Page(number, {pages.param: _position(pages, number), **_size(pages)})


def _position(pages: Pages, number: int) -> int:
    step = (pages.size or 1) if pages.step == "size" else pages.step
    start = pages.first if pages.first is not None else int(pages.step == 1)
    return start + (number - 1) * step


def _size(pages: Pages) -> dict[str, object]:
    return {pages.size_param: pages.size} if pages.size_param is not None and pages.size is not None else {}

"""What JSON and XML have in common once they are read: names in small letters, texts, and no types but these."""

from __future__ import annotations

from typing import TypeAlias

Tree: TypeAlias = "dict[str, Tree] | list[Tree] | str | bool | None"
"""A document, or a part of one. A name that XML repeats is a list. JSON's numbers are the texts that spell them."""

DEEPEST = 64
"""Documents that nest deeper are refused; the platform's nest six deep."""

"""Names as people see them: of columns and sheets, in which what can't be seen makes no difference."""

from __future__ import annotations

import unicodedata
from functools import lru_cache

_INVISIBLE = dict.fromkeys(map(ord, "\u00ad\u200b\u200c\u200d\u200e\u200f\u2060\ufeff"))


@lru_cache(maxsize=4096)
def plain_name(name: str) -> str:
    """Return a name with each accent in its letter, one space for any spaces and line breaks, none around it, and
    without characters that are not shown."""
    return " ".join(unicodedata.normalize("NFC", name.translate(_INVISIBLE)).split())

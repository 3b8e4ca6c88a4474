"""`python -m tests.pictures`: make the pictures of the console and of the demo anew, in docs/pictures/.

It takes Chromium with its driver, a C compiler (for the clock that they show) and, for a full disk, root. What the
pictures show is made up; they are about the same each time.

Look at each of them before it is committed.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from tests.pictures import console, mondays, terminal

FOLDER = Path(__file__).parent.parent.parent / "docs" / "pictures"
KINDS = {"console": console.take, "mondays": mondays.take, "terminal": terminal.take}


def main() -> None:
    """Take them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("kinds", nargs="*", choices=[[], *KINDS], help="default: all")
    asked = parser.parse_args()
    for kind in asked.kinds or KINDS:
        for language in ("es", "en"):
            KINDS[kind](language, FOLDER)


if __name__ == "__main__":
    main()

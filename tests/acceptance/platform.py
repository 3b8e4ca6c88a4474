"""The platform's emission API as a process of its own, which outlives the bridge: `python -m tests.acceptance.platform
FOLDER BRIDGE_PORT`. Its record is FOLDER/ledger.jsonl; its URL stands in FOLDER/platform.url."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bridge.simulator.calls import Target
from bridge.simulator.emission import EmissionPlatform
from bridge.simulator.ledger import EmissionLedger
from bridge.simulator.outcomes import CallOutcome, OutcomeSender
from bridge.simulator.script import Reaction

LINE, PASSWORD, KEY = "912345678", "3956", "unguessable-part-of-the-url"


@contextmanager
def serving(folder: Path, bridge_port: int) -> Iterator[EmissionPlatform]:
    """The platform, answering after a moment, so that a kill may come in between."""
    target = Target(f"http://127.0.0.1:{bridge_port}", LINE, PASSWORD, KEY, timeout=5)
    outcomes = OutcomeSender({LINE: target}, lambda _entry: [CallOutcome(delay=1.0)])
    platform = EmissionPlatform({LINE: PASSWORD}, ledger=EmissionLedger(folder / "ledger.jsonl"), outcomes=outcomes)
    platform.script.always(Reaction(delay=0.05))
    with platform:
        yield platform


def main() -> None:
    folder = Path(sys.argv[1])
    with serving(folder, int(sys.argv[2])) as platform:
        (folder / "platform.url").write_text(platform.url, encoding="utf-8")
        sys.stdin.read()  # until the test lets go


if __name__ == "__main__":
    main()

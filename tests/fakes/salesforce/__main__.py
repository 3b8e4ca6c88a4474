"""`python -m tests.fakes.salesforce [PORT]`: a pretended org with one contact, until Ctrl-C."""

from __future__ import annotations

import signal
import sys
import tempfile
import threading
from pathlib import Path

from tests.fakes.salesforce.server import FakeSalesforce, describe


def main() -> None:
    """Serve until a signal comes; the first line on stdout says how to sign in."""
    over = threading.Event()
    for one in (signal.SIGINT, signal.SIGTERM):
        signal.signal(one, lambda *_args: over.set())
    with tempfile.TemporaryDirectory() as folder:
        fake = FakeSalesforce(Path(folder), port=int(sys.argv[1]) if len(sys.argv) > 1 else 0)
        fake.org.add("Contact", LastName="García", FirstName="Ana", Phone="600 11 12 22")
        sys.stdout.write(describe(fake) + "\n")
        sys.stdout.flush()
        over.wait()
        fake.close()


main()

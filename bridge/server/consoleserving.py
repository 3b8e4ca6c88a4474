"""`python -m bridge.server.consoleserving CONFIG PARENT`: the process that serves the console at its own address."""

from __future__ import annotations

import sys
from pathlib import Path

from bridge.errors import BridgeError
from bridge.server.serving import serve_console

if __name__ == "__main__":
    try:
        sys.exit(serve_console(Path(sys.argv[1]), int(sys.argv[2])))
    except BridgeError as error:  # changed for the worse since `serve` was started: it tries again
        sys.exit(f"the console can't be served: {error}")

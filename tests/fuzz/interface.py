"""A served bridge, asked by schemathesis for all that docs/reference/openapi.yaml says, rightly and wrongly:

    python -m tests.fuzz.interface --seconds 60

No answer may be a server's error, or have another status or form than the document says. Where one has, the exit code
is 1, and the request is shown as curl.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.web.bridge_process import CONFIGURATION, KEY, Bridge, running

DOCUMENT = Path(__file__).parent.parent.parent / "docs" / "reference" / "openapi.yaml"
TOKEN = "0123456789abcdefghijklmnop"
_CALLBACKS = f"""
callbacks:
  - {{name: web, token: {TOKEN}, line: "912345678", rule_group: callbacks, hours: always, per_address: 1000000/s}}
"""
_SETTINGS = f"""
[parameters]
"path.key" = "{KEY}"
"path.source" = "web"
"path.token" = "{TOKEN}"
[generation]
max-examples = 1000000
[checks]
# An unsigned document is refused where a valid one would not be, and fields that nobody uses are nobody's fault.
positive_data_acceptance.enabled = false
negative_data_rejection.enabled = false
missing_required_header.enabled = false
unsupported_method.enabled = false
"""


def _ask(bridge: Bridge, folder: Path, seconds: int) -> int:
    settings = folder / "schemathesis.toml"
    settings.write_text(_SETTINGS, encoding="utf-8")
    command = [str(Path(sys.executable).parent / "schemathesis"), "--config-file", str(settings), "run", str(DOCUMENT)]
    command += ["--url", f"http://127.0.0.1:{bridge.port}", "--header", f"Authorization: Bearer {TOKEN}"]
    command += ["--max-time", str(seconds), "--phases", "coverage,fuzzing", "--no-color"]
    return subprocess.run(command, cwd=folder, check=False).returncode


def main() -> int:
    """Run what the command line says; 1 where an answer was not as it should be."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=int, default=60)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "config.yaml").write_text(CONFIGURATION % "" + _CALLBACKS, encoding="utf-8")
        with running(folder) as bridge:
            code = _ask(bridge, folder, given.seconds)
            traces = [line for line in bridge.log.splitlines() if "Traceback" in line]
    sys.stdout.writelines(f"in the bridge's log: {line}\n" for line in traces)
    return 1 if code or traces else 0


if __name__ == "__main__":
    sys.exit(main())

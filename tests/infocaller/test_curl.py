"""A Query as a command: real shells run it, with a curl that prints what it would send."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from bridge.infocaller.curl import as_curl
from bridge.infocaller.document import read
from bridge.infocaller.messages import Document, Format
from bridge.infocaller.signature import matches

CURL = '#!/bin/sh\nfor last; do :; done\nprintf %s "$last" > "$OUT/body"\nprintf %s "$2" > "$OUT/url"\n'
HOSTILE = 'a\'b "c" ñ & 😀 $(touch pwned) `id` \\ l1\nl2 $INFOCALLER_PASSWORD'


@pytest.mark.parametrize("shell", ["sh", "bash", "zsh"])
@pytest.mark.parametrize("locale", ["C", "C.UTF-8"])
def test_what_is_sent_is_signed_and_says_what_was_asked(tmp_path: Path, shell: str, locale: str) -> None:
    if shutil.which(shell) is None:
        pytest.skip(f"{shell} is not installed")
    program = tmp_path / "curl"
    program.write_text(CURL)
    program.chmod(0o755)
    asked = Document(
        Format.JSON, "912345678", "", call_type="R", caller_number="600111222", query_name="É'CO",
        variables={"DATO": HOSTILE},
    )  # fmt: skip
    url = "http://127.0.0.1:8080/infocaller/it's a $KEY/query"
    environ = os.environ | {
        "PATH": f"{tmp_path}:{os.environ['PATH']}",
        "OUT": str(tmp_path),
        "LC_ALL": locale,
        "INFOCALLER_PASSWORD": "3956",
    }
    command = as_curl(asked, url)
    assert "3956" not in command
    subprocess.run([shell, "-c", command], env=environ, check=True, cwd=tmp_path)
    assert (tmp_path / "url").read_text() == url
    sent = read((tmp_path / "body").read_bytes(), "application/json")
    assert matches(sent, "3956")
    assert not matches(sent, "3957")
    assert sent.call_sequence.isdigit()
    assert (sent.query_name, sent.caller_number, sent.variables) == ("É'CO", "600111222", {"DATO": HOSTILE})
    assert not (tmp_path / "pwned").exists()

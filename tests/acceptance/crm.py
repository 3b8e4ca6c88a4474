"""The pretended CRM as a process of its own, which hangs, dies and comes back."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from typing import Self

from tests.ports import free_port


class Crm:
    """`python -m tests.fakes.rest_crm` with these options, always on the same port."""

    def __init__(self, *options: str) -> None:
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._command = [sys.executable, "-m", "tests.fakes.rest_crm", "--told", "--port", str(self.port), *options]
        self._process: subprocess.Popen[str] | None = None
        self._lock = threading.Lock()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self.kill()

    def start(self) -> None:
        """Return when it serves."""
        self._process = subprocess.Popen(self._command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert self._process.stdout is not None
        assert self._process.stdout.readline().strip() == self.url

    def kill(self) -> None:
        """kill -9."""
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.communicate()

    def tell(self, line: str) -> str:
        """Have it do something; its answer."""
        process = self._process
        assert process is not None
        assert process.stdin is not None
        assert process.stdout is not None
        with self._lock:
            process.stdin.write(f"{line}\n")
            process.stdin.flush()
            return process.stdout.readline().strip()

    def asked(self) -> list[str]:
        """What was searched for, in order."""
        found: list[str] = json.loads(self.tell("asked"))
        return found

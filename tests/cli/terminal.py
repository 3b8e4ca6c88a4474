"""A person at a terminal: the program on a pseudo-terminal, which echoes what is typed unless it is forbidden to."""

from __future__ import annotations

import os
import pty
import select
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Self

from tests.waiting import PATIENCE

_PATIENCE = 30 * PATIENCE


class Terminal:
    """`python -m bridge ARGUMENTS` in `folder`. `shown`: all that the screen has shown."""

    def __init__(self, folder: Path, *arguments: str, environ: Mapping[str, str] | None = None) -> None:
        ours = ("LANG", "LC_ALL", "LC_MESSAGES", "INFOCALLER_PASSWORD", "BRIDGE_URL_KEY")
        variables = {name: value for name, value in os.environ.items() if name not in ours}
        variables |= {"TERM": "dumb", "PYTHONPATH": str(Path(__file__).parents[2]), **(environ or {})}
        self._start(folder, [sys.executable, "-m", "bridge", *arguments], variables)

    @classmethod
    def running(cls, folder: Path, command: str, environ: Mapping[str, str]) -> Self:
        """A command as it is pasted into a shell in `folder`, with nothing but these variables."""
        terminal = cls.__new__(cls)
        terminal._start(folder, ["/bin/sh", "-c", command], environ)
        return terminal

    def _start(self, folder: Path, command: Sequence[str], environ: Mapping[str, str]) -> None:
        self.shown = ""
        self._seen = 0
        self._screen, theirs = pty.openpty()
        self._program = subprocess.Popen(
            [sys.executable, "-c", _OWN_TERMINAL, *command],
            cwd=folder,
            env=environ,
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            start_new_session=True,
        )
        os.close(theirs)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        if self._program.poll() is None:
            self._program.kill()
        self._program.wait()
        os.close(self._screen)

    def expect(self, text: str) -> None:
        """Wait until this is shown, after what was expected before."""
        end = time.monotonic() + _PATIENCE
        while (place := self.shown.find(text, self._seen)) < 0:
            if not self._read(end):
                raise AssertionError(f"{text!r} is not shown; what is: {self.shown[self._seen :]!r}")
        self._seen = place + len(text)

    def answer(self, question: str, text: str) -> None:
        """Wait for a question, and type."""
        self.expect(question)
        self.expect(": ")
        self.type(text + "\n")

    def type(self, text: str) -> None:
        os.write(self._screen, text.encode())

    def kill(self) -> None:
        self._program.send_signal(signal.SIGKILL)

    def leave(self, key: str) -> int:
        """Press a key until the program heeds it, while it echoes nothing: one may come in the moment between a look at
        what came and waiting for more, and one more than is heeded disturbs its end. Its exit code."""
        for _ in range(_PATIENCE):
            self.type(key)
            if self._read(time.monotonic() + 1) or self._program.poll() is not None:
                break
        return self.end()

    def end(self) -> int:
        """Wait until the program ends; its exit code."""
        end = time.monotonic() + _PATIENCE
        while self._read(end):
            pass
        return self._program.wait(_PATIENCE)

    def _read(self, end: float) -> bool:
        if not select.select([self._screen], [], [], max(0.0, end - time.monotonic()))[0]:
            return False
        try:
            data = os.read(self._screen, 65536)
        except OSError:  # the program has gone
            return False
        self.shown += data.decode(errors="replace").replace("\r\n", "\n")
        return bool(data)


# Who begins at a terminal hears Ctrl-C; tests that are run in the background have been told to ignore it.
_OWN_TERMINAL = (
    "import fcntl, os, signal, sys, termios; fcntl.ioctl(0, termios.TIOCSCTTY, 0); "
    "signal.signal(signal.SIGINT, signal.SIG_DFL); os.execv(sys.argv[1], sys.argv[1:])"
)

"""Files of people to call, kept from their upload to the start of their campaign, in the state folder of this host."""

from __future__ import annotations

import json
import os
import re
import secrets
import time
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from werkzeug.datastructures import FileStorage

from connectors.csv.source import is_spreadsheet

_KEPT = 24 * 3600.0
_TOKEN = re.compile(r"[0-9a-f]{32}")


@dataclass(frozen=True, slots=True)
class Upload:
    """A file that somebody sent. `title`: what it was called there; `name`, `source`: of its campaign."""

    token: str
    path: Path
    title: str
    name: str
    source: str


class Uploads:
    """The files of a state folder. What is a day old is dropped with the next."""

    def __init__(self, state: Path) -> None:
        self._folder = state / "uploads"

    def keep(self, sent: FileStorage, name: str, source: str) -> Upload:
        """Keep a file. Raises `OSError`; then nothing of it is left."""
        self._folder.mkdir(mode=0o700, exist_ok=True)
        self._drop_old()
        title = Path((sent.filename or "").replace("\\", "/")).name[:100]
        token = secrets.token_hex(16)
        suffix = Path(title).suffix.lower() if is_spreadsheet(Path(title)) else ".csv"
        path = self._folder / f"{token}{suffix}"
        upload = Upload(token, path, title, name, source)
        about = asdict(upload) | {"path": path.name}
        try:
            with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
                sent.save(file)
            self._about(token).write_text(json.dumps(about), encoding="utf-8")
        except OSError:
            self.drop(upload)
            raise
        return upload

    def get(self, token: str) -> Upload | None:
        """Return the file with this token; None where it is not here, or no more."""
        if not _TOKEN.fullmatch(token):
            return None
        try:
            about = json.loads(self._about(token).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return None
        return Upload(**{**about, "path": self._folder / about["path"]})

    def drop(self, upload: Upload) -> None:
        """Delete a file that was uploaded."""
        upload.path.unlink(missing_ok=True)
        self._about(upload.token).unlink(missing_ok=True)

    def _about(self, token: str) -> Path:
        return self._folder / f"{token}.json"

    def _drop_old(self) -> None:
        for path in self._folder.iterdir():
            with suppress(FileNotFoundError):  # another process dropped it
                if path.stat().st_mtime < time.time() - _KEPT:
                    path.unlink()

"""What the configuration file held before, so that it can be brought back: each version with who wrote it and when, in
files of the state folder that nobody else may read. The oldest go when there are too many."""

from __future__ import annotations

import json
import os
import re
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from bridge.config import editing, files
from bridge.texts import Text
from connectors.filelock import FileLock

FOLDER = "configurations"
"""Where they are, inside the state folder."""
MOST = 50
_LARGEST_HEAD = 4096
_NAME = re.compile(r"\d{8}T\d{12}-[0-9a-f]{12}")
_PATIENCE = 10.0


@dataclass(frozen=True, slots=True)
class Version:
    """One content of the file. `at`: when it was written there. `who`: who saved it in the console; empty: it was
    written otherwise, or by somebody before the first change in the console."""

    id: str
    at: datetime
    who: str
    digest: str


class Versions:
    """The versions of one configuration file, in a folder inside the state folder that is made when it is needed."""

    def __init__(self, state: Path) -> None:
        self._folder = state / FOLDER

    def all(self) -> list[Version]:
        """Return those that are kept, newest first."""
        try:
            names = sorted((file.name for file in self._folder.iterdir()), reverse=True)
        except FileNotFoundError:
            return []
        versions = (self._head(name) for name in names if _NAME.fullmatch(name))
        return [version for version in versions if version is not None]

    def named(self, id_: str) -> tuple[Version, bytes] | None:
        """Return a version and what was in the file; None where it is not kept."""
        if not _NAME.fullmatch(id_):
            return None
        version = self._head(id_)
        try:
            _, _, data = (self._folder / id_).read_bytes().partition(b"\n")
        except FileNotFoundError:
            return None
        return None if version is None else (version, data)

    def save(self, path: Path, data: bytes, *, expected: str, who: str, now: datetime) -> str:
        """Put `data` in the place of what is in the file, as `editing.replace` does, and keep both; the new digest.
        Raises what that does, and `NotSaved` where the version before can't be kept."""
        try:
            self._folder.mkdir(mode=0o700, exist_ok=True)
            with FileLock(self._folder / "lock").held(_PATIENCE):
                self._keep_what_is_there(path, expected)
                digest = editing.replace(path, data, expected=expected)
                with suppress(OSError):  # it is in the file, and kept as anybody's before the next change
                    self._keep(data, who, now)
                    self._prune()
        except (OSError, TimeoutError) as error:
            why = getattr(error, "strerror", None) or str(error)
            raise editing.NotSaved(
                Text("the version before can't be kept in {folder}: {why}", folder=self._folder, why=why)
            ) from error
        return digest

    def _keep_what_is_there(self, path: Path, expected: str) -> None:
        """The version before, where somebody wrote it without the console."""
        newest = next(iter(self.all()), None)
        if newest is not None and newest.digest == expected:
            return
        try:
            data = files.content(path)
            at = datetime.fromtimestamp(path.stat().st_mtime, UTC)
        except files.NotUsable:
            return  # there is nothing to keep
        self._keep(data, "", at)

    def _keep(self, data: bytes, who: str, at: datetime) -> None:
        newest = next(iter(self.all()), None)
        if newest is not None:  # a copy with an old date came after it all the same
            at = max(at, newest.at + timedelta(microseconds=1))
        digest = files.fingerprint(data)
        name = f"{at.astimezone(UTC):%Y%m%dT%H%M%S%f}-{digest[:12]}"
        head = json.dumps({"at": at.isoformat(), "who": who, "digest": digest})
        beside = self._folder / f"{name}.new"
        descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        with open(descriptor, "wb") as stream:
            stream.write(head.encode() + b"\n" + data)
            stream.flush()
            os.fsync(descriptor)
        beside.replace(self._folder / name)

    def _head(self, name: str) -> Version | None:
        """None: it is gone, or no version."""
        try:
            with (self._folder / name).open("rb") as stream:
                head = json.loads(stream.readline(_LARGEST_HEAD))
            return Version(name, datetime.fromisoformat(head["at"]), str(head["who"]), str(head["digest"]))
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def _prune(self) -> None:
        for version in self.all()[MOST:]:
            with suppress(FileNotFoundError):
                (self._folder / version.id).unlink()

"""New files that are there whole or not at all, and that take the place of nothing."""

from __future__ import annotations

import errno
import os
from contextlib import suppress
from pathlib import Path

from bridge.errors import BridgeError
from bridge.texts import Text

_NO_TMPFILE = frozenset({errno.EOPNOTSUPP, errno.EISDIR, errno.ENOENT, errno.EINVAL, errno.EPERM, errno.EACCES})


class NotWritten(BridgeError):
    """A file or folder could not be made; `reason` says why, for people."""

    def __init__(self, reason: Text) -> None:
        super().__init__(str(reason))
        self.reason = reason


def make_folder(folder: Path) -> None:
    """Make a folder, and those that it is in, unless it is there. Raises `NotWritten`."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except FileExistsError:
        raise NotWritten(Text("{path} is a file, where a folder is needed", path=folder)) from None
    except OSError as error:
        raise NotWritten(Text("{path} can't be made: {error}", path=folder, error=error.strerror or "")) from None


def publish(path: Path, content: str) -> None:
    """Write a file that only its owner may read (0600). It appears with all its content, also if the program is killed
    meanwhile. Raises `NotWritten`, also where something of that name is there."""
    try:
        descriptor, temporary = _temporary(path)
        try:
            with os.fdopen(descriptor, "wb") as file:
                os.fchmod(file.fileno(), 0o600)
                file.write(content.encode())
                file.flush()
                os.fsync(file.fileno())
                _link(temporary or Path(f"/proc/self/fd/{file.fileno()}"), path)
        finally:
            if temporary is not None:
                with suppress(OSError):
                    temporary.unlink()
        _sync(path.parent)
    except FileExistsError:
        raise NotWritten(Text("{path} is there already, and is left as it is", path=path)) from None
    except OSError as error:
        raise NotWritten(Text("{path} can't be written: {error}", path=path, error=error.strerror or "")) from None


def _temporary(path: Path) -> tuple[int, Path | None]:
    """A file without a name, which is gone if the program is; where there are none, one with a name."""
    nameless: int | None = getattr(os, "O_TMPFILE", None)
    if nameless is not None and os.path.isdir("/proc/self/fd"):
        try:
            return os.open(path.parent, nameless | os.O_RDWR | os.O_CLOEXEC, 0o600), None
        except OSError as error:
            if error.errno not in _NO_TMPFILE:
                raise
    named = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    return os.open(named, os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_CLOEXEC, 0o600), named


def _link(source: Path, path: Path) -> None:
    """Give a file its name, which has to be a new one."""
    folder = os.open(path.parent, os.O_RDONLY | os.O_CLOEXEC)
    try:
        # that it starts at a folder makes Python ask the system to follow the link to a file without a name
        os.link(source, path, src_dir_fd=folder, follow_symlinks=True)
    finally:
        os.close(folder)


def _sync(folder: Path) -> None:
    """Have the names in a folder on the disk, too."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)

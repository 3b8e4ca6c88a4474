"""The configuration file as text that a person changes: read with `${}` as written, looked at before it is kept, and
put in its place whole or not at all, unless somebody else changed it meanwhile."""

from __future__ import annotations

import codecs
import errno
import os
import stat
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from bridge.config import files
from bridge.config.load import Loaded, Read, examine
from bridge.errors import BridgeError, Fault
from bridge.texts import Text

MOST_KEPT = files.LARGEST
"""Bytes that a configuration may have."""


class NotSaved(BridgeError):
    """A configuration was not written; `text` says why, for people."""

    def __init__(self, text: Text) -> None:
        super().__init__(str(text))
        self.text = text


class ChangedMeanwhile(NotSaved):
    """What is in the file is not what the change was made from."""


@dataclass(frozen=True, slots=True)
class ConfigurationText:
    """What is in the file. `digest`: what tells this content from another. `fault`: why `text` is not all that is in it
    (it can't be read, or is not UTF-8; then it is what the file most likely means); None: it is."""

    text: str
    digest: str
    fault: Fault | None = None
    windows_lines: bool = False
    byte_order_mark: bool = False

    def encoded(self, text: str) -> bytes:
        """Return another text as it goes into this file: with its kind of line breaks, a break at the end."""
        plain = text.replace("\r\n", "\n").replace("\r", "\n").removeprefix("\ufeff")
        if plain and not plain.endswith("\n"):
            plain += "\n"
        if self.windows_lines:
            plain = plain.replace("\n", "\r\n")
        mark = codecs.BOM_UTF8 if self.byte_order_mark else b""
        return mark + plain.encode("utf-8", "surrogatepass")


def read_text(path: Path) -> ConfigurationText:
    """Return what is in a configuration file, whatever that is."""
    try:
        data = files.content(path)
    except files.NotUsable as error:
        return ConfigurationText("", "", Fault(str(path), 0, 0, "", f"the file {error}"))
    return text_of(path, data)


def text_of(path: Path, data: bytes) -> ConfigurationText:
    """Return the same of what would be in it."""
    fault = None
    try:
        text = files.text(data)
    except files.NotText as error:
        fault = Fault(str(path), error.line, error.column, "", str(error))
        text = _likely(data)
    windows = "\r\n" in text and text.count("\r\n") == text.count("\n")
    plain = text.replace("\r\n", "\n").replace("\r", "\n")
    return ConfigurationText(plain, files.fingerprint(data), fault, windows, data.startswith(codecs.BOM_UTF8))


def _likely(data: bytes) -> str:
    """What a file that is no UTF-8 text most likely means."""
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return data.decode("utf-16", "replace")
    try:
        return data.removeprefix(codecs.BOM_UTF8).decode()
    except UnicodeDecodeError:
        return data.decode("cp1252", "replace")


def checked(path: Path, data: bytes, environ: Mapping[str, str] | None = None) -> Read:
    """Return what `check` would find if this was in the file; nothing is written. `environ` as in `load`."""
    if len(data) > MOST_KEPT:
        text = f"this is larger than {MOST_KEPT // 1024} KiB, which is more than a configuration may have"
        return Read(None, (Fault(str(path), 0, 0, "", text),), {})
    return examine(path, data, environ)


def taken_up(read: Read, in_force: Loaded) -> bool:
    """Return whether a running bridge would go on with it: nothing is out of order that is not out of order now."""
    return read.loaded is not None and read.loaded.no_worse_than(in_force)


def obstacle(path: Path) -> Text | None:
    """Return why the file can't be replaced by this process; None: it can."""
    try:
        real = path.resolve(strict=True)
        about = real.stat()
    except OSError as error:
        return Text("{file} can't be read: {why}", file=path, why=error.strerror or str(error))
    if not stat.S_ISREG(about.st_mode):
        return Text("{file} is not a plain file", file=path)
    if not _may(real, os.W_OK):
        return Text("the bridge's user may not write {file}", file=real)
    if not _may(real.parent, os.W_OK | os.X_OK):
        return Text("the bridge's user may not write the folder {folder}", folder=real.parent)
    if about.st_uid != os.geteuid() and os.geteuid() != 0:
        return Text("{file} belongs to another user, which it would not after a change", file=real)
    if real.is_mount():
        return _mounted(real)
    return None


def _may(path: Path, mode: int) -> bool:
    return os.access(path, mode, effective_ids=os.access in os.supports_effective_ids)


def _mounted(path: Path) -> Text:
    return Text("{file} is mounted by itself: mount its folder instead", file=path)


def replace(path: Path, data: bytes, *, expected: str) -> str:
    """Put `data` in the file's place, on disk when this returns, and return its digest. Mode and owner stay, links stay
    links. Raises `ChangedMeanwhile` where the file's digest is not `expected`, `NotSaved` where it can't be written."""
    why_not = obstacle(path)
    if why_not is not None:
        raise NotSaved(why_not)
    real = path.resolve()
    try:
        with _beside(real, data) as temporary:
            if files.fingerprint_now(real) != expected:
                raise ChangedMeanwhile(Text("somebody else changed the file meanwhile"))
            temporary.replace(real)
        _sync(real.parent)
    except OSError as error:
        if error.errno == errno.EBUSY:
            raise NotSaved(_mounted(real)) from error
        raise NotSaved(Text("{file} can't be written: {why}", file=real, why=error.strerror or str(error))) from error
    return files.fingerprint(data)


@contextmanager
def _beside(real: Path, data: bytes) -> Iterator[Path]:
    """A file of the same mode and owner with this in it, on disk; gone after the block, unless it was renamed."""
    about = real.stat()
    descriptor, name = tempfile.mkstemp(prefix=f".{real.name}.", suffix=".new", dir=real.parent)
    temporary = Path(name)
    try:
        with open(descriptor, "wb") as stream:
            if (about.st_uid, about.st_gid) != (os.geteuid(), os.fstat(descriptor).st_gid):
                os.fchown(descriptor, about.st_uid, about.st_gid)
            os.fchmod(descriptor, stat.S_IMODE(about.st_mode))
            stream.write(data)
            stream.flush()
            os.fsync(descriptor)
        yield temporary
    finally:
        with suppress(FileNotFoundError):
            temporary.unlink()


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)

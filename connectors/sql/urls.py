"""Where a database is: the URL, the driver, the file."""

from __future__ import annotations

import difflib
import importlib.util
from pathlib import Path
from urllib.parse import quote

from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, NoSuchModuleError

from connectors.sql.families import KNOWN, family_of

_CHARSETS = frozenset({"utf8mb4", "utf8", "latin1"})


def read(text: str) -> URL:
    """Return the URL with the driver that a bare one means. Raises ValueError, which never repeats the URL: it may hold
    a password."""
    try:
        url = make_url(text.strip())
    except (ArgumentError, ValueError):
        raise ValueError("write it as postgresql://USER:PASSWORD@HOST/DATABASE, or sqlite:///FILE") from None
    backend, driver = url.get_backend_name(), family_of(url).driver
    if backend != "sqlite" and "@" in f"{url.host}{url.database}":  # else a part of the password passes for the host
        raise ValueError("in a user's name or a password write %40 for @, %2F for /, %3A for :, %25 for %")
    if backend == "postgres":
        raise ValueError("write postgresql:// instead of postgres://")
    if "+" not in url.drivername and driver:
        url = url.set(drivername=f"{backend}+{driver}")
    try:
        asynchronous = url.get_dialect().is_async if _installed(url) else False
    except NoSuchModuleError:
        near = difflib.get_close_matches(backend, KNOWN, 1)
        hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(KNOWN)}"
        raise ValueError(f"SQLAlchemy knows no database {url.drivername}; {hint}") from None
    except ImportError:
        return url
    if asynchronous:
        raise ValueError(f"{url.drivername} is for asynchronous programs: leave the driver out, write {backend}://")
    return url


def _installed(url: URL) -> bool:
    return missing_driver(url) is None


def missing_driver(url: URL) -> str | None:
    """Return what to install for the driver of a URL; None if it is there, or is one that nothing is known of."""
    family = family_of(url)
    if url.get_driver_name() == family.driver:
        for module, source in family.drivers.items():
            if importlib.util.find_spec(module) is None:
                return source
    return None


def _absent_module(url: URL) -> str | None:
    """Return why Python can't import the driver of a URL; None if it can."""
    try:
        url.get_dialect().import_dbapi()
    except ImportError as error:
        return str(error)
    return None


def problem(url: URL, folder: Path) -> tuple[str, bool] | None:
    """Return what keeps a database from being reached that can be said without asking it, and whether that lies outside
    the configuration; None if nothing does."""
    install = missing_driver(url)
    if install is not None:
        return f"the driver for {url.get_backend_name()} is not installed: pip install '{install}'", True
    absent = _absent_module(url)
    if absent is not None:
        return f"the driver of {url.drivername} can't be used: {absent}", True
    if url.get_backend_name() != "sqlite":
        charset = str(url.query.get("charset", "utf8mb4")).lower()
        if url.get_backend_name() in ("mysql", "mariadb") and charset not in _CHARSETS:
            return f"charset {charset} can't be used safely: leave it out, the server converts", False
        return None
    if not url.database or url.database == ":memory:":
        return "write the database's file: sqlite:///FILE (four slashes for an absolute path)", False
    path = file(url, folder)
    if path.is_dir():
        return f"{path} is a folder; write the database's file", True
    if not path.exists():
        return f"there is no file {path}{_near(path)}: a database that is not there is not made", True
    return None


def file(url: URL, folder: Path) -> Path:
    """Return the file of an SQLite database."""
    return folder / str(url.database).removeprefix("file:")


def opened(url: URL, folder: Path) -> URL:
    """Return the URL that the engine is made of. A file of SQLite is opened if it is there, never made."""
    if url.get_backend_name() != "sqlite":
        return url
    return URL.create(url.drivername, database=f"file:{quote(str(file(url, folder).absolute()))}",
                      query={"mode": "rw", "uri": "true"})  # fmt: skip


def _near(path: Path) -> str:
    try:
        names = [entry.name for entry in path.parent.iterdir() if entry.is_file()]
    except OSError:
        return f", nor a folder {path.parent}"
    near = difflib.get_close_matches(path.name, names, 1)
    return f"; did you mean {near[0]}?" if near else ""

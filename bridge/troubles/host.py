"""What is wrong with this host: its configuration, its disks, its spool."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from bridge.errors import Fault, StoreUnavailable
from bridge.store import spool
from bridge.texts import Plural, Text, said
from bridge.troubles.observation import Observation, Place, quoted
from bridge.troubles.trouble import Severity

_log = logging.getLogger("bridge.troubles")
_GB, _MB = 1024**3, 1024**2
_MEND_FILE = Text("Mend the file: `infocaller-bridge check` says every fault")


def of_configuration(place: Place) -> Iterator[Observation]:
    """Yield that the configuration, or a part of it, can't be used."""
    loaded = place.loaded
    if loaded is None:
        if place.faults:
            text = Text(
                "The configuration has {faults}, it can't be used and `serve` would not start: {first}",
                faults=_faults(place.faults), first=said(quoted(str(place.faults[0]))),
            )  # fmt: skip
            yield Observation("configuration", "", Severity.ERROR, text, _MEND_FILE, count=len(place.faults))
        return
    for name, faults in loaded.out.items():
        yield Observation(
            "crm", name, Severity.ERROR,
            Text(
                "The section of connector {name} has {faults}, so the bridge does not ask it: Queries get on_error, "
                "and what has to reach it waits: {first}",
                name=name, faults=_faults(faults), first=said(quoted(str(faults[0]))),
            ),
            _MEND_FILE, count=len(faults),
        )  # fmt: skip
    if loaded.ignored:
        text = Text(
            "The configuration has {faults}, and the parts at fault are not used: {first}",
            faults=_faults(loaded.ignored), first=said(quoted(str(loaded.ignored[0]))),
        )  # fmt: skip
        yield Observation("configuration", "", Severity.WARNING, text, _MEND_FILE, count=len(loaded.ignored))


def _faults(faults: Sequence[Fault]) -> Text:
    return Plural("{count:,} fault", "{count:,} faults", len(faults))


def of_disk(place: Place) -> Iterator[Observation]:
    """Yield which disk is full or nearly so: that of the state folder or of the database."""
    folders = {place.state: Text("The disk of the state folder")}
    if place.database is not None and place.database.path is not None:
        folders[place.database.path.parent] = Text("The disk of the database")
    seen: set[int] = set()
    for folder, disk in folders.items():
        try:
            device, room = folder.stat().st_dev, os.statvfs(folder)
        except OSError:
            continue  # not made yet
        if device not in seen:
            seen.add(device)
            yield from _room(folder, disk, room)


def _room(folder: Path, disk: Text, room: os.statvfs_result) -> Iterator[Observation]:
    free, size = room.f_bavail * room.f_frsize, max(1, room.f_blocks * room.f_frsize)
    no_files = room.f_files > 0 and room.f_favail < room.f_files // 100
    if not no_files and (free >= _GB or free > size // 20):
        return
    full = no_files or (free < 64 * _MB and free < size // 50)
    left = Text("{free:,} MB of {size:,} MB are free", free=round(free / _MB), size=round(size / _MB))
    if no_files:
        left = Text("no more files can be made")
    yield Observation(
        "disk", str(folder), Severity.ERROR if full else Severity.WARNING,
        Text(
            "{disk} ({folder}) is {how}: {left}. Events are refused when it is full, and the platform does not send "
            "them again",
            disk=disk, folder=folder, how=Text("full") if full else Text("nearly full"), left=left,
        ),
        Text("Make room on the disk of {folder}", folder=folder),
    )  # fmt: skip


def of_spool(place: Place) -> Iterator[Observation]:
    """Yield that something waits in the spool, or is refused by the database."""
    waiting, refused = _in_spool(place.state)
    if waiting:
        yield Observation(
            "spool", "", Severity.WARNING,
            Plural(
                "{count:,} event or saved record waits on this host's disk, because the database does not take it: "
                "nothing is lost, but the CRMs do not get it yet",
                "{count:,} events and saved records wait on this host's disk, because the database does not take them: "
                "nothing is lost, but the CRMs do not get them yet",
                waiting,
            ),
            Text("Bring the database back; the bridge moves them by itself"), count=waiting,
        )  # fmt: skip
    if refused:
        yield Observation(
            "spool", "refused", Severity.ERROR,
            Plural(
                "{count:,} event or saved record in the spool can't be stored: the database refuses it each time, and "
                "it reaches no CRM",
                "{count:,} events and saved records in the spool can't be stored: the database refuses them each time, "
                "and they reach no CRM",
                refused,
            ),
            Text(
                "Look for `can't be stored` in the log; what is refused stays in {file}", file=place.state / "spool.db"
            ),
            count=refused,
        )  # fmt: skip


def spool_rows(state: Path) -> int:
    """Return how many rows are in this host's spool."""
    return sum(_in_spool(state))


def _in_spool(state: Path) -> tuple[int, int]:
    try:
        return spool.rows(state / "spool.db")
    except StoreUnavailable as error:
        _log.debug("the spool can't be looked into: %s", error)  # being made, or no room: the disk says so
        return 0, 0

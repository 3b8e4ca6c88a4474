"""`--version`: which version this is, and whether the configured database is of the same one."""

from __future__ import annotations

from pathlib import Path

from bridge.config.essentials import essentials
from bridge.errors import BridgeError, StoreUnavailable
from bridge.store.database import unprepared
from bridge.store.tables import REVISION
from bridge.store.version import revision, works_beside
from bridge.texts import Text, said

_PATIENCE = 3.0  # seconds for a database that may be far away


def about_database(config: Path) -> Text:
    """Return what to say of the database of a configuration that is there. Nothing in it is changed."""
    try:
        loaded = essentials(config).loaded
    except BridgeError as error:
        return Text("database: it can't be asked: {error}", error=said(error))
    return _about(loaded.configuration.database.get_secret_value(), loaded.folder)


def _about(url: str, folder: Path) -> Text:
    try:
        database = unprepared(url, folder, patience=_PATIENCE)
        try:
            if database.path is not None and not database.path.exists():
                return Text("database: {name} is not there yet; `serve` makes it", name=database.name)
            with database.read_within(_PATIENCE) as connection:
                stored = revision(connection)
                beside = stored is not None and stored > REVISION and works_beside(connection)
        finally:
            database.close()
    except StoreUnavailable as error:
        return Text("database: it can't be asked: {error}", error=said(error))
    if stored is None:
        return Text("database: {name} is empty; `serve` makes its tables", name=database.name)
    if stored == REVISION:
        return Text("database: {name} is of this version (schema {schema})", name=database.name, schema=stored)
    if stored < REVISION:
        return Text(
            "database: {name} is of an earlier version (schema {stored}, this program has {schema}): the next `serve` "
            "brings it up to date, which can't be undone: back it up first (docs/upgrade.md)",
            name=database.name, stored=stored, schema=REVISION,
        )  # fmt: skip
    if beside:
        return Text(
            "database: {name} is of a newer version (schema {stored}, this program has {schema}), beside which this "
            "one may work; install that version here, too",
            name=database.name, stored=stored, schema=REVISION,
        )  # fmt: skip
    return Text(
        "database: {name} is of a newer version (schema {stored}, this program has {schema}): install that version; "
        "this one can't use it",
        name=database.name, stored=stored, schema=REVISION,
    )  # fmt: skip

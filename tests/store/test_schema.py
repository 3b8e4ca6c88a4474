from __future__ import annotations

import os
import re
import shutil
import sqlite3
import stat
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import psycopg
import pytest
from alembic.config import Config
from alembic.script import ScriptDirectory
from procrastinate.schema import SchemaManager
from sqlalchemy import text

import bridge.store
from bridge.errors import StoreUnavailable
from bridge.store import overview
from bridge.store.database import Database, unprepared
from bridge.store.schema import connect, upgrade
from bridge.store.tables import OLDEST, REVISION, meta
from bridge.store.version import TooOld, revision
from bridge.troubles import Place, current
from tests.disk import fill, small_disk
from tests.store.made import at_revision
from tests.waiting import until

FOREIGN = ("procrastinate", "idx_procrastinate", "infocaller_bridge_jobs")
_SQLITE = """
SELECT printf('column %s %s %s %s %s %s', t.name, c.name, c.type, c."notnull", c.dflt_value, c.pk)
FROM sqlite_master t, pragma_table_xinfo(t.name) c WHERE t.type = 'table'
UNION SELECT printf('key %s %s %s %s %s %s', t.name, k."from", k."table", k."to", k.on_update, k.on_delete)
FROM sqlite_master t, pragma_foreign_key_list(t.name) k WHERE t.type = 'table'
UNION SELECT sql FROM sqlite_master WHERE sql IS NOT NULL
"""
_POSTGRESQL = """
SELECT concat_ws(' ', 'column', t.relname, a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull, a.attidentity,
                 pg_get_expr(d.adbin, d.adrelid))
FROM pg_attribute a JOIN pg_class t ON t.oid = a.attrelid
LEFT JOIN pg_attrdef d ON d.adrelid = t.oid AND d.adnum = a.attnum
WHERE a.attnum > 0 AND NOT a.attisdropped AND t.relkind IN ('r', 'S') AND t.relnamespace = 'public'::regnamespace
UNION SELECT concat_ws(' ', 'constraint', conrelid::regclass, conname, pg_get_constraintdef(oid))
FROM pg_constraint WHERE connamespace = 'public'::regnamespace
UNION SELECT indexdef FROM pg_indexes WHERE schemaname = 'public'
UNION SELECT pg_get_functiondef(oid) FROM pg_proc WHERE pronamespace = 'public'::regnamespace AND prokind = 'f'
"""


def _schema(database: Database) -> set[str]:
    """What is there, but for the order of columns."""
    with database.read() as connection:
        if database.postgresql:
            found = connection.execute(text(_POSTGRESQL)).scalars().all()
            return {" ".join(line.split()) for line in found if not any(name in line for name in FOREIGN)}
        made = set()
        for line in connection.execute(text(_SQLITE)).scalars():
            named = re.findall(r"CONSTRAINT .*[^,\s]", line) if line.startswith("CREATE TABLE") else [line]
            made |= {" ".join(each.split()) for each in named}
        return made


def test_an_empty_database_gets_what_the_migrations_make(
    empty_database_url: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    """The newest tables are made in one step; types, defaults, constraints and indexes are those of every step."""
    with closing(at_revision("head", empty_database_url, tmp_path)) as database:
        migrated = _schema(database)
    if database.path:
        database.path.unlink()
    else:
        assert request.getfixturevalue("_postgres_server").empty() == empty_database_url
    with closing(connect(empty_database_url)) as database:
        assert _schema(database) == migrated
        assert len(migrated) > 200
        with database.read() as connection:
            assert revision(connection) == REVISION


def test_the_newest_migration_is_the_one_that_the_code_expects() -> None:
    configuration = Config()
    configuration.set_main_option("script_location", str(Path(bridge.store.__file__).parent / "migrations"))
    assert ScriptDirectory.from_config(configuration).get_heads() == [REVISION]


def test_several_processes_may_start_on_an_empty_database_at_once(empty_database_url: str) -> None:
    code = f"from bridge.store.schema import connect; connect({empty_database_url!r}).close()"
    children = [
        subprocess.Popen([sys.executable, "-c", code], stderr=subprocess.PIPE, text=True, cwd=Path.cwd())
        for _ in range(4)
    ]
    said = [child.communicate(timeout=60)[1] for child in children]
    assert [child.returncode for child in children] == [0] * 4, said


def test_starting_again_changes_nothing(empty_database_url: str) -> None:
    for _ in range(2):
        connect(empty_database_url).close()


def test_a_database_of_a_newer_version_is_left_alone(empty_database_url: str) -> None:
    with closing(connect(empty_database_url)) as database:
        _taken_over(database, "9999", oldest="9998")
    with pytest.raises(TooOld, match=r"newer version of the bridge \(9999\)"):
        connect(empty_database_url)


def test_a_newer_version_may_have_this_one_work_beside_it(empty_database_url: str) -> None:
    with closing(connect(empty_database_url)) as database:
        _taken_over(database, "9999", oldest=REVISION)
    with closing(connect(empty_database_url)) as database, database.write() as connection:
        assert connection.execute(meta.select().where(meta.c.name == "oldest_revision")).one().value == REVISION
        connection.execute(meta.insert().values(name="a note", value="of the older one"))


def test_who_runs_while_a_newer_version_takes_the_database_over_writes_no_more(empty_database_url: str) -> None:
    with closing(connect(empty_database_url)) as older:
        _taken_over(older, "9999", oldest="9998")
        with closing(unprepared(empty_database_url)) as console, pytest.raises(TooOld), console.write():
            pytest.fail("it may write")
        until(lambda: _refused(older), 10)
        _taken_over(older, REVISION, oldest=OLDEST)  # the backup is back
        with older.write() as connection:
            connection.execute(meta.insert().values(name="a note", value="of the older one"))


def _refused(database: Database) -> bool:
    try:
        with database.write():
            return False
    except TooOld:
        return True


def _taken_over(database: Database, revision: str, *, oldest: str) -> None:
    """As a newer version leaves the database, by a connection of its own."""
    with database.engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = :revision"), {"revision": revision})
        connection.execute(text("UPDATE meta SET value = :oldest WHERE name = 'oldest_revision'"), {"oldest": oldest})


def test_a_failed_start_leaves_no_half_made_tables(tmp_path: Path) -> None:
    (tmp_path / "bridge.db").write_bytes(b"this is no database, it is a letter to a friend" * 100)
    with pytest.raises(StoreUnavailable, match="no SQLite database"):
        connect(f"sqlite:///{tmp_path}/bridge.db")


@pytest.mark.parametrize("replaced", [False, True])
def test_a_file_that_was_removed_or_replaced_while_it_is_open_takes_nothing_until_it_is_back(
    tmp_path: Path, replaced: bool
) -> None:
    path, elsewhere = tmp_path / "bridge.db", tmp_path / "elsewhere.db"
    database = connect("sqlite:///bridge.db", tmp_path)
    path.rename(elsewhere)
    if replaced:
        connect("sqlite:///bridge.db", tmp_path).close()
    with pytest.raises(StoreUnavailable, match="the file was removed"), database.write() as connection:
        connection.execute(meta.delete())  # else it would be told that this is kept
    with pytest.raises(StoreUnavailable, match="put it back, or restart the bridge"), database.read():
        pass
    place = Place(None, database, tmp_path)
    assert [trouble.id for trouble in current(place, [])] == ["database"]
    assert path.exists() is replaced, "nobody made an empty one in its place"
    if not replaced:
        elsewhere.rename(path)
        with database.write() as connection:
            connection.execute(meta.delete())
        assert current(place, []) == []
    database.close()


@pytest.mark.parametrize("which", ["wal", "shm"])
def test_a_file_of_sqlites_own_that_was_removed_loses_and_destroys_nothing(tmp_path: Path, which: str) -> None:
    """Commits would go into a log that is gone, or into two at once, and each would be told that it is kept."""
    database, other = connect("sqlite:///bridge.db", tmp_path), connect("sqlite:///bridge.db", tmp_path)
    for each in (database, other):
        with each.write() as connection:
            overview.note(each, connection, "tried", "kept")
    (tmp_path / f"bridge.db-{which}").unlink()
    for each in (database, other):
        with pytest.raises(StoreUnavailable, match=f"bridge.db-{which} was removed"), each.write() as connection:
            overview.note(each, connection, "tried", "lost")
        with pytest.raises(StoreUnavailable, match="restart the bridge"), each.read():
            pass
    assert not (tmp_path / f"bridge.db-{which}").exists(), "nobody made another one in its place"
    with closing(sqlite3.connect(shutil.copy(tmp_path / "bridge.db", tmp_path / "copy.db"))) as copy:
        kept = copy.execute("SELECT value FROM meta WHERE name = 'tried'").fetchone()
    assert kept == ("kept",), "it is in the file itself by now, whatever becomes of the log"
    assert [trouble.id for trouble in current(Place(None, database, tmp_path), [])] == ["database"]
    database.close()
    other.close()
    with closing(connect("sqlite:///bridge.db", tmp_path)) as again, again.read() as connection:
        assert overview.noted(connection, "tried") == "kept"
        assert connection.execute(text("PRAGMA integrity_check")).scalar() == "ok"


def test_a_disk_that_is_full_when_there_is_no_database_yet_is_told_as_such(tmp_path: Path) -> None:
    with small_disk(tmp_path / "small", "1m") as disk:
        filling = fill(disk)
        with pytest.raises(StoreUnavailable, match="the disk is full; make room"):
            connect("sqlite:///small/bridge.db", tmp_path)
        filling.unlink()
        connect("sqlite:///small/bridge.db", tmp_path).close()


def test_only_its_owner_can_read_the_file(tmp_path: Path) -> None:
    connect("sqlite:///bridge.db", tmp_path).close()
    assert stat.S_IMODE(os.stat(tmp_path / "bridge.db").st_mode) == 0o600


@pytest.mark.parametrize(
    ("url", "cure"),
    [
        ("sqlite://", "name a file"),
        ("sqlite:///:memory:", "name a file"),
        ("mysql://root@host/name", "mysql is not supported"),
        ("bridge.db", "write sqlite:///FILE"),
        ("sqlite:///nowhere/at/all/bridge.db", "the folder does not exist"),
    ],
)
def test_a_url_that_cant_be_says_what_to_write(url: str, cure: str, tmp_path: Path) -> None:
    with pytest.raises(StoreUnavailable, match=cure):
        connect(url, tmp_path)


def test_a_server_that_is_away_is_named_without_its_password() -> None:
    with pytest.raises(StoreUnavailable) as caught:
        connect("postgresql://someone:hunter2@127.0.0.1:1/name")
    assert "127.0.0.1:1" in str(caught.value)
    assert "hunter2" not in str(caught.value)


def test_procrastinates_tables_of_someone_else_are_not_touched(empty_postgres_url: str) -> None:
    with psycopg.connect(empty_postgres_url, autocommit=True) as server:
        server.execute("CREATE TABLE procrastinate_jobs (id int)")
    with pytest.raises(StoreUnavailable, match="a database of its own"):
        connect(empty_postgres_url)


_DROP_ALL = """
DROP TABLE procrastinate_events, procrastinate_periodic_defers, procrastinate_jobs, procrastinate_workers CASCADE;
DROP TYPE procrastinate_job_status, procrastinate_job_event_type, procrastinate_job_to_defer_v1 CASCADE;
DO $$ DECLARE each regprocedure; BEGIN
  FOR each IN SELECT oid FROM pg_proc WHERE proname LIKE 'procrastinate%' LOOP
    EXECUTE 'DROP FUNCTION IF EXISTS ' || each || ' CASCADE';
  END LOOP;
END $$
"""


def test_the_tables_of_an_older_procrastinate_are_brought_up_to_date(postgres_url: str) -> None:
    connect(postgres_url).close()
    steps = sorted(Path(SchemaManager.get_migrations_path()).glob("*.sql"), key=lambda step: step.name)
    with psycopg.connect(postgres_url, autocommit=True) as server:
        server.execute(_DROP_ALL)
        for step in steps[:-2]:
            server.execute(step.read_bytes())
        server.execute("UPDATE meta SET value = %s WHERE name = 'procrastinate'", [steps[-3].name])
        assert server.execute("SELECT to_regproc('procrastinate_retry_job_v2')").fetchone() == (None,)
    connect(postgres_url).close()
    with psycopg.connect(postgres_url) as server:
        assert server.execute("SELECT to_regproc('procrastinate_retry_job_v2')").fetchone() != (None,)
        assert server.execute("SELECT value FROM meta WHERE name = 'procrastinate'").fetchall() == [(steps[-1].name,)]


def test_another_process_that_comes_and_goes_does_no_harm_to_who_looked_at_the_tables_twice(tmp_path: Path) -> None:
    """Closing any descriptor of the file would let go of this process's locks on it; the other would then take itself
    for the last one, and remove the log of changes under our feet."""
    database = connect("sqlite:///bridge.db", tmp_path)
    try:
        upgrade(database)
        code = "import sys; from pathlib import Path; from bridge.store.schema import connect; "
        code += "connect('sqlite:///bridge.db', Path(sys.argv[1])).close()"
        for number in range(3):
            with database.write() as connection:
                connection.execute(meta.insert().values(name=f"note {number}", value="x" * 5000))
            subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=True, cwd=Path.cwd())
            assert (tmp_path / "bridge.db-wal").exists()
    finally:
        database.close()
    again = connect("sqlite:///bridge.db", tmp_path)
    try:
        with again.read() as connection:
            assert connection.execute(text("PRAGMA integrity_check")).scalar() == "ok"
            assert len(connection.execute(meta.select().where(meta.c.name.like("note %"))).all()) == 3
    finally:
        again.close()

"""Tables follow their files: whole, never half, and without anybody waiting."""

import contextlib
import logging
import os
import random
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from connectors.base import Context, Deadline, LookupQuery, Misconfigured, Unavailable
from connectors.csv.connector import CsvConnector
from connectors.phone import HIDDEN
from connectors.testing import eventually
from tests.connectors.csvcase import PEOPLE, QUICK, SOON, connector, found, names, options

OLD, NEW = "name,phone\nOld,600112233\n", "name,phone\nNew,600112233\nNewer,911222333\n"


@pytest.fixture
def contacts(tmp_path: Path) -> Path:
    path = tmp_path / "contacts.csv"
    path.write_text(OLD)
    return path


def put(path: Path, content: str | bytes) -> None:
    """Replace a file as a whole, so that no half of it is ever read."""
    new = path.with_name("new")
    new.write_bytes(content if isinstance(content, bytes) else content.encode())
    new.rename(path)


def large(path: Path, name: str, rows: int = 6_000) -> None:
    """More than is read in the serving process."""
    put(path, "id,name,phone\n" + "".join(f"{number:05},{name} {number},6001{number:05}\n" for number in range(rows)))
    assert path.stat().st_size > QUICK.in_process


def test_a_replaced_file_is_taken_up(contacts: Path) -> None:
    with connector(contacts.parent) as opened:
        assert names(opened) == ["Old"]
        put(contacts, NEW)
        eventually(lambda: names(opened) == ["New"], "the new content")
        assert names(opened, "911222333") == ["Newer"]


def test_a_file_edited_in_place_is_taken_up(contacts: Path) -> None:
    with connector(contacts.parent) as opened:
        assert names(opened) == ["Old"]
        contacts.write_text(NEW)
        eventually(lambda: names(opened) == ["New"], "the new content")


def test_a_change_that_leaves_size_and_time_alone_just_after_a_load_is_taken_up(contacts: Path) -> None:
    just = time.time() + 60  # however long the load takes
    os.utime(contacts, (just, just))
    with connector(contacts.parent) as opened:
        was = contacts.stat()
        assert names(opened) == ["Old"]
        with contacts.open("r+") as file:
            file.write(OLD.replace("Old", "Odd"))
        os.utime(contacts, ns=(was.st_atime_ns, was.st_mtime_ns))
        eventually(lambda: names(opened) == ["Odd"], "the new content")


def test_no_reader_ever_sees_anything_but_one_whole_content(contacts: Path) -> None:
    people = [f"9112{number:05}" for number in range(50)]

    def content(version: int) -> str:
        return "name,phone\n" + "".join(f"{'v' * version}{version},{phone}\n" for phone in people)

    put(contacts, content(1))
    stop = threading.Event()
    with connector(contacts.parent) as opened:

        def read(seed: int) -> int:
            draw, seen = random.Random(seed), set()
            while not stop.is_set():
                [name] = names(opened, draw.choice(people))
                assert name in {f"{'v' * version}{version}" for version in range(1, 5)}
                seen.add(name)
            return len(seen)

        with ThreadPoolExecutor(4) as pool:
            readers = [pool.submit(read, seed) for seed in range(4)]
            try:
                for version in (2, 3, 4):
                    put(contacts, content(version))
                    eventually(lambda v=version: names(opened, people[0]) == [f"{'v' * v}{v}"], "the next")  # type: ignore[misc]
            finally:
                stop.set()
            assert all(reader.result() > 1 for reader in readers)


def test_a_file_that_is_still_written_is_not_taken_up(contacts: Path) -> None:
    limits = replace(QUICK, look_every=0.2)
    with connector(contacts.parent, limits=limits) as opened, contacts.open("w") as file:
        file.write("name,phone\n")
        last = time.monotonic()
        for number in range(50):
            file.write(f"Half {number},91122{number:04}\n")
            file.flush()
            threading.Event().wait(0.02)
            held = names(opened)
            if time.monotonic() - last > 0.15:
                pytest.skip("this machine stood still for as long as a file needs to settle")
            last = time.monotonic()
            assert held == ["Old"]
        file.write("New,600112233\n")
        file.close()
        eventually(lambda: names(opened) == ["New"], "the whole content")


@pytest.mark.parametrize(
    ("broken", "said"),
    [
        (b'name,phone\nEva,911222333\n"Open,600112233\n', "row 3"),
        (b"name,telephone\nEva,600112233\n", "no column phone"),
        (b"", "empty"),
        (b"name,phone\nEva,600112233\0\0\n", "NUL"),
    ],
)
def test_a_broken_file_leaves_the_old_content_and_says_so_once(
    contacts: Path, broken: bytes, said: str, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING), connector(contacts.parent) as opened:
        put(contacts, broken)
        eventually(lambda: "what it held before goes on serving" in caplog.text, "a word in the log")
        assert names(opened) == ["Old"]
        os.utime(contacts)
        threading.Event().wait(0.2)
        assert caplog.text.count("contacts.csv") == 1
        assert said in caplog.text
        assert "600112233" not in caplog.text
        put(contacts, NEW)
        eventually(lambda: names(opened) == ["New"], "the mended content")


def test_a_file_that_is_gone_leaves_the_old_content_and_says_so_once(
    contacts: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING), connector(contacts.parent) as opened:
        contacts.unlink()
        eventually(lambda: "there is no file" in caplog.text, "a word in the log")
        threading.Event().wait(0.2)
        assert names(opened) == ["Old"]
        assert caplog.text.count("there is no file") == 1
        put(contacts, NEW)
        eventually(lambda: names(opened) == ["New"], "the new content")


WHOLE = "name,phone\n" + "".join(f"Ana {number},6001{number:05}\n" for number in range(30))


def cut(path: Path, rows: int) -> None:
    put(path, "".join(WHOLE.splitlines(keepends=True)[: rows + 1]))


def test_a_list_of_people_that_was_cut_off_is_in_use_and_told_until_it_is_whole(contacts: Path) -> None:
    put(contacts, WHOLE)
    heard: list[tuple[str, str, bool | None]] = []
    with connector(contacts.parent, report=lambda *news: heard.append(news)) as opened:
        cut(contacts, 3)
        eventually(lambda: names(opened, "600100003") == [], "the shorter list")
        assert heard == [], "a tenth may be meant"
        cut(contacts, 0)
        eventually(lambda: heard, "a word about it")
        assert names(opened, "600100000") == []
        put(contacts, WHOLE)
        eventually(lambda: names(opened, "600100000") == ["Ana 0"], "the whole list")
        eventually(lambda: len(heard) == 2, "the end of it")
        assert heard == [("contact", f"{contacts} had 30 rows, and has 0 now", None), ("contact", "", False)]


def test_a_list_that_was_cut_off_while_nobody_looked_is_told_once_and_then_taken_as_it_is(contacts: Path) -> None:
    put(contacts, WHOLE)
    heard: list[tuple[str, str, bool | None]] = []
    for rows in (30, 1, 1):
        cut(contacts, rows)
        with connector(contacts.parent, report=lambda *news: heard.append(news)) as opened:
            assert names(opened, "600100000") == ["Ana 0"]
    assert heard == [("contact", f"{contacts} had 30 rows, and has 1 now", None), ("contact", "", False)]


def test_a_table_of_something_else_may_become_empty(contacts: Path) -> None:
    put(contacts, WHOLE)
    heard: list[object] = []
    tables = {"order": {"file": "contacts.csv", "key": "name"}}
    with connector(contacts.parent, report=lambda *news: heard.append(news), tables=tables) as opened:
        cut(contacts, 0)
        wanted = LookupQuery("order", key="Ana 0")
        eventually(lambda: not list(opened.find(wanted, Deadline.after(SOON))), "the empty list")
    assert heard == []


def break_it(path: Path) -> None:
    put(path, b"PK\x03\x04 a spreadsheet")


@pytest.mark.parametrize("spoil", [break_it, Path.unlink, lambda path: put(path, "name,tel\nOld,600112233\n")])
def test_what_a_file_held_serves_on_after_a_restart_and_says_that_it_is_old(
    contacts: Path, spoil: Callable[[Path], None], caplog: pytest.LogCaptureFixture
) -> None:
    with connector(contacts.parent) as opened:
        assert names(opened) == ["Old"]
        assert opened.stale("contact") == ""
    spoil(contacts)
    with caplog.at_level(logging.WARNING), connector(contacts.parent) as opened:
        assert names(opened) == ["Old"]
        assert "contacts.csv" in opened.stale("contact")
        assert opened.stale("contact").startswith(f"as of {time.localtime().tm_year}-")
        assert caplog.text.count("what it held before goes on serving") == 1
        [finding] = opened.probe(Deadline.after(SOON))
        assert not finding.ok
        put(contacts, NEW)
        eventually(lambda: names(opened) == ["New"], "the mended content")
        eventually(lambda: opened.stale("contact") == "", "that it is no longer old")


def test_without_an_earlier_start_a_broken_file_is_an_outage_until_it_is_mended(contacts: Path) -> None:
    break_it(contacts)
    with connector(contacts.parent) as opened:
        with pytest.raises(Unavailable, match="a spreadsheet of Excel"):
            found(opened)
        assert opened.stale("contact") == ""
        put(contacts, NEW)
        eventually(lambda: taken(opened), "the mended content")


def taken(opened: CsvConnector) -> bool:
    with contextlib.suppress(Unavailable):
        return names(opened) == ["New"]
    return False


def test_an_index_for_other_columns_does_not_serve_in_place_of_a_broken_file(contacts: Path) -> None:
    with connector(contacts.parent) as opened:
        assert names(opened) == ["Old"]
    break_it(contacts)
    tables = {"contact": {"file": "contacts.csv", "phones": ["mobile"]}}
    with connector(contacts.parent, tables=tables) as opened, pytest.raises(Unavailable):
        found(opened)


def test_the_same_file_moved_away_and_back_is_no_longer_old(contacts: Path) -> None:
    with connector(contacts.parent) as opened:
        contacts.rename(contacts.with_name("away"))
        eventually(lambda: opened.stale("contact"), "that it is gone")
        contacts.with_name("away").rename(contacts)
        eventually(lambda: not opened.stale("contact"), "that it is back")
        assert names(opened) == ["Old"]


def test_an_index_in_use_is_noted_as_such(contacts: Path) -> None:
    with connector(contacts.parent, limits=replace(QUICK, note_every=0.0)):
        [index] = index_files(contacts.parent)
        os.utime(index, (1, 1))
        eventually(lambda: index.stat().st_mtime > 1, "its new date")


def test_a_file_that_may_not_be_read_is_the_admins_to_mend(contacts: Path) -> None:
    contacts.unlink()
    contacts.mkdir()
    with connector(contacts.parent) as opened, pytest.raises(Misconfigured, match=r"contacts\.csv"):
        found(opened)


@pytest.mark.parametrize("special", [os.mkfifo, lambda path: path.symlink_to("/dev/zero")], ids=["pipe", "device"])
def test_what_would_be_read_without_end_is_refused_and_the_file_that_follows_is_taken_up(
    contacts: Path, special: Callable[[Path], None], caplog: pytest.LogCaptureFixture
) -> None:
    with connector(contacts.parent) as opened:
        contacts.unlink()
        special(contacts)
        eventually(lambda: "it is a pipe or a device" in caplog.text, "the warning")
        assert names(opened) == ["Old"]
        contacts.unlink()
        put(contacts, NEW)
        eventually(lambda: names(opened) == ["New"], "the new content")


def test_a_large_file_is_read_by_another_process_and_looked_up_alike(contacts: Path) -> None:
    large(contacts, "First")
    tables = {"contact": PEOPLE["contact"] | {"key": "id"}}
    with connector(contacts.parent, tables=tables) as opened:
        assert names(opened, "600102999") == ["First 2999"]
        [record] = opened.find(LookupQuery("contact", key="00077"), Deadline.after(SOON))
        assert (record.fields["name"], record.id) == ("First 77", "00077")
        large(contacts, "Second")
        eventually(lambda: names(opened, "600100000") == ["Second 0"], "the new content")
        with contacts.open("a") as file:
            file.write('9,"broken,911222333\n')
        eventually(lambda: opened.stale("contact"), "the fault")
        assert names(opened, "600100000") == ["Second 0"]


def test_a_large_file_that_is_broken_from_the_start_says_where(contacts: Path) -> None:
    large(contacts, "First")
    with contacts.open("a") as file:
        file.write('9,"broken,911222333\n')
    with connector(contacts.parent) as opened, pytest.raises(Unavailable, match=r"row 6002.*quote"):
        found(opened)
    large(contacts, "First")
    tables = {"contact": PEOPLE["contact"] | {"key": "number"}}
    with connector(contacts.parent, tables=tables) as opened, pytest.raises(Misconfigured, match="no column number"):
        found(opened)


def index_files(folder: Path) -> Iterator[Path]:
    return (folder / ".cache").glob("*.csvindex.sqlite")


def test_what_was_read_once_is_not_read_again(contacts: Path) -> None:
    large(contacts, "First")
    with connector(contacts.parent):
        [index] = index_files(contacts.parent)
        made = index.stat().st_ino
    with connector(contacts.parent) as opened:
        assert names(opened, "600100000") == ["First 0"]
    [index] = index_files(contacts.parent)
    assert index.stat().st_ino == made


def test_an_index_of_what_is_no_longer_there_is_deleted(contacts: Path) -> None:
    with connector(contacts.parent) as opened:
        put(contacts, NEW)
        eventually(lambda: names(opened) == ["New"], "the new content")
        assert len(list(index_files(contacts.parent))) == 1
        assert all(path.stat().st_mode & 0o077 == 0 for path in index_files(contacts.parent))


def test_an_index_is_deleted_when_nobody_opened_it_for_long(contacts: Path) -> None:
    with connector(contacts.parent):
        pass
    [index] = index_files(contacts.parent)
    old = index.rename(index.with_name(f"other-{index.name}"))
    os.utime(old, (1, 1))
    with connector(contacts.parent):
        assert not old.exists()


@pytest.mark.parametrize(
    "damage",
    [
        lambda whole: whole[:-5],
        lambda whole: whole[: len(whole) // 2],
        lambda whole: b"ICBCSV01" + whole[8:],
        lambda whole: b"\0" * len(whole),
        lambda _whole: b"",
    ],
    ids=["cut short", "half", "not SQLite", "blocks that a power failure left empty", "empty"],
)
def test_a_damaged_index_is_made_anew(contacts: Path, damage: Callable[[bytes], bytes]) -> None:
    with connector(contacts.parent):
        pass
    [index] = index_files(contacts.parent)
    index.write_bytes(damage(index.read_bytes()))
    with connector(contacts.parent) as opened:
        assert names(opened) == ["Old"]


def test_an_index_that_turns_out_to_be_damaged_while_it_serves_is_made_anew(contacts: Path) -> None:
    put(contacts, "name,phone\n" + "".join(f"Person {number},6001{number:05}\n" for number in range(900)))
    with connector(contacts.parent):
        [index] = index_files(contacts.parent)
        damaged = bytearray(index.read_bytes())
        damaged[len(damaged) // 4 :] = bytes(len(damaged) - len(damaged) // 4)
        index.write_bytes(damaged)
    with connector(contacts.parent) as opened:
        with pytest.raises(Unavailable, match="damaged"):
            assert [names(opened, f"6001{number:05}") for number in range(900)]
        eventually(lambda: served(opened) == ["Person 7"], "the new index")


def served(opened: CsvConnector) -> list[object]:
    """Who has the number of Person 7; nobody while there is no index."""
    try:
        return names(opened, "600100007")
    except Unavailable:
        return []


def test_each_of_many_threads_gets_the_rows_that_it_asked_for(contacts: Path) -> None:
    put(contacts, "name,phone\n" + "".join(f"Person {number},6001{number:05}\n" for number in range(500)))
    with connector(contacts.parent) as opened:

        def ask(seed: int) -> bool:
            draw = random.Random(seed)
            numbers = [draw.randrange(500) for _ in range(300)]
            return all(names(opened, f"6001{number:05}") == [f"Person {number}"] for number in numbers)

        with ThreadPoolExecutor(8) as pool:
            assert all(pool.map(ask, range(8)))


def test_an_index_of_the_version_before_is_made_anew_and_deleted(contacts: Path) -> None:
    former = contacts.parent / ".cache" / "agenda-contact-01234567-0123.csvindex"
    former.parent.mkdir()
    former.write_bytes(b"ICBCSV01 rows and sorted arrays")
    with connector(contacts.parent) as opened:
        assert names(opened) == ["Old"]
        assert not former.exists()


def test_a_disk_without_room_for_the_index_leaves_the_old_content(contacts: Path) -> None:
    large(contacts, "First")
    program = (
        "import resource, sys; from pathlib import Path\n"
        "from tests.connectors.csvcase import connector, names; from connectors.testing import eventually\n"
        "contacts = Path(sys.argv[1])\n"
        "with connector(contacts.parent) as opened:\n"
        "    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))\n"
        "    Path(sys.argv[2]).rename(contacts)\n"
        "    eventually(lambda: opened.stale('contact'), 'the fault')\n"
        "    print(names(opened, '600100077'), opened.stale('contact'))"
    )
    second = contacts.with_name("second.csv")
    large(second, "Second")
    run = subprocess.run(
        [sys.executable, "-c", program, str(contacts), str(second)], stdout=subprocess.PIPE, text=True, check=False
    )
    assert run.stdout.startswith("['First 77'] as of"), run.stdout
    assert "can't be read" in run.stdout
    assert [path for path in (contacts.parent / ".cache").iterdir() if path.suffix == ".tmp"] == []


def test_another_country_reads_the_numbers_anew(contacts: Path) -> None:
    put(contacts, "name,phone\nAna,0612345678\n")
    with connector(contacts.parent, "FR") as opened:
        assert names(opened, "+33612345678") == ["Ana"]
    with connector(contacts.parent, "ES") as opened:
        assert names(opened, "+33612345678") == []


def test_an_emptied_cache_harms_nobody(contacts: Path) -> None:
    with connector(contacts.parent) as opened:
        for path in (contacts.parent / ".cache").iterdir():
            path.unlink()
        (contacts.parent / ".cache").rmdir()
        assert names(opened) == ["Old"]
        put(contacts, NEW)
        eventually(lambda: names(opened) == ["New"], "the new content")


def test_processes_that_start_at_once_share_one_index(contacts: Path) -> None:
    large(contacts, "First")
    program = (
        "import sys; from pathlib import Path; from tests.connectors.csvcase import connector, names\n"
        "with connector(Path(sys.argv[1])) as opened: print(names(opened, '600100077'))"
    )
    running = [
        subprocess.Popen([sys.executable, "-c", program, str(contacts.parent)], stdout=subprocess.PIPE, text=True)
        for _ in range(3)
    ]
    assert [process.communicate(timeout=60)[0].strip() for process in running] == ["['First 77']"] * 3
    assert len(list(index_files(contacts.parent))) == 1


def test_hidden_and_empty_numbers_and_keys_find_nothing(contacts: Path) -> None:
    put(contacts, "id,name,phone\n,Nobody,X\n,Nothing,\n")
    with connector(contacts.parent, tables={"contact": PEOPLE["contact"] | {"key": "id"}}) as opened:
        assert list(opened.find(LookupQuery("contact", phone=HIDDEN), Deadline.after(SOON))) == []
        assert list(opened.find(LookupQuery("contact", key="  "), Deadline.after(SOON))) == []


def test_keys_are_told_apart_and_found_by_their_whole_text(contacts: Path) -> None:
    put(contacts, "id,name\n 00077 ,Ana\n77,Eva\nÑu\U0001f600,Luis\n")
    with connector(contacts.parent, tables={"contact": {"file": "contacts.csv", "key": "id"}}) as opened:
        for key, name in (("00077", "Ana"), (" 77", "Eva"), ("Ñu\U0001f600", "Luis")):
            [record] = opened.find(LookupQuery("contact", key=key), Deadline.after(SOON))
            assert record.fields["name"] == name
        for key in ("77.0", "ñu\U0001f600", "\ud83d", "7\0007", "%"):
            assert list(opened.find(LookupQuery("contact", key=key), Deadline.after(SOON))) == []


def test_without_a_cache_folder_a_temporary_one_is_used_and_removed(
    contacts: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))
    opened = CsvConnector("agenda", options(tables=PEOPLE), Context(contacts.parent))
    try:
        assert names(opened) == ["Old"]
        assert list(temporary.glob("*/*.csvindex.sqlite"))
    finally:
        opened.close()
    assert list(temporary.iterdir()) == []


def test_no_more_than_wanted_are_fetched(contacts: Path) -> None:
    put(contacts, "name,phone\n" + "".join(f"P{number},600112233\n" for number in range(100)))
    with connector(contacts.parent) as opened:
        assert len(found(opened)) == 20


def test_a_row_with_one_number_twice_is_found_once(contacts: Path) -> None:
    put(contacts, "name,phone,mobile\nAna,600112233 / +34600112233,600 11 22 33\n")
    tables = {"contact": {"file": "contacts.csv", "phones": ["phone", "mobile"]}}
    with connector(contacts.parent, tables=tables) as opened:
        assert names(opened) == ["Ana"]


def test_a_table_that_is_not_looked_up_says_so(contacts: Path) -> None:
    with connector(contacts.parent) as opened:
        with pytest.raises(Misconfigured, match="robinson"):
            opened.find(LookupQuery("robinson", key="1"), Deadline.after(SOON))
        with pytest.raises(Misconfigured, match="no key"):
            opened.find(LookupQuery("contact", key="1"), Deadline.after(SOON))


def test_closing_in_the_middle_of_a_load_ends_it(contacts: Path) -> None:
    large(contacts, "First")
    before = set(threading.enumerate())
    with connector(contacts.parent) as opened:
        large(contacts, "Second", 60_000)
        eventually(lambda: list((contacts.parent / ".cache").glob("*.tmp")), "the start of the load")
    assert set(threading.enumerate()) == before
    with pytest.raises(Unavailable, match="closed"):
        found(opened)

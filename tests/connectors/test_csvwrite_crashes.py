"""Writers of a CSV file are killed, meet, or are refused by the system: no row is lost, torn or there twice."""

import base64
import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from connectors.base import Deadline, Misconfigured, NewRecord, TimedOut
from connectors.testing import activity
from tests.connectors.csvcase import KEPT, SOON, connector, save, table

# crashes


def torn(folder: Path, text: bytes) -> list[dict[str, str]]:
    """What a file becomes that ends like this, when k2 is written (again)."""
    path = folder / "survey.csv"
    path.write_bytes(text)
    with connector(folder, **KEPT) as opened:
        save(opened, "k2", attempt=2, name="Ana", note="x")
        assert not save(opened, "k2", attempt=3, name="Ana", note="x")
    return table(path)


WHOLE = b'bridge_key,name,note\nk1,Eva,"a\nb"\n'


@pytest.mark.parametrize("end", [b"k", b"k2", b"k2,", b"k2,An", b'k2,"An', b"k2,Ana\0\0\0\0", b"\0" * 5000])
def test_a_row_that_was_torn_is_written_once_and_whole(tmp_path: Path, end: bytes) -> None:
    assert [(row["bridge_key"], row["name"]) for row in torn(tmp_path, WHOLE + end)] == [("k1", "Eva"), ("k2", "Ana")]


@pytest.mark.parametrize("length", range(0, 17, 4))
def test_what_a_killed_process_had_begun_is_completed(tmp_path: Path, length: int) -> None:
    row = b"k2,Ana,x and y\n"
    note = json.dumps({"at": len(WHOLE), "row": base64.b64encode(row).decode()})
    (tmp_path / ".survey.csv.lock").write_text(note)
    rows = torn(tmp_path, WHOLE + row[:length])
    assert [row["bridge_key"] for row in rows] == ["k1", "k2"]
    assert (rows[1]["name"], rows[1]["note"]) == ("Ana", "x and y" if length else "x")
    assert (tmp_path / ".survey.csv.lock").read_bytes() == b""


@pytest.mark.parametrize("note", [b"{", b"null", b'{"at": 3}', b"\0\0", b'{"at": 3, "row": "!"}'])
def test_a_note_that_is_itself_torn_is_dropped(tmp_path: Path, note: bytes) -> None:
    (tmp_path / ".survey.csv.lock").write_bytes(note)
    assert [row["bridge_key"] for row in torn(tmp_path, WHOLE)] == ["k1", "k2"]


WRITER = """
import sys
from pathlib import Path
from typing import Any
from connectors.base import Deadline, Saved
from tests.connectors.csvcase import connector
from tests.connectors.test_csvwrite import KEPT
from connectors.testing import activity
with connector(Path(sys.argv[1]), **KEPT) as opened:
    for line in sys.stdin:
        key = line.strip()
        opened.save(Saved("survey", key, {"note": key * 3000}), Deadline.after(30))
        opened.log_activity(activity(key, note=key * 3000, revision=1 + int(key[1:]) % 2), Deadline.after(30))
        print(key, flush=True)
"""


@pytest.mark.acceptance
def test_rows_are_there_once_and_whole_although_the_writers_are_killed(tmp_path: Path) -> None:
    draw, todo, kills = random.Random(1), [f"k{number}" for number in range(120)], 0
    while todo:
        with subprocess.Popen(
            [sys.executable, "-c", WRITER, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        ) as writer:
            assert writer.stdin
            assert writer.stdout
            writer.stdin.write("\n".join([*todo, ""]))
            writer.stdin.flush()
            if kills < 8:
                for _ in range(draw.randint(3, 12)):
                    todo.remove(writer.stdout.readline().strip())
                time.sleep(draw.random() / 300)
                writer.send_signal(signal.SIGKILL)
                kills += 1
            else:
                writer.stdin.close()
            for line in writer.stdout:  # what it said before it died
                todo.remove(line.strip())
    assert kills == 8
    for name in ("survey.csv", "activities.csv"):
        rows = table(tmp_path / name)
        assert sorted(row["bridge_key"] for row in rows) == sorted(f"k{number}" for number in range(120))
        assert all(row["note"] == row["bridge_key"] * 3000 for row in rows)
    assert not list(tmp_path.glob(".*.tmp"))


def test_a_reader_never_sees_a_file_that_is_half_corrected(tmp_path: Path) -> None:
    path, stop = tmp_path / "activities.csv", threading.Event()
    with connector(tmp_path, **KEPT) as opened:
        opened.log_activity(activity(), Deadline.after(SOON))
        with path.open("a") as file:
            file.writelines(f"by hand {number}\n" for number in range(10_000))
        sizes = set()

        def read() -> None:
            while not stop.is_set():
                sizes.add(len(path.read_bytes().splitlines()))

        reader = threading.Thread(target=read)
        reader.start()
        try:
            for revision in range(2, 12):
                opened.log_activity(activity(revision=revision), Deadline.after(SOON))
        finally:
            stop.set()
            reader.join()
    assert sizes == {10_003}


def test_processes_that_write_at_once_lose_and_double_nothing(tmp_path: Path) -> None:
    writers = [
        subprocess.Popen([sys.executable, "-c", WRITER, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                         text=True)
        for _ in range(3)
    ]  # fmt: skip
    keys = [f"k{number}" for number in range(40)]
    for shift, writer in enumerate(writers):
        assert writer.stdin
        writer.stdin.write("\n".join([*keys[shift * 7 :], *keys[: shift * 7], ""]))
        writer.stdin.close()
    for writer in writers:
        assert writer.stdout
        assert len(writer.stdout.read().split()) == 40
        writer.stdout.close()
        assert writer.wait(60) == 0
    for name in ("survey.csv", "activities.csv"):
        assert sorted(row["bridge_key"] for row in table(tmp_path / name)) == sorted(keys)


# what the system refuses

FULL = """
import resource, signal, sys
from pathlib import Path
from typing import Any
from connectors.base import Unavailable
from tests.connectors.csvcase import connector
from tests.connectors.test_csvwrite import KEPT, save
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
path = Path(sys.argv[1]) / "survey.csv"
with connector(path.parent, **KEPT) as opened:
    save(opened, "k1", note="y" * 5000)
    before = path.read_bytes()
    resource.setrlimit(resource.RLIMIT_FSIZE, (8192, resource.RLIM_INFINITY))
    try:
        save(opened, "k2", note="x" * 5000)
    except Unavailable as error:
        print(error)
    assert path.read_bytes() == before, path.read_bytes()
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    assert save(opened, "k2", note="x" * 5000, attempt=2)
"""


def test_a_row_that_finds_no_room_leaves_nothing_behind_and_comes_again(tmp_path: Path) -> None:
    ended = subprocess.run(
        [sys.executable, "-c", FULL, str(tmp_path)], capture_output=True, text=True, timeout=60, check=False
    )
    assert ended.returncode == 0, ended.stderr
    assert "survey.csv can't be written" in ended.stdout
    assert [len(row["note"]) for row in table(tmp_path / "survey.csv")] == [5000, 5000]


def test_a_folder_that_is_not_there_is_the_admins_to_mend(tmp_path: Path) -> None:
    with connector(tmp_path, tables={"survey": {"file": "no/survey.csv"}}) as opened:
        with pytest.raises(Misconfigured, match=r"survey\.csv can't be written"):
            save(opened, "k1", score="9")
        (tmp_path / "no").mkdir()
        assert save(opened, "k1", score="9")


def test_a_damaged_file_is_not_written_to(tmp_path: Path) -> None:
    path = tmp_path / "survey.csv"
    path.write_bytes(b"bridge_key,score\nk0,\0\0\0,9\n")
    with connector(tmp_path, **KEPT) as opened, pytest.raises(Misconfigured, match="NUL"):
        save(opened, "k1", score="9")
    assert path.read_bytes() == b"bridge_key,score\nk0,\0\0\0,9\n"


def test_a_pipe_in_the_place_of_a_file_is_neither_waited_for_nor_replaced(tmp_path: Path) -> None:
    survey = tmp_path / "survey.csv"
    os.mkfifo(survey)
    with connector(tmp_path, **KEPT) as opened, pytest.raises(Misconfigured, match="a pipe or a device"):
        save(opened, "k", score="5")
    assert survey.is_fifo()


def test_a_lock_that_somebody_keeps_is_waited_for_until_the_deadline(tmp_path: Path) -> None:
    holder = (
        "import fcntl, sys; file = open(sys.argv[1], 'w'); fcntl.flock(file, fcntl.LOCK_EX);"
        "print('locked', flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", holder, str(tmp_path / ".survey.csv.lock")],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    ) as other, connector(tmp_path, **KEPT) as opened:  # fmt: skip
        assert other.stdout
        assert other.stdin
        assert other.stdout.readline() == "locked\n"
        with pytest.raises(TimedOut):
            opened.save(NewRecord("survey", "k1", {}), Deadline.after(0.1))
        other.stdin.close()
        assert save(opened, "k1")

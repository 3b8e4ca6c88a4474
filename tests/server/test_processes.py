"""A child is kept alive, told to stop, and none outlives its parent."""

from __future__ import annotations

import os
import platform
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from bridge.server.processes import Child
from tests.waiting import until


def is_running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_a_child_that_dies_is_started_again_until_it_is_stopped(tmp_path: Path) -> None:
    notes = tmp_path / "pids"
    child = Child("sleeper", ["sh", "-c", f"echo $$ >> {notes}; exec sleep 1000"], pause=0.01)
    child.start()
    until(lambda: notes.exists() and notes.read_text().count("\n") == 1)
    first = int(notes.read_text())
    os.kill(first, signal.SIGKILL)
    until(lambda: notes.read_text().count("\n") == 2)
    second = int(notes.read_text().split()[1])
    child.stop(10)
    assert child.pid is None
    assert not is_running(first)
    assert not is_running(second)


def test_a_child_that_does_not_listen_is_ended(tmp_path: Path) -> None:
    note = tmp_path / "ready"
    child = Child("deaf", ["sh", "-c", f"trap '' TERM; echo > {note}; while :; do sleep 0.05; done"])
    child.start()
    until(lambda: note.exists() and child.pid is not None)
    pid = child.pid
    assert pid is not None
    child.stop(0.2)
    assert not is_running(pid)


def test_a_child_that_was_stopped_before_it_began_never_begins() -> None:
    child = Child("late", ["sleep", "1000"])
    child.stop(1)
    child.start()
    child.stop(1)
    assert child.pid is None


def test_a_process_ends_with_its_parent_however_that_ends(tmp_path: Path) -> None:
    note = tmp_path / "pid"
    inner = (
        "import os, pathlib, sys, time; from bridge.server.processes import end_with;"
        "end_with(int(sys.argv[1]), seconds=0.02);"
        f"pathlib.Path({str(note)!r}).write_text(f'{{os.getpid()}}\\n'); time.sleep(1000)"
    )
    outer = (
        "import os, subprocess, sys;"
        f"subprocess.run([sys.executable, '-c', {inner!r}, str(os.getpid())], stderr=subprocess.DEVNULL)"
    )
    with subprocess.Popen([sys.executable, "-c", outer]) as parent:
        until(lambda: note.exists() and note.read_text().endswith("\n"))
        pid = int(note.read_text())
        assert is_running(pid)
        parent.kill()
    until(lambda: not is_running(pid))


_WAITS = """
import signal, sys, threading
from bridge.server.processes import heed_signals
heard, other = threading.Event(), threading.Thread(target=threading.Event().wait, daemon=True)
signal.signal(signal.SIGTERM, lambda *_: heard.set())
if sys.argv[1] == "heeds":
    heed_signals()
other.start()
threading.Timer(1, signal.pthread_kill, (other.ident, signal.SIGTERM)).start()
heard.wait()
"""


def test_a_signal_that_another_thread_was_given_is_heeded_by_the_main_thread() -> None:
    heeds = subprocess.run([sys.executable, "-c", _WAITS, "heeds"], timeout=60, check=False)
    assert heeds.returncode == 0
    deaf = subprocess.Popen([sys.executable, "-c", _WAITS, "does not"])
    try:
        with pytest.raises(subprocess.TimeoutExpired):
            deaf.wait(4)  # without it, the process would wait for ever
    finally:
        deaf.kill()
        deaf.wait()


_FORKS = """
import os, signal, sys, time
from pathlib import Path
from bridge.server.processes import Child, hold_forks
notes, forked = Path(sys.argv[1]), []
hold_forks()
child = Child("short", ["sh", "-c", f"echo $$ >> {notes}"], pause=0.001)
child.start()
try:
    for _ in range(200):
        pid = os.fork()
        if pid == 0:
            signal.pause()
            os._exit(0)
        forked.append(pid)
    before = notes.read_text().count("\\n") if notes.exists() else 0
    while notes.read_text().count("\\n") <= before:  # it is started again although all of those live on
        time.sleep(0.01)
finally:
    for pid in forked:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
    child.stop(10)
"""


def test_a_process_forked_at_the_same_moment_does_not_keep_a_child_from_being_watched(tmp_path: Path) -> None:
    ended = subprocess.run([sys.executable, "-c", _FORKS, str(tmp_path / "pids")], timeout=120, check=False)
    assert ended.returncode == 0


def test_what_stays_is_not_walked_by_the_garbage_collector_any_more() -> None:
    told = subprocess.run(
        [sys.executable, "-c", "from bridge.server.processes import spare_what_stays as spare; import gc; spare(); "
         "kept = []; print(len(gc.get_objects()) < 100 < gc.get_freeze_count(), gc.isenabled(), gc.is_tracked(kept))"],
        capture_output=True, text=True, timeout=60, check=True,
    )  # fmt: skip
    assert told.stdout.split() == ["True", "True", "True"], told.stdout


_THREADS = """
import ctypes
import sys
import threading
from bridge.server.processes import share_one_heap

if sys.argv[1] == "shared":
    share_one_heap()
together = threading.Barrier(20)


def take():
    together.wait()
    ctypes.CDLL(None).malloc(1000)
    together.wait()


threads = [threading.Thread(target=take) for _ in range(20)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
library = ctypes.CDLL(None)
library.malloc_info(0, ctypes.c_void_p.in_dll(library, "stdout"))
library.fflush(None)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="another C library has no heaps for threads")
def test_threads_of_the_working_process_share_one_heap() -> None:
    heaps = {}
    for how in ("shared", "apart"):
        command = [sys.executable, "-c", _THREADS, how]
        told = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
        heaps[how] = told.stdout.count("<heap nr=")
    assert heaps["shared"] == 1 < heaps["apart"]

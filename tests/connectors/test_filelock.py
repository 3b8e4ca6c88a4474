from __future__ import annotations

import subprocess
import threading
from pathlib import Path

import pytest

from connectors.filelock import FileLock
from tests.store.children import child, first_line
from tests.waiting import until


def test_it_excludes_other_processes_until_they_die(tmp_path: Path) -> None:
    ours = FileLock(tmp_path / "lock")
    with child("lock", str(tmp_path / "lock")) as other:
        assert first_line(other) == "held"
        assert not ours.acquire(0)
        assert not ours.acquire(0.05)
        with pytest.raises(TimeoutError, match="held by another process"), ours.held(0):
            pass
        other.kill()
        assert ours.acquire(30)
        ours.release()


def test_a_file_that_was_deleted_is_made_again_by_whoever_comes_next(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    lock = FileLock(path)
    with lock.held(0):
        pass
    path.unlink()
    with child("lock", str(path)) as other:
        assert first_line(other) == "held"
        assert not lock.acquire(0)
        other.kill()
        assert lock.acquire(30)


def test_a_child_that_was_forked_meanwhile_holds_nothing(tmp_path: Path) -> None:
    lock = FileLock(tmp_path / "lock")
    assert lock.acquire(0)
    with subprocess.Popen(["sleep", "600"], close_fds=False) as other:
        lock.release()
        try:
            assert FileLock(tmp_path / "lock").acquire(0)
        finally:
            other.kill()


def test_it_excludes_other_threads(tmp_path: Path) -> None:
    lock = FileLock(tmp_path / "lock")
    at_once, most = 0, 0
    counting = threading.Lock()

    def go() -> None:
        nonlocal at_once, most
        for _ in range(50):
            with lock.held(30):
                with counting:
                    at_once += 1
                    most = max(most, at_once)
                with counting:
                    at_once -= 1

    threads = [threading.Thread(target=go) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert most == 1


def test_whoever_waits_gets_it_although_another_takes_it_again_and_again(tmp_path: Path) -> None:
    greedy, patient = FileLock(tmp_path / "lock", fair=True), FileLock(tmp_path / "lock", fair=True)
    stop = threading.Event()
    taken = 0

    def hog() -> None:
        nonlocal taken
        while not stop.is_set():
            with greedy.held(30):
                taken += 1
                stop.wait(0.002)

    thread = threading.Thread(target=hog)
    thread.start()
    try:
        waits: list[int] = []
        for _ in range(9):
            before = taken
            until(lambda before=before: taken > before)  # type: ignore[misc]  # it has it again and again
            before = taken
            with patient.held(30):
                waits.append(taken - before)
        # the median, as a busy machine may let anybody stand still before it has asked for the lock
        assert sorted(waits)[4] <= 5, f"the greedy one went first again and again: {waits}"
    finally:
        stop.set()
        thread.join(60)


def test_a_folder_that_is_not_there_is_an_error_and_not_a_lock_for_ever(tmp_path: Path) -> None:
    lock = FileLock(tmp_path / "nowhere" / "lock")
    for _ in range(2):
        with pytest.raises(FileNotFoundError):
            lock.acquire(1)

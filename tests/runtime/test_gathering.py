"""Lines are written together, in order, none of them lost, and never more than a few wait."""

from __future__ import annotations

import threading
import time

from bridge.runtime.logbuffer import LogBuffer


def until(holds: object) -> None:
    end = time.monotonic() + 20
    while not holds():  # type: ignore[operator]
        assert time.monotonic() < end
        time.sleep(0.001)


def test_lines_that_may_wait_are_written_soon_and_together() -> None:
    written: list[bytes] = []
    gathering = LogBuffer(written.append, pause=0.2)
    for number in range(10):
        gathering.later(b"%d\n" % number)
    until(lambda: written)
    gathering.close()
    assert b"".join(written) == b"".join(b"%d\n" % number for number in range(10))
    assert len(written) < 10


def test_a_line_that_may_not_wait_is_there_when_it_returns_after_those_that_came_before() -> None:
    written: list[bytes] = []
    gathering = LogBuffer(written.append, pause=1.0)
    gathering.later(b"a\n")
    gathering.now(b"b\n")
    assert b"".join(written) == b"a\nb\n"
    gathering.close()


def test_what_waits_at_the_end_is_written_and_so_is_what_comes_after_it() -> None:
    written: list[bytes] = []
    gathering = LogBuffer(written.append, pause=0.5)
    gathering.later(b"a\n")
    gathering.close()
    assert written == [b"a\n"]
    gathering.later(b"b\n")
    assert written == [b"a\n", b"b\n"]


def test_no_more_wait_than_allowed_and_a_slow_reader_holds_the_writers_up() -> None:
    written: list[bytes] = []
    begun, reads = threading.Event(), threading.Event()

    def slow(lines: bytes) -> None:
        begun.set()
        reads.wait(20)
        written.append(lines)

    gathering = LogBuffer(slow, pause=0.0, most=3)
    gathering.later(b"1\n")
    assert begun.wait(20)  # its thread waits for the reader, with the first line in hand
    for line in (b"2\n", b"3\n", b"4\n"):
        gathering.later(line)
    held = threading.Thread(target=gathering.later, args=(b"5\n",))
    held.start()
    held.join(0.05)
    assert held.is_alive()
    reads.set()
    held.join(20)
    gathering.close()
    assert b"".join(written) == b"1\n2\n3\n4\n5\n"


def test_a_reader_that_is_gone_ends_nothing() -> None:
    written: list[bytes] = []
    gone = threading.Event()
    gone.set()

    def write(lines: bytes) -> None:
        if gone.is_set():
            gone.clear()
            raise BrokenPipeError
        written.append(lines)

    gathering = LogBuffer(write, pause=0.0)
    gathering.later(b"a\n")
    until(lambda: not gone.is_set())
    gathering.later(b"b\n")
    until(lambda: written)
    gathering.close()
    assert written == [b"b\n"]

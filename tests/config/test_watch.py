from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from bridge.config.load import Loaded, load
from bridge.config.watch import Watched
from bridge.errors import Fault
from tests.config.files import ENVIRONMENT, LINES, write

SPANISH, ENGLISH, FAULTY = f"{LINES}language: es\n", f"{LINES}language: en\n", f"{LINES}langage: en\n"


class Heard:
    """What a watch told, in order: languages of good configurations, texts of faults."""

    def __init__(self) -> None:
        self.told: list[str] = []

    def changed(self, loaded: Loaded) -> None:
        self.told.append(loaded.configuration.language)

    def faulty(self, faults: tuple[Fault, ...]) -> None:
        self.told.append(str(faults[0].text))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return write(tmp_path, SPANISH)


@pytest.fixture
def heard() -> Heard:
    return Heard()


@pytest.fixture
def watched(path: Path, heard: Heard) -> Watched:
    return Watched(load(path, ENVIRONMENT), heard.changed, heard.faulty, environ=ENVIRONMENT)


def look(watched: Watched, times: int = 1) -> None:
    for _ in range(times):
        watched.look()


def test_nothing_is_told_while_nothing_changes(watched: Watched, heard: Heard, path: Path) -> None:
    look(watched, 3)
    path.touch()
    look(watched, 3)
    assert heard.told == []


def test_a_change_is_told_once_when_two_looks_saw_the_same(watched: Watched, heard: Heard, path: Path) -> None:
    path.write_text(ENGLISH)
    look(watched)
    assert heard.told == []
    look(watched, 3)
    assert heard.told == ["en"]


def test_a_file_that_is_being_written_is_left_alone_until_it_rests(watched: Watched, heard: Heard, path: Path) -> None:
    for length in range(0, len(ENGLISH), 10):
        path.write_text(ENGLISH[:length])
        look(watched)
    path.write_text(ENGLISH)
    look(watched, 2)
    assert heard.told == ["en"]


def test_a_faulty_file_is_told_once_and_a_good_one_after_it_as_well(watched: Watched, heard: Heard, path: Path) -> None:
    path.write_text(FAULTY)
    look(watched, 5)
    assert heard.told == ["unknown key; did you mean language?"]
    path.write_text(SPANISH)
    look(watched, 5)
    assert heard.told == ["unknown key; did you mean language?", "es"]


def test_a_file_that_is_gone_is_told_once_and_seen_when_it_is_back(watched: Watched, heard: Heard, path: Path) -> None:
    path.unlink()
    look(watched, 4)
    [gone] = heard.told
    assert gone.startswith("the file does not exist")
    path.write_text(ENGLISH)
    look(watched, 2)
    assert heard.told == [gone, "en"]


def test_an_editor_that_renames_is_seen_even_with_an_old_date(watched: Watched, heard: Heard, path: Path) -> None:
    before = path.stat()
    new = write(path.parent, ENGLISH, "new.yaml")
    os.utime(new, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert new.stat().st_size == before.st_size
    new.replace(path)
    look(watched, 2)
    assert heard.told == ["en"]


def test_a_link_that_is_turned_elsewhere_is_seen(tmp_path: Path, heard: Heard) -> None:
    """As Kubernetes mounts a ConfigMap: bridge.yaml → ..data/bridge.yaml, ..data → a folder by its date."""
    for name, text in (("one", SPANISH), ("two", ENGLISH)):
        (tmp_path / name).mkdir()
        write(tmp_path / name, text)
    (tmp_path / "..data").symlink_to("one")
    (tmp_path / "bridge.yaml").symlink_to("..data/bridge.yaml")
    watched = Watched(load(tmp_path / "bridge.yaml", ENVIRONMENT), heard.changed, heard.faulty, environ=ENVIRONMENT)
    (tmp_path / "..new").symlink_to("two")
    (tmp_path / "..new").replace(tmp_path / "..data")
    look(watched, 2)
    assert heard.told == ["en"]


def test_a_secret_in_a_file_is_watched_too_even_while_it_is_missing(tmp_path: Path, heard: Heard) -> None:
    (tmp_path / "secret").write_text("one")
    path = write(tmp_path, SPANISH + "server: {console_password: '${file:secret}'}")
    watched = Watched(load(path, ENVIRONMENT), heard.changed, heard.faulty, environ=ENVIRONMENT)
    (tmp_path / "secret").unlink()
    look(watched, 3)
    (tmp_path / "secret").write_text("two")
    look(watched, 2)
    assert heard.told == ["the secret's file secret does not exist", "es"]


def test_a_secret_is_watched_again_when_a_file_that_could_not_even_be_read_is_mended(
    tmp_path: Path, heard: Heard
) -> None:
    (tmp_path / "secret").write_text("one")
    good = SPANISH + "server: {console_password: '${file:secret}'}"
    path = write(tmp_path, good)
    watched = Watched(load(path, ENVIRONMENT), heard.changed, heard.faulty, environ=ENVIRONMENT)
    path.write_text("{")
    look(watched, 2)
    path.write_text(good)
    look(watched, 2)
    (tmp_path / "secret").write_text("two")
    look(watched, 2)
    assert heard.told[1:] == ["es", "es"]


def until(condition: Callable[[], bool]) -> None:
    limit = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < limit, "it never came"
        time.sleep(0.01)


def test_the_thread_looks_by_itself_outlives_a_failing_listener_and_ends_when_stopped(
    path: Path, heard: Heard, caplog: pytest.LogCaptureFixture
) -> None:
    failures: list[str] = []

    def fail_once(loaded: Loaded) -> None:
        heard.changed(loaded)
        if not failures:
            failures.append("once")
            raise RuntimeError("no room")

    before = threading.active_count()
    with Watched(load(path, ENVIRONMENT), fail_once, heard.faulty, environ=ENVIRONMENT, every=0.01):
        path.write_text(ENGLISH)
        until(lambda: heard.told == ["en"])
        path.write_text(SPANISH)
        until(lambda: heard.told == ["en", "es"])
    assert threading.active_count() == before
    assert "could not be taken up" in caplog.text


def test_a_watch_that_never_began_can_be_stopped(watched: Watched) -> None:
    watched.stop()

"""When a file that is followed is read: as a table of cases, without files and without waiting."""

from __future__ import annotations

import pytest

from connectors.csv.watch import FileState, FileStep, FileWatch, Limits

OLD, NEW = FileState(1_000_000_000_000, 10, 1), FileState(2_000_000_000_000, 20, 1)
LONG_AGO, JUST_NOW = 99_000.0, 1_000.5
"""Today, long after OLD was changed, and just then."""
LIMITS = Limits()


def watch(*, today: float = LONG_AGO) -> FileWatch:
    """A watch whose file was read at second 0, when it looked like OLD."""
    made = FileWatch(LIMITS)
    made.loaded(OLD, 0.0, today)
    return made


@pytest.mark.parametrize(
    ("looks", "steps"),
    [
        ([OLD, OLD], [FileStep.CURRENT, FileStep.CURRENT]),
        ([NEW, NEW], [FileStep.WAIT, FileStep.LOAD]),
        ([NEW, NEW._replace(size=21), NEW._replace(size=22)], [FileStep.WAIT, FileStep.WAIT, FileStep.WAIT]),
        ([NEW._replace(size=10, modified=OLD.modified, inode=2)] * 2, [FileStep.WAIT, FileStep.LOAD]),
        ([NEW, OLD], [FileStep.WAIT, FileStep.CURRENT]),
        ([None, None], [FileStep.GONE, FileStep.GONE]),
        ([None, NEW, NEW], [FileStep.GONE, FileStep.WAIT, FileStep.LOAD]),
    ],
    ids=["unchanged", "changed", "still written", "replaced by one of its size and time", "changed and back", "gone",
         "gone and there again"],
)  # fmt: skip
def test_a_file_is_read_once_it_changed_and_stays_the_same_for_two_looks(
    looks: list[FileState | None], steps: list[FileStep]
) -> None:
    followed = watch()
    assert [followed.step(look, 10.0 + number) for number, look in enumerate(looks)] == steps


def test_a_file_that_was_changed_just_before_it_was_read_is_read_once_more() -> None:
    followed = watch(today=JUST_NOW)
    assert followed.step(OLD, 1.0) is FileStep.CURRENT
    assert followed.step(OLD, 2.0) is FileStep.LOAD
    followed.loaded(OLD, 2.0, LONG_AGO)
    assert followed.step(OLD, 60.0) is FileStep.CURRENT


@pytest.mark.parametrize(("system", "again"), [(True, LIMITS.system_again), (False, LIMITS.damaged_again)])
def test_what_could_not_be_read_is_tried_again_when_it_changes_or_after_a_while(system: bool, again: float) -> None:
    followed = watch()
    followed.step(NEW, 1.0)
    followed.failed(NEW, 1.0, system=system)
    assert followed.step(NEW, again) is FileStep.WAIT
    assert followed.step(NEW, 1.0 + again) is FileStep.LOAD
    followed.failed(NEW, 1.0 + again, system=system)
    newer = NEW._replace(size=30)
    assert [followed.step(newer, 2.0 + again), followed.step(newer, 3.0 + again)] == [FileStep.WAIT, FileStep.LOAD]


def test_a_file_that_was_gone_is_read_again_even_where_it_looks_as_before() -> None:
    followed = watch()
    assert followed.step(None, 1.0) is FileStep.GONE
    followed.failed(None, 1.0, system=False)
    assert [followed.step(OLD, 2.0), followed.step(OLD, 3.0)] == [FileStep.WAIT, FileStep.LOAD]
    followed.loaded(OLD, 3.0, LONG_AGO)
    assert followed.step(OLD, 4.0) is FileStep.CURRENT


def test_no_file_is_never_what_was_loaded_not_even_at_the_start() -> None:
    assert not FileWatch(LIMITS).holds(None)
    assert not watch().holds(None)


def test_it_knows_what_was_loaded_when_it_looked_so() -> None:
    followed = watch()
    assert (followed.holds(OLD), followed.holds(NEW), followed.holds(None)) == (True, False, False)

"""What checks against exclusion lists said of numbers."""

from __future__ import annotations

from datetime import date, timedelta

from bridge.store import exclusions, privacy
from bridge.store.database import Database
from bridge.store.exclusions import Direction, NumberStanding
from tests.store.made import NOW

FIRST, SECOND, THIRD = 34600111222, 34600111223, 34600111224
DAY = date(2026, 3, 1)
LATER = DAY + timedelta(days=10)


def out(database: Database, *numbers: int) -> int:
    with database.write() as connection:
        check = exclusions.begin(connection, Direction.OUT, "people", "people.csv", NOW)
        exclusions.ask(database, connection, check, numbers)
    return check


def back(database: Database, day: date, *numbers: int, source: str = "") -> int:
    """As an import does it; how many are in the list."""
    with database.write() as connection:
        check = exclusions.begin(connection, Direction.BACK, source, "back.csv", NOW, day)
        asked = exclusions.permit(database, connection, check, source, day, numbers)
        counts = [exclusions.deny(database, connection, each, check, source, day, 0) for each in asked]
    assert all(after is None for _, after in counts)
    return sum(count for count, _ in counts)


def known(database: Database, *numbers: int, source: str = "people") -> dict[int, NumberStanding]:
    with database.read() as connection:
        standings = exclusions.known(connection, source, [f"+{number}" for number in numbers])
    return {int(number[1:]): standing for number, standing in standings.items()}


def permitted(database: Database, *numbers: int, source: str = "people") -> dict[int, date | None]:
    return {number: standing.permitted for number, standing in known(database, *numbers, source=source).items()}


def test_what_does_not_come_back_of_those_that_went_out_together_is_in_the_list(database: Database) -> None:
    out(database, FIRST, SECOND)
    assert known(database, FIRST, SECOND) == {}
    assert back(database, DAY, FIRST) == 1
    assert permitted(database, FIRST, SECOND, THIRD) == {FIRST: DAY, SECOND: None}
    assert known(database, SECOND)[SECOND].denied_on == DAY


def test_a_later_check_takes_back_what_an_earlier_one_permitted_and_an_earlier_one_changes_nothing(
    database: Database,
) -> None:
    out(database, FIRST, SECOND)
    back(database, DAY, FIRST, SECOND)
    out(database, FIRST, SECOND)
    assert back(database, LATER, SECOND) == 1
    assert permitted(database, FIRST, SECOND) == {FIRST: None, SECOND: LATER}
    back(database, DAY, FIRST)  # an old file, once more
    assert permitted(database, FIRST, SECOND) == {FIRST: None, SECOND: LATER}


def test_numbers_that_went_out_with_other_ones_are_not_judged_by_their_answer(database: Database) -> None:
    out(database, FIRST)
    out(database, SECOND, THIRD)
    assert back(database, DAY, SECOND) == 1
    assert permitted(database, FIRST, SECOND, THIRD) == {SECOND: DAY, THIRD: None}


def test_an_answer_in_two_pieces_permits_both(database: Database) -> None:
    out(database, FIRST, SECOND, THIRD)
    back(database, DAY, FIRST)
    assert back(database, DAY, SECOND) == 1
    assert permitted(database, FIRST, SECOND, THIRD) == {FIRST: DAY, SECOND: DAY, THIRD: None}


def test_numbers_that_never_went_out_may_come_back(database: Database) -> None:
    assert back(database, DAY, FIRST) == 0
    assert permitted(database, FIRST) == {FIRST: DAY}


def test_a_check_for_one_source_holds_for_no_other_and_the_newest_counts(database: Database) -> None:
    out(database, FIRST, SECOND)
    back(database, DAY, FIRST, source="people")
    assert permitted(database, FIRST, SECOND) == {FIRST: DAY, SECOND: None}
    assert permitted(database, FIRST, SECOND, source="others") == {}
    back(database, LATER, SECOND)
    assert permitted(database, FIRST, SECOND) == {FIRST: None, SECOND: LATER}


def test_what_nobody_answered_is_known_by_its_day(database: Database) -> None:
    check = out(database, FIRST)
    with database.read() as connection:
        assert exclusions.unanswered(connection, NOW.date()) == {check}
        assert exclusions.unanswered(connection, NOW.date() - timedelta(days=1)) == set()


def test_checks_are_listed(database: Database) -> None:
    out(database, FIRST)
    check = back(database, DAY, FIRST)
    assert check == 0
    with database.write() as connection:
        answered, asked = exclusions.checks(connection)
        exclusions.counted(connection, asked.id, 5)
        assert exclusions.checks(connection)[1].numbers == 5
    assert (answered.kind, answered.checked_on, answered.file) == (Direction.BACK, DAY, "back.csv")
    assert (asked.kind, asked.checked_on, asked.source) == (Direction.OUT, None, "people")


def test_more_than_a_lot_goes_through(database: Database) -> None:
    numbers = [34600000000 + number for number in range(exclusions.LOT + 10)]
    lots = list(exclusions.lots(iter(numbers)))
    assert [len(lot) for lot in lots] == [exclusions.LOT, 10]
    with database.write() as connection:
        check = exclusions.begin(connection, Direction.OUT, "", "many.csv", NOW)
        for lot in lots:
            exclusions.ask(database, connection, check, lot)
        answer = exclusions.begin(connection, Direction.BACK, "", "back.csv", NOW, DAY)
        asked = exclusions.permit(database, connection, answer, "", DAY, numbers[:1])
        first = exclusions.deny(database, connection, check, answer, "", DAY, 0)
        assert first == (exclusions.LOT - 1, numbers[exclusions.LOT - 1])
        assert exclusions.deny(database, connection, check, answer, "", DAY, first[1] or 0) == (10, None)
        assert asked == {check}


def test_a_forgotten_number_counts_as_never_checked(database: Database) -> None:
    back(database, DAY, FIRST, SECOND)
    shown = privacy.person(database, f"+{FIRST}")["exclusions"]
    assert [(row["number"], row["permitted_on"]) for row in shown] == [(FIRST, DAY.isoformat())]
    assert privacy.forget(database, f"+{FIRST}").exclusions == 1
    assert permitted(database, FIRST, SECOND) == {SECOND: DAY}


def test_what_is_old_is_purged(database: Database) -> None:
    out(database, THIRD)
    back(database, DAY, FIRST)
    back(database, LATER, SECOND)

    def purged(before: date) -> int:
        moment = NOW.replace(year=before.year, month=before.month, day=before.day)
        with database.write() as connection:
            return exclusions.purge(connection, moment)

    assert purged(DAY) == 0
    assert purged(LATER) == 2
    assert permitted(database, FIRST, SECOND, THIRD) == {SECOND: LATER}
    assert purged(LATER) == 0

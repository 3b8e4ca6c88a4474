"""What is a parameter in a statement, and what is not."""

from __future__ import annotations

import pytest

from connectors.sql.statements import SqlStatement


@pytest.mark.parametrize(
    ("source", "backend", "names"),
    [
        ("SELECT a FROM t WHERE b = :key AND c = :key OR d LIKE :ends", "sqlite", ("key", "ends")),
        ("SELECT ':key', \":key\" FROM t WHERE at > '12:30' AND b = :key", "postgresql", ("key",)),
        ("SELECT 'it''s :no' FROM t WHERE b = :key", "postgresql", ("key",)),
        ("SELECT 'it\\'s :no' FROM t WHERE b = :key", "mariadb", ("key",)),
        ("SELECT '\\' , :key FROM t", "postgresql", ("key",)),
        ("SELECT b::text, :key::int, $$ :no $$, $x$ :no $$ $x$ FROM t", "postgresql", ("key",)),
        ("SELECT a -- :no\n, /* :no */ b FROM t WHERE c = :key", "sqlite", ("key",)),
        ("SELECT a # :no\n FROM t WHERE c = :key", "mysql", ("key",)),
        ("SELECT [a:no] FROM t WHERE c = :key", "mssql", ("key",)),
        ("SELECT @a := 1 FROM t WHERE c = :key", "mysql", ("key",)),
    ],
)
def test_a_colon_is_a_parameter_outside_of_literals_names_and_comments(
    source: str, backend: str, names: tuple[str, ...]
) -> None:
    parsed = SqlStatement(source).parsed(backend)
    assert parsed.parameters == names
    assert tuple(sorted(parsed.executable.compile().params)) == tuple(sorted(names))


def test_what_is_handed_to_the_database_is_what_was_written() -> None:
    source = "SELECT '100% :no', a::text FROM t WHERE at = '12:30' AND b = :key;"
    compiled = str(SqlStatement(source).parsed("sqlite").executable.compile())
    assert compiled == source.rstrip(";")


def test_several_statements_are_told_from_one_with_a_semicolon_in_a_literal() -> None:
    assert SqlStatement("SELECT 1; DELETE FROM t").parsed("sqlite").several
    assert not SqlStatement("SELECT ';' FROM t;").parsed("sqlite").several


@pytest.mark.parametrize("source", ["SELECT '{{ key }}'", "SELECT 1 {% if x %}", "", " ; ", "SELECT 1\0"])
def test_nothing_is_filled_into_a_statement(source: str) -> None:
    with pytest.raises(ValueError, match="statement"):
        SqlStatement(source)

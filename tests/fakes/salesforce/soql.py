"""SOQL, as far as the bridge writes it: parsed strictly, so that what is no SOQL is refused as there."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any

from tests.fakes.salesforce.schema import Field, SObject

_TOKEN = re.compile(
    r"""\s*(?:(?P<string>'(?:[^'\\]|\\.)*')|(?P<datetime>\d{4}-\d\d-\d\dT[\d:.]+(?:Z|[+-]\d\d:?\d\d))
    |(?P<date>\d{4}-\d\d-\d\d)|(?P<number>-?\d+(?:\.\d+)?)|(?P<word>[A-Za-z][A-Za-z0-9_.]*(?::\d+)?)
    |(?P<sign><=|>=|!=|<>|=|<|>|\(|\)|,))""",
    re.X | re.S,
)
_ESCAPE = re.compile(r"\\(u[0-9a-fA-F]{4}|.)", re.S)
_PLAIN = {"n": "\n", "r": "\r", "t": "\t", "b": "\b", "f": "\f", '"': '"', "'": "'", "\\": "\\"}
_KEYWORDS = set(
    re.findall(
        r"\w+",
        "select from where and or not in like order by limit offset typeof when then else end asc desc nulls first "
        "last null true false",
    )
)

Row = dict[str, Any]


class Refused(Exception):
    """What the API answers with an error: status and `errorCode`."""

    def __init__(self, code: str, message: str, status: int = 400, fields: Sequence[str] = ()) -> None:
        super().__init__(message)
        self.code, self.message, self.status, self.fields = code, message, status, list(fields)


@dataclass(frozen=True)
class Token:
    kind: str
    text: str


@dataclass
class TypeOf:
    """`TYPEOF Who WHEN Contact THEN Phone … END`."""

    path: str
    branches: dict[str, list[str]] = field(default_factory=dict)
    otherwise: list[str] = field(default_factory=list)


@dataclass
class Select:
    items: list[str | TypeOf]
    source: str
    where: Condition | None = None
    order: list[tuple[str, bool]] = field(default_factory=list)
    limit: int | None = None
    offset: int = 0


@dataclass
class Condition:
    """`kind` is and, or, not (with `parts`), or an operator over `path` and `value`."""

    kind: str
    parts: list[Condition] = field(default_factory=list)
    path: str = ""
    value: Any = None


def malformed(message: str) -> Refused:
    return Refused("MALFORMED_QUERY", message)


def tokens(text: str) -> list[Token]:
    found, at = [], 0
    text = text.rstrip()
    while at < len(text):
        match = _TOKEN.match(text, at)
        if not match:
            raise malformed(f"unexpected token: {text[at : at + 20]!r}")
        kind = str(match.lastgroup)
        found.append(Token(kind, match[kind]))
        at = match.end()
    return found


def string(literal: str, *, like: bool = False) -> str:
    """The value of a quoted text; in LIKE, `\\%` and `\\_` stay escaped for the matcher."""

    def one(match: re.Match[str]) -> str:
        escaped = match[1]
        if escaped in _PLAIN:
            return "\\\\" if like and escaped == "\\" else _PLAIN[escaped]
        if escaped[0] == "u" and len(escaped) == 5:
            return chr(int(escaped[1:], 16))
        if like and escaped in "%_":
            return "\\" + escaped
        raise malformed(f"Invalid string literal: illegal escape \\{escaped}")

    value = _ESCAPE.sub(one, literal[1:-1])
    if len(value) > 4000:
        raise malformed("maximum string length exceeded")
    return value


class Parser:
    """Recursive descent over the tokens of one statement."""

    def __init__(self, text: str) -> None:
        if len(text) > 100_000:
            raise Refused("QUERY_TOO_COMPLICATED", "Query is too long")
        self.tokens = tokens(text)
        self.at = 0

    def peek(self) -> str:
        if self.at >= len(self.tokens):
            return ""
        token = self.tokens[self.at]
        return token.text.lower() if token.kind in ("word", "sign") else f"<{token.kind}>"

    def take(self, *wanted: str) -> Token:
        if self.at >= len(self.tokens):
            raise malformed("unexpected end of query")
        if wanted and self.peek() not in wanted:
            raise malformed(f"unexpected token: '{self.tokens[self.at].text}'")
        self.at += 1
        return self.tokens[self.at - 1]

    def accept(self, *wanted: str) -> bool:
        if self.peek() in wanted:
            self.at += 1
            return True
        return False

    def name(self) -> str:
        token = self.take()
        if token.kind != "word" or token.text.lower() in _KEYWORDS or ":" in token.text:
            raise malformed(f"unexpected token: '{token.text}'")
        return token.text

    def object(self) -> str:
        """An object's name; there is one named Order."""
        return self.take("order").text if self.peek() == "order" else self.name()

    def statement(self) -> Select:
        self.take("select")
        items = self.items()
        self.take("from")
        made = self.rest(Select(items, self.object()))
        self.done()
        return made

    def rest(self, made: Select) -> Select:
        """WHERE, ORDER BY, LIMIT and OFFSET."""
        if self.accept("where"):
            made.where = self.condition()
        if self.accept("order"):
            self.take("by")
            made.order.append(self.ordering())
            while self.accept(","):
                made.order.append(self.ordering())
        if self.accept("limit"):
            made.limit = self.whole()
        if self.accept("offset"):
            made.offset = self.whole()
        return made

    def done(self) -> None:
        if self.at < len(self.tokens):
            raise malformed(f"unexpected token: '{self.tokens[self.at].text}'")

    def whole(self) -> int:
        token = self.take("<number>")
        if not token.text.isdigit():
            raise malformed(f"unexpected token: '{token.text}'")
        return int(token.text)

    def items(self) -> list[str | TypeOf]:
        found: list[str | TypeOf] = [self.item()]
        while self.accept(","):
            found.append(self.item())
        return found

    def item(self) -> str | TypeOf:
        if not self.accept("typeof"):
            return self.name()
        made = TypeOf(self.name())
        while self.accept("when"):
            name = self.name()
            self.take("then")
            made.branches[name.lower()] = self.names()
        if not made.branches:
            raise malformed("TYPEOF without WHEN")
        if self.accept("else"):
            made.otherwise = self.names()
        self.take("end")
        return made

    def names(self) -> list[str]:
        found = [self.name()]
        while self.accept(","):
            found.append(self.name())
        return found

    def ordering(self) -> tuple[str, bool]:
        path = self.name()
        down = self.peek() == "desc"
        self.accept("asc", "desc")
        if self.accept("nulls"):
            self.take("first", "last")
        return path, down

    def condition(self) -> Condition:
        first = self.term()
        joiner = self.peek()
        if joiner not in ("and", "or"):
            return first
        made = Condition(joiner, [first])
        while self.accept(joiner):
            made.parts.append(self.term())
        if self.peek() in ("and", "or"):
            raise malformed(f"unexpected token: '{self.peek()}'")  # AND and OR of one level need parentheses
        return made

    def term(self) -> Condition:
        if self.accept("not"):
            return Condition("not", [self.term()])
        if self.accept("("):
            inside = self.condition()
            self.take(")")
            return inside
        path = self.name()
        if self.accept("like"):
            return Condition("like", path=path, value=string(self.take("<string>").text, like=True))
        if self.accept("not"):
            self.take("in")
            return Condition("not", [Condition("in", path=path, value=self.values())])
        if self.accept("in"):
            return Condition("in", path=path, value=self.values())
        sign = self.take("=", "!=", "<>", "<", ">", "<=", ">=").text
        return Condition("!=" if sign == "<>" else sign, path=path, value=self.value())

    def values(self) -> list[Any]:
        self.take("(")
        found = [self.value()]
        while self.accept(","):
            found.append(self.value())
        self.take(")")
        return found

    def value(self) -> Any:
        token = self.take()
        if token.kind == "string":
            return string(token.text)
        if token.kind == "number":
            return float(token.text)
        if token.kind == "datetime":
            return _moment(token.text)
        if token.kind == "date":
            return date.fromisoformat(token.text)
        if token.text.lower() in ("true", "false", "null"):
            return {"true": True, "false": False, "null": None}[token.text.lower()]
        return _date_literal(token.text)


def _moment(text: str) -> datetime:
    moment = datetime.fromisoformat(text.replace("Z", "+00:00"))
    return moment.astimezone(UTC)


def _date_literal(text: str) -> date:
    name, _, count = text.lower().partition(":")
    today = datetime.now(UTC).date()
    if name == "today":
        return today
    if name == "last_n_days" and count.isdigit():
        return today - timedelta(days=int(count))
    raise malformed(f"unexpected token: '{text}'")


class Evaluator:
    """Runs a statement over the org's rows. `describe` names an object, `row` fetches one by id."""

    def __init__(self, objects: dict[str, SObject], row: Callable[[str], Row | None]) -> None:
        self.objects, self.row = objects, row

    def source(self, name: str) -> SObject:
        found = self.objects.get(name.lower())
        if not found:
            raise Refused("INVALID_TYPE", f"sObject type '{name}' is not supported. If you are attempting to use a "
                          "custom object, be sure to append the '__c' after the entity name.")  # fmt: skip
        return found

    def resolve(self, source: SObject, path: str) -> tuple[list[Field], Field]:
        """The relationships on the way, and the field at the end."""
        *way, last = path.split(".")
        if way and way[0].lower() == source.name.lower():
            way = way[1:]
        steps, here = [], source
        for step in way:
            link = next((f for f in here.fields.values() if (f.relationship or "").lower() == step.lower()), None)
            if not link:
                raise Refused("INVALID_FIELD", f"Didn't understand relationship '{step}' in field path.")
            steps.append(link)
            here = self.objects["name" if len(link.references) > 1 else link.references[0].lower()]
        found = here.fields.get(last.lower())
        if not found:
            raise Refused("INVALID_FIELD", f"No such column '{last}' on entity '{here.name}'. If you are attempting "
                          "to use a custom field, append the '__c'.")  # fmt: skip
        return steps, found

    def get(self, source: SObject, row: Row, path: str) -> Any:
        steps, last = self.resolve(source, path)
        here: Row | None = row
        for step in steps:
            here = self.row(str(here.get(step.name) or "")) if here else None
            if here and len(step.references) > 1:
                here = _as_name(here)
        return None if here is None else here.get(last.name)

    def select(self, made: Select, rows: list[Row]) -> list[Row]:
        """The answer's records."""
        source = self.source(made.source)
        self.check(source, made)
        found = [row for row in rows if made.where is None or self.holds(source, row, made.where)]
        for path, down in reversed(made.order):
            found.sort(key=lambda row: _sortable(self.get(source, row, path)), reverse=down)
        end = None if made.limit is None else made.offset + made.limit
        return [self.shape(source, row, made.items) for row in found[made.offset : end]]

    def check(self, source: SObject, made: Select) -> None:
        """Every field must exist, even where no row is looked at."""
        for item in made.items:
            if isinstance(item, str):
                self.resolve(source, item)
                continue
            link = next((f for f in source.fields.values() if f.relationship == item.path), None)
            if not link or len(link.references) < 2:
                raise malformed(f"TYPEOF {item.path}: not a polymorphic relationship")
            for name, paths in item.branches.items():
                for path in paths:
                    self.resolve(self.source(name), path)
        for path, _down in made.order:
            self.resolve(source, path)
        if made.where:
            self.check_condition(source, made.where)

    def check_condition(self, source: SObject, condition: Condition) -> None:
        for part in condition.parts:
            self.check_condition(source, part)
        if not condition.path:
            return
        _, last = self.resolve(source, condition.path)
        if not last.filterable:
            raise Refused("INVALID_FIELD", f"field '{last.name}' can not be filtered in a query call")
        for value in condition.value if condition.kind == "in" else [condition.value]:
            _check_type(last, value)

    def holds(self, source: SObject, row: Row, condition: Condition) -> bool:
        if condition.kind == "and":
            return all(self.holds(source, row, part) for part in condition.parts)
        if condition.kind == "or":
            return any(self.holds(source, row, part) for part in condition.parts)
        if condition.kind == "not":
            return not self.holds(source, row, condition.parts[0])
        _, last = self.resolve(source, condition.path)
        return _compare(condition.kind, _typed(last, self.get(source, row, condition.path)), condition.value, last)

    def shape(self, source: SObject, row: Row, items: Sequence[str | TypeOf]) -> Row:
        made: Row = {"attributes": _attributes(source.name, row)}
        for item in items:
            if isinstance(item, TypeOf):
                self.add_typeof(source, row, item, made)
                continue
            steps, last = self.resolve(source, item)
            into: Row | None = made
            here: Row | None = row
            for step in steps:
                here = self.row(str(here.get(step.name) or "")) if here else None
                poly = len(step.references) > 1
                name = "Name" if poly else step.references[0]
                if here is None:
                    into[str(step.relationship)] = None  # type: ignore[index]  # a step before would have ended this
                    into = None
                    break
                into = into.setdefault(str(step.relationship), {"attributes": _attributes(name, here)})  # type: ignore[union-attr]  # as above
                here = _as_name(here) if poly else here
            if into is not None and here is not None:
                into[last.name] = here.get(last.name)
        return made

    def add_typeof(self, source: SObject, row: Row, item: TypeOf, made: Row) -> None:
        link = next(f for f in source.fields.values() if f.relationship == item.path)
        there = self.row(str(row.get(link.name) or ""))
        if not there:
            made[item.path] = None
            return
        kind = self.objects[there["attributes"]["type"].lower()]
        made[item.path] = self.shape(kind, there, item.branches.get(kind.name.lower(), item.otherwise))


def _attributes(name: str, row: Row) -> Row:
    return {"type": name, "url": f"/services/data/v64.0/sobjects/{name}/{row.get('Id')}"}


def _as_name(row: Row) -> Row:
    """A record as the object Name shows it: phone, email and title are there for users alone."""
    seen = dict(row)
    seen["Type"] = row["attributes"]["type"]
    if seen["Type"] != "User":
        seen["Phone"] = seen["Email"] = seen["Title"] = None
    return seen


def _check_type(last: Field, value: Any) -> None:
    if value is None:
        return
    quoted = isinstance(value, str)
    wants_quotes = last.type in ("string", "phone", "email", "picklist", "combobox", "textarea", "id", "reference")
    if quoted != wants_quotes:
        text = "should be enclosed in quotes" if wants_quotes else "should not be enclosed in quotes"
        raise Refused("INVALID_FIELD", f"value of filter criterion for field '{last.name}' must be of type "
                      f"{last.type} and {text}")  # fmt: skip
    if last.type in ("id", "reference") and value and not re.fullmatch(r"[A-Za-z0-9]{15}|[A-Za-z0-9]{18}", value):
        raise Refused("INVALID_QUERY_FILTER_OPERATOR", f"invalid ID field: {value}")
    if last.type == "boolean" and not isinstance(value, bool):
        raise malformed(f"field {last.name} is a boolean")


def _typed(last: Field, value: Any) -> Any:
    if value is None:
        return None
    if last.type == "datetime":
        return _moment(value.replace("+0000", "+00:00"))
    if last.type == "date":
        return date.fromisoformat(value)
    if last.type in ("id", "reference"):
        return value[:15]
    return value


def _compare(kind: str, have: Any, value: Any, last: Field) -> bool:
    if kind == "in":
        return any(_compare("=", have, one, last) for one in value)
    if kind == "like":
        return isinstance(have, str) and bool(_like(value).fullmatch(have))
    if isinstance(value, str):
        value = value[:15] if last.type in ("id", "reference") else value.lower()
        have = have.lower() if isinstance(have, str) and last.type not in ("id", "reference") else have
        have, value = have or None, value or None  # '' and null are the same to SOQL
    if isinstance(have, datetime) and isinstance(value, date) and not isinstance(value, datetime):
        value = datetime(value.year, value.month, value.day, tzinfo=UTC)
    if kind in ("=", "!="):
        return bool(have == value) is (kind == "=")
    if have is None or value is None:
        return False
    return bool({"<": have < value, ">": have > value, "<=": have <= value, ">=": have >= value}[kind])


def _like(pattern: str) -> re.Pattern[str]:
    parts = re.findall(r"\\.|[^\\]", pattern, re.S)
    spelled = {"%": ".*", "_": "."}
    return re.compile("".join(spelled.get(p) or re.escape(p[-1]) for p in parts), re.I | re.S)


def _sortable(value: Any) -> tuple[bool, Any]:
    return (value is not None, value if value is not None else "")

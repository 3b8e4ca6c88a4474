"""What a wrong value means and what to write instead, in words for an admin: one saying for each kind of error that
pydantic tells apart. None of them shows the value: it may be a password."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from pydantic import BaseModel
from pydantic_core import ErrorDetails

from bridge.config.sections import homes, keys_of, meant, near
from bridge.config.source import Loc, Location
from connectors.expression import filter_names

_TEXT = "write a text"
_WHOLE = "write a whole number"
_NUMBER = "write a number"
_SWITCH = "write true or false"
_LIST = "write a list, such as [one, two], or each on a line of its own after '- '"
_SECTION = "write keys with their values, each on a line of its own below this one"
_SURE = 0.8

_SAYINGS: Mapping[str, str] = {
    "string_type": _TEXT,
    "string_sub_type": _TEXT,
    "int_type": _WHOLE,
    "int_parsing": _WHOLE,
    "int_parsing_size": "write a smaller number",
    "int_from_float": _WHOLE,
    "float_type": _NUMBER,
    "float_parsing": _NUMBER,
    "finite_number": _NUMBER,
    "decimal_parsing": _NUMBER,
    "decimal_type": _NUMBER,
    "bool_type": _SWITCH,
    "bool_parsing": _SWITCH,
    "list_type": _LIST,
    "tuple_type": _LIST,
    "set_type": _LIST,
    "frozen_set_type": _LIST,
    "dict_type": _SECTION,
    "mapping_type": _SECTION,
    "model_type": _SECTION,
    "model_attributes_type": _SECTION,
    "dataclass_type": _SECTION,
    "greater_than_equal": "write {ge} or more",
    "greater_than": "write more than {gt}",
    "less_than_equal": "write {le} at most",
    "less_than": "write less than {lt}",
    "multiple_of": "write a multiple of {multiple_of}",
    "too_short": "write at least {min_length}",
    "too_long": "write {max_length} at most",
    "string_too_short": "write something here",
    "string_too_long": "write {max_length} characters at most",
    "string_pattern_mismatch": "this does not have the form {pattern}",
    "path_type": "write the path of a file",
    "none_required": "remove what stands here",
    "is_instance_of": "this can't stand here",
    "recursion_loop": "this holds itself",
}


def message(error: ErrorDetails, *, section: type[BaseModel] | None, place: Location, loc: Loc) -> str:
    """Return what is wrong at `loc`. `section` is the one that the key stands in, None where it has no fixed keys."""
    special = _SPECIAL.get(error["type"])
    if special is not None:
        return special(error, section, place, loc)
    context = error.get("ctx", {})
    saying = _SAYINGS.get(error["type"])
    text = saying.format(**context) if saying else f"this does not fit here: {error['msg']}"
    if error["input"] is None:
        return f"nothing stands here: {text}"
    if isinstance(error["input"], bool) and text == _TEXT:
        return f'{_TEXT}: in quotes ("yes"), a word such as true is not one by itself'
    if isinstance(error["input"], (dict, list)) and text == _TEXT:
        return f"{_TEXT}: one that holds ': ', {{ }} or [ ] needs quotes"
    return text


def _unknown(_error: ErrorDetails, section: type[BaseModel] | None, _place: Location, loc: Loc) -> str:
    key, keys = str(loc[-1]), keys_of(section) if section else {}
    close = near(key, keys, _SURE)
    if close is None and key in homes():
        places = [path for path in homes()[key] if path]
        where = " or ".join(f"{path}:" for path in places[:2]) or "the top of the file, not indented"
        return f"unknown key here; it belongs under {where}" if places else f"unknown key here; it belongs at {where}"
    return f"unknown key; {meant(key, keys, 'known here:')}" if keys else "unknown key: remove it"


def _missing(_error: ErrorDetails, section: type[BaseModel] | None, _place: Location, loc: Loc) -> str:
    info = keys_of(section).get(str(loc[-1])) if section else None
    if info is None or not info.description:
        return "is missing"
    example = f", such as {_example(info.examples[0])}" if info.examples else ""
    return f"is missing: {info.description[0].lower()}{info.description[1:]}{example}"


def _example(value: Any) -> str:
    return f'"{value}"' if isinstance(value, str) else str(value).replace("'", '"')


def _choice(error: ErrorDetails, _section: type[BaseModel] | None, place: Location, _loc: Loc) -> str:
    return _one_of(re.findall(r"'([^']*)'", str(error.get("ctx", {}).get("expected", ""))), error["input"], place)


def _one_of(choices: list[str], given: object, place: Location) -> str:
    listed = ", ".join(choices)
    close = near(place.text, choices) if place.text and not place.filled and isinstance(given, str) else None
    return f"write one of {listed}{f'; did you mean {close}?' if close else ''}"


def _value(error: ErrorDetails, _section: type[BaseModel] | None, place: Location, _loc: Loc) -> str:
    text = str(error.get("ctx", {}).get("error", error["msg"]))
    if " (in " not in text:
        return text
    if place.filled:
        return "together with what ${ } puts in, the {{ }} here is no expression: check it, and what is put in"
    return _expression(text.rpartition(" (in ")[0].rstrip("."))


def _expression(problem: str) -> str:
    """What Jinja says, for those who do not know it."""
    unknown = re.fullmatch(r"No (filter|test) named '(\w+)'", problem)
    if unknown:
        hint = meant(unknown[2], filter_names()) if unknown[1] == "filter" else "write a comparison such as == instead"
        return f"there is no {unknown[1]} called {unknown[2]}; {hint}"
    if "end of template" in problem or "end of comment" in problem:
        return "a {{ is not closed by }}"
    if "Expected an expression" in problem:
        return "there is nothing between {{ and }}"
    if problem.startswith("the filter "):
        return problem
    return f"this is no expression: {problem.replace('end of print statement', '}}')}"


def _tag(error: ErrorDetails, _section: type[BaseModel] | None, _place: Location, _loc: Loc) -> str:
    context = error.get("ctx", {})
    choices = re.findall(r"'([^']*)'", str(context.get("expected_tags", "")))
    tag = context.get("tag")
    if tag is None:
        return "is missing: which kind it is" + (f", one of {', '.join(choices)}" if choices else "")
    close = near(str(tag), choices)
    return f"write one of {', '.join(choices)}{f'; did you mean {close}?' if close else ''}"


_SPECIAL: Mapping[str, Callable[[ErrorDetails, type[BaseModel] | None, Location, Loc], str]] = {
    "extra_forbidden": _unknown,
    "missing": _missing,
    "literal_error": _choice,
    "enum": _choice,
    "value_error": _value,
    "assertion_error": _value,
    "union_tag_invalid": _tag,
    "union_tag_not_found": _tag,
}

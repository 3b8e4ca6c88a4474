"""What the REST connector says of its section before anything is asked."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from connectors.rest import RestOptions, presets
from connectors.rest.presets import merged
from connectors.rest.values import JmesPath
from connectors.urltemplate import PathTemplate
from tests.connectors.rest_case import section

URL = "https://crm.example.com/api"


def options(**changed: Any) -> RestOptions:
    return RestOptions.model_validate(section(URL, **changed))


def faults(given: dict[str, Any]) -> dict[str, str]:
    """Every fault by its place."""
    with pytest.raises(ValidationError) as raised:
        RestOptions.model_validate(given)
    return {".".join(str(part) for part in one["loc"]): one["msg"] for one in raised.value.errors()}


def test_it_says_what_can_be_asked() -> None:
    can = options().abilities()
    assert [set(one) for one in (can.by_phone, can.by_key, can.saves)] == [{"contact"}, {"order"}, {"survey"}]
    assert (can.activities, can.updates_activities, can.tasks) == (True, True, True)
    assert can.fields["contact"] == {"id", "name", "phone", "agent_phone"}
    bare = RestOptions.model_validate({"type": "rest", "base_url": URL}).abilities()
    assert (bare.by_phone, bare.activities, bare.tasks) == (frozenset(), False, False)


def test_every_expression_is_told_with_the_names_that_it_may_use() -> None:
    uses = {".".join(map(str, use.loc)): use for use in options().templates()}
    assert "phone" in uses["records.contact.search.0.params.q"].names
    assert "ref" not in uses["records.order.search.0.path"].names
    assert "ref" in uses["records.order.search.1.path"].names
    assert uses["records.survey.create.json.phone"].names >= {"field", "key"}
    assert uses["activity.create.json.customer"].names >= {"activity", "contact", "call", "vars", "caller"}
    assert uses["tasks.update.1.headers.If-Match"].names >= {"task", "outcome", "now"}
    assert "login" not in uses["activity.create.json.customer"].names
    for use in uses.values():
        assert use.template.names <= use.names


def test_faults_are_told_at_their_place() -> None:
    given = section(URL)
    given["records"]["contact"]["items"] = "data["
    given["records"]["contact"]["fields"]["name"] = "nofunction(x)"
    given["records"]["contact"]["phones"] = ["length(a, b)"]
    given["records"]["order"]["search"][1]["path"] = "/orders/{{ ref. }}"
    given["activity"]["create"]["json"]["deep"] = [{"x": "{{ a | nofilter }}"}]
    given["tasks"]["statuses"] = {"nonsense": "x"}
    given["tasks"]["list"]["pages"] = {"next": "a", "link": "next"}
    given["nonsense"] = 1
    told = faults(given)
    assert "Incomplete expression" in told["records.contact.items"]
    assert "no function nofunction()" in told["records.contact.fields.name"]
    assert "takes 1 arguments, not 2" in told["records.contact.phones.0"]
    assert "records.order.search.1.step.path" in told
    assert "nofilter" in told["activity.create.json.deep.0.x"]
    assert "go on in one way" in told["tasks.list.pages"]
    assert "nonsense" in told
    assert any(place.startswith("tasks.statuses.nonsense") for place in told)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"base_url": "crm.example.com"}, "where the API begins"),
        ({"base_url": "https://user:x@crm.example.com"}, "only host and path"),
        ({"base_url": "https://{{ settings.domain }}.example.com"}, "settings.domain is not there"),
        ({"base_url": "https://{{ caller }}.example.com"}, "only {{ settings.NAME }}"),
        ({"auth": {"type": "oauth2", "token_url": URL}}, "needs client_id and client_secret"),
        ({"auth": {"type": "oauth2", "token_url": URL, "grant": "password"}}, "needs username and password"),
        ({"auth": {"type": "oauth2", "token_url": "/t", "client_id": "a", "client_secret": "b"}}, "whole URL"),
        ({"auth": {"type": "api_key", "value": "x"}}, "header: NAME or param: NAME"),
        ({"auth": {"type": "magic"}}, "magic"),
        ({"max_answer": "much"}, "such as 500kB or 5MB"),
        ({"records": {"x": {"fields": {"a": "b"}}}}, "how it is found"),
        ({"records": {"x": {"search": {"path": "/{{ key }}/{{ phone }}"}}}}, "by phone or by key"),
        ({"records": {"x": {"search": [{"name": "a", "path": "/"}, {"path": "/"}, {"path": "/"}]}}}, "needs a name"),
        ({"records": {"x": {"search": [{"name": "phone", "path": "/"}, {"path": "/"}]}}}, "can't be called phone"),
        ({"records": {"x": {"search": {"path": "/", "json": {}, "form": {}}}}}, "one body"),
        ({"records": {"x": {"search": {"path": "/", "method": "GET", "json": {}}}}}, "has no body"),
        ({"records": {"x": {"search": {"path": "/", "pages": {"size": 3}}}}}, "how pages go on"),
        ({"records": {"x": {"search": {"path": "/", "pages": {"param": "o", "step": "size"}}}}}, "needs the size"),
        ({"records": {"x": {"search": {"path": "/", "pages": {"next": "n", "param": "o"}}}}}, "leave param out"),
        ({"records": {"x": {"search": {"path": "/", "not_found": [{}]}}}}, "say which answers"),
        ({"tasks": {"list": {"path": "/"}, "dates": {"timezone": "Mars"}}}, "no such time zone"),
        ({"preset": "nonsense"}, "there is no preset nonsense"),
    ],
)  # fmt: skip
def test_what_can_not_be_is_refused_in_words(change: dict[str, Any], said: str) -> None:
    assert said in "\n".join(faults(section(URL, **change)).values())


def test_secrets_never_print() -> None:
    auth = {
        "type": "oauth2",
        "token_url": URL,
        "client_id": "me",
        "client_secret": "hush-hush",
        "params": {"a": "hush-2"},
    }
    made = options(auth=auth, settings={"token": "hush-3"})
    assert "hush" not in repr(made) + str(made)


def problems(given: dict[str, Any], folder: Path) -> dict[str, tuple[str, bool]]:
    made = RestOptions.model_validate(given)
    return {".".join(map(str, one.loc)): (one.text, one.warning) for one in made.problems(folder)}


def test_a_path_on_another_host_is_a_problem(tmp_path: Path) -> None:
    given = section(URL)
    given["records"]["contact"]["search"]["path"] = "https://other.example.com/customers"
    given["activity"]["create"]["path"] = f"{URL}/calls"
    told = problems(given, tmp_path)
    assert list(told) == ["records.contact.search.0.path"]
    assert told["records.contact.search.0.path"][1] is False


def test_a_crm_that_can_see_things_twice_is_warned_of(tmp_path: Path) -> None:
    given = section(URL)
    del given["activity"]["find"], given["activity"]["create"]["already"]
    del given["records"]["survey"]["find"]
    given["records"]["survey"]["create"]["already"] = []
    told = problems(given, tmp_path)
    assert set(told) == {"activity.create", "records.survey.create"}
    assert all(warning and "twice" in text for text, warning in told.values())


def test_other_things_that_are_probably_not_meant(tmp_path: Path) -> None:
    given = section("http://crm.example.com", ca_file="ca.pem", headers={"X": "{{ settings.team }}"})
    given["records"]["contact"]["search"]["params"] = {}
    told = problems(given, tmp_path)
    assert told["ca_file"] == (f"there is no file {tmp_path / 'ca.pem'}", False)
    assert told["settings"] == ("{{ settings.team }} needs team: add it below settings", False)
    assert told["base_url"][1]
    assert told["records.contact.search"][1]
    assert len(told) == 4


def test_what_a_number_or_an_outcome_has_not_is_a_problem(tmp_path: Path) -> None:
    given = section(URL)
    given["records"]["contact"]["search"]["params"] = {"q": "{{ phone.nationl | last(9) }}"}
    given["tasks"]["update"][1]["json"]["note"] = "{{ outcome.words }}"
    told = problems(given, tmp_path)
    assert told["records.contact.search.0.params.q"][0].startswith("phone has no nationl; there are country, digits")
    assert told["tasks.update.1.json.note"] == (
        "outcome has no words; there are at, idcall, result, seconds, status, text", False,
    )  # fmt: skip
    assert len(told) == 2


@pytest.mark.parametrize("key", ["records", "activity", "tasks", "auth", "headers"])
def test_a_preset_is_overridden_key_by_key(tmp_path: Path, key: str) -> None:
    base = {
        "base_url": "https://{{ settings.domain }}.example.com",
        "auth": {"type": "api_key", "header": "X-Token"},
        "headers": {"A": "1", "B": "2"},
        "records": {"contact": {"search": [{"path": "/a/{{ phone }}"}], "fields": {"id": "id", "name": "n"}}},
        "activity": {"create": {"path": "/calls", "json": {"note": "{{ activity.note }}"}}},
        "tasks": {"list": {"path": "/tasks"}},
    }
    (tmp_path / "mine.yaml").write_text(__import__("json").dumps(base))
    own: dict[str, Any] = {"type": "rest", "preset": "mine", "settings": {"domain": "acme"}, "auth": {"value": "tok-1"}}
    changes: dict[str, Any] = {
        "records": {"records": {"contact": {"fields": {"name": "full"}, "search": [{"path": "/b/{{ phone }}"}]}}},
        "activity": {"activity": {"create": {"json": {"owner": 5}}}},
        "tasks": {"tasks": None},
        "auth": {"auth": {"type": "bearer", "token": "t"}},
        "headers": {"headers": {"B": "3"}},
    }
    made = RestOptions.model_validate(presets.applied({**own, **changes[key]}, tmp_path) | {"preset": None})
    assert made.root == "https://acme.example.com"
    contact = made.records["contact"]
    assert contact.fields is not None
    if key == "records":
        assert {name: path.source for name, path in contact.fields.items()} == {"id": "id", "name": "full"}
        assert [step.path.source for [step] in contact.tries] == ["/b/{{ phone }}"]
    if key == "activity":
        assert made.activity is not None
        assert made.activity.create.json_ is not None
        assert made.activity.create.json_.fill({"activity": {"note": "x"}}) == {"note": "x", "owner": 5}
    assert (made.tasks is None) == (key == "tasks")
    assert made.auth.type == ("bearer" if key == "auth" else "api_key")
    assert {name: str(value) for name, value in made.headers.items()} == {
        "A": "1",
        "B": "3" if key == "headers" else "2",
    }


def test_a_preset_is_not_changed_by_what_overrides_it() -> None:
    base = {"a": {"b": [1], "c": 2}}
    assert merged(base, {"a": {"c": 3, "d": 4}}) == {"a": {"b": [1], "c": 3, "d": 4}}
    assert base == {"a": {"b": [1], "c": 2}}


@pytest.mark.parametrize("name", presets.names(presets.shipped()))
def test_shipped_presets_hold_nothing_of_one_admin(name: str) -> None:
    text = presets.shipped().joinpath(f"{name}.yaml").read_text("utf-8")
    assert "${" not in text
    assert "type" not in presets.read(name, presets.shipped())


@pytest.mark.parametrize(
    ("text", "said"),
    [("- 1", "holds no keys"), ("a: [", "can't be read"), ("a: 1\na: 2", "can't be read")],
)
def test_a_preset_that_is_none_is_told(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "broken.yaml").write_text(text)
    with pytest.raises(ValidationError, match=said) as raised:
        presets.applied({"preset": "broken"}, tmp_path)
    assert raised.value.errors()[0]["loc"] == ("preset",)
    with pytest.raises(ValidationError, match="did you mean broken"):
        presets.applied({"preset": "brokn"}, tmp_path)


def test_a_path_that_would_lead_elsewhere_is_not_made() -> None:
    path = PathTemplate("/orders/{{ key }}/lines?x={{ key }}")
    assert path.fill({"key": "a b/ñ"}) == "/orders/a%20b%2F%C3%B1/lines?x=a%20b%2F%C3%B1"
    for key in ("", " ", ".", ".."):
        with pytest.raises(ValueError, match="in the path"):
            path.fill({"key": key})


@pytest.mark.parametrize(
    ("path", "value", "expected"),
    [
        ("a.b", {"a": {"b": 1}}, 1),
        ("a.b", {"a": None}, None),
        ("a.b", {"a": "text"}, None),
        ("a.b", None, None),
        ("join(' ', [a, b])", {"a": "x", "b": None}, None),
        ("length(a)", {}, None),
        ("not_null(a, b)", {"b": 2}, 2),
        ('"odd key".x', {"odd key": {"x": 3}}, 3),
    ],
)
def test_a_missing_value_in_the_middle_of_a_path_is_empty(path: str, value: object, expected: object) -> None:
    assert JmesPath(path).search(value) == expected

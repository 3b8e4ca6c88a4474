"""The pretended Salesforce does what Salesforce's documentation says; what it tests rests on that."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.fakes.salesforce import FakeSalesforce, Org
from tests.fakes.salesforce.org import full_id

ROOT = "/services/data/v64.0/"


class Api:
    """A client without any cleverness."""

    def __init__(self, fake: FakeSalesforce) -> None:
        self.fake = fake
        self.session = requests.Session()
        self.session.trust_env = False  # a CA in the environment would take the place of this one
        self.session.verify = str(fake.ca_file)
        self.session.headers["Authorization"] = f"Bearer {fake.signin.open()}"

    def __call__(self, method: str, path: str, body: Any = None, **more: Any) -> requests.Response:
        url = self.fake.url + (path if path.startswith("/") else ROOT + path)
        return self.session.request(method, url, json=body, timeout=30, **more)

    def query(self, soql: str) -> list[dict[str, Any]]:
        answer = self("GET", "query/", params={"q": soql})
        assert answer.status_code == 200, answer.text
        records: list[dict[str, Any]] = answer.json()["records"]
        return records

    def code(self, method: str, path: str, body: Any = None, **more: Any) -> tuple[int, str]:
        answer = self(method, path, body, **more)
        return answer.status_code, answer.json()[0]["errorCode"]

    def refused(self, soql: str) -> str:
        return self.code("GET", "query/", params={"q": soql})[1]


@pytest.fixture
def fake(tmp_path: Path) -> Iterator[FakeSalesforce]:
    with contextlib.closing(FakeSalesforce(tmp_path)) as server:
        yield server


@pytest.fixture
def api(fake: FakeSalesforce) -> Iterator[Api]:
    made = Api(fake)
    with made.session:
        yield made


@pytest.mark.parametrize(
    ("soql", "names"),
    [
        ("SELECT LastName FROM Contact WHERE LastName = 'ana'", ["Ana"]),  # case is ignored
        ("SELECT LastName FROM Contact WHERE LastName = 'O\\'Brien'", ["O'Brien"]),
        ("SELECT LastName FROM Contact WHERE LastName LIKE 'a%'", ["Ana"]),
        ("SELECT LastName FROM Contact WHERE LastName LIKE '100\\%'", ["100%"]),
        ("SELECT LastName FROM Contact WHERE LastName LIKE '_na'", ["Ana"]),
        ("SELECT LastName FROM Contact WHERE LastName IN ('Ana', 'Nobody')", ["Ana"]),
        ("SELECT LastName FROM Contact WHERE Phone = null ORDER BY LastName", ["100%", "O'Brien"]),
        ("SELECT LastName FROM Contact WHERE Phone = ''", ["O'Brien", "100%"]),  # as null
        ("SELECT LastName FROM Contact WHERE NOT (LastName = 'Ana') AND Phone = null LIMIT 1", ["O'Brien"]),
        ("SELECT LastName FROM Contact WHERE (LastName = 'Ana' OR LastName = 'x') AND Phone != null", ["Ana"]),
        ("SELECT LastName FROM Contact WHERE CreatedDate >= LAST_N_DAYS:2 ORDER BY LastName DESC LIMIT 1", ["O'Brien"]),
        ("SELECT LastName FROM Contact WHERE CreatedDate < 2020-01-01T00:00:00Z", []),
        ("SELECT LastName FROM Contact ORDER BY LastName ASC NULLS LAST LIMIT 1 OFFSET 1", ["Ana"]),
    ],
)
def test_queries(fake: FakeSalesforce, api: Api, soql: str, names: list[str]) -> None:
    fake.org.add("Contact", LastName="Ana", Phone="1234567")
    fake.org.add("Contact", LastName="O'Brien")
    fake.org.add("Contact", LastName="100%")
    assert [one["LastName"] for one in api.query(soql)] == names


@pytest.mark.parametrize(
    ("soql", "code"),
    [
        ("SELECT Id FROM Contact WHERE Name = 'a' AND Name = 'b' OR Name = 'c'", "MALFORMED_QUERY"),
        ("SELECT Id FROM Contact WHERE Name = 'O'Brien'", "MALFORMED_QUERY"),
        ("SELECT Id FROM Contact WHERE Name = 'a\\d'", "MALFORMED_QUERY"),
        ("SELECT Id FROM Contact WHERE Name = 'a\\%'", "MALFORMED_QUERY"),  # that is for LIKE alone
        ("SELECT Id FROM Contact WHERE Name = '" + "a" * 4001 + "'", "MALFORMED_QUERY"),
        ("SELECT Id FROM Contact WHERE", "MALFORMED_QUERY"),
        ("SELECT Id FROM Contact; DELETE", "MALFORMED_QUERY"),
        ("SELECT Id FROM Contact WHERE Name == 'a'", "MALFORMED_QUERY"),
        ("SELECT * FROM Contact", "MALFORMED_QUERY"),
        ("SELECT Id FROM Contact LIMIT x", "MALFORMED_QUERY"),
        ("DELETE FROM Contact", "MALFORMED_QUERY"),
        ("SELECT Nothing FROM Contact", "INVALID_FIELD"),
        ("SELECT Id FROM Contact WHERE Owner.Nothing = 'x'", "INVALID_FIELD"),
        ("SELECT Who.MobilePhone FROM Task", "INVALID_FIELD"),
        ("SELECT Id FROM Lead WHERE IsConverted = 'false'", "INVALID_FIELD"),
        ("SELECT Id FROM Contact WHERE Name = 5", "INVALID_FIELD"),
        ("SELECT Id FROM Task WHERE Description = 'x'", "INVALID_FIELD"),
        ("SELECT IsPersonAccount FROM Account", "INVALID_FIELD"),
        ("SELECT Id FROM Nothing", "INVALID_TYPE"),
        ("SELECT Id FROM Contact WHERE Id = 'x'", "INVALID_QUERY_FILTER_OPERATOR"),
    ],
)
def test_queries_that_are_refused(api: Api, soql: str, code: str) -> None:
    assert api.refused(soql) == code


def test_polymorphic_paths_show_phones_of_users_alone(fake: FakeSalesforce, api: Api) -> None:
    agent = fake.org.add("User", Name="Agent", Phone="1")
    queue = fake.org.add("Group", Name="Queue")
    ana = fake.org.add("Contact", LastName="Ana", Phone="2", MobilePhone="3")
    fake.org.add("Lead", LastName="L", Company="x", OwnerId=agent)
    fake.org.add("Lead", LastName="M", Company="x", OwnerId=queue)
    fake.org.add("Task", WhoId=ana)
    leads = api.query("SELECT Owner.Phone, Owner.Type FROM Lead ORDER BY LastName")
    assert [(one["Owner"]["Phone"], one["Owner"]["Type"]) for one in leads] == [("1", "User"), (None, "Group")]
    [task] = api.query("SELECT Who.Phone, Who.Name FROM Task")
    assert (task["Who"]["Phone"], task["Who"]["Name"]) == (None, "Ana")
    [task] = api.query("SELECT TYPEOF Who WHEN Contact THEN Phone, MobilePhone WHEN Lead THEN Phone END FROM Task")
    assert (task["Who"]["Phone"], task["Who"]["MobilePhone"]) == ("2", "3")


@pytest.mark.parametrize("spelling", ["600 11 12 22", "+34-600-111-222", "(0034) 600111222 ext. 5", "600111222 / 911"])
@pytest.mark.parametrize("term", ["600111222", "34600111222", "0034600111222"])
def test_the_index_ignores_punctuation_and_not_the_country_code(
    fake: FakeSalesforce, api: Api, spelling: str, term: str
) -> None:
    fake.org.add("Contact", LastName="Ana", Phone=spelling)
    answer = api("GET", "search/", params={"q": f"FIND {{{term}}} IN PHONE FIELDS RETURNING Contact(LastName)"})
    digits = {"6": "600111222", "+": "34600111222", "(": "0034600111222"}[spelling[0]]
    assert len(answer.json()["searchRecords"]) == (term == digits)


@pytest.mark.parametrize(
    ("sosl", "code"),
    [
        ("FIND {600-111} IN PHONE FIELDS RETURNING Contact(Id)", "MALFORMED_SEARCH"),
        ("FIND {a{b} RETURNING Contact(Id)", "MALFORMED_SEARCH"),
        ("FIND 'x' RETURNING Contact(Id)", "MALFORMED_SEARCH"),
        ("FIND {ab OR} RETURNING Contact(Id)", "MALFORMED_SEARCH"),
        ("FIND {1} IN PHONE FIELDS RETURNING Contact(Id)", "INVALID_SEARCH"),
        ("FIND {600} RETURNING Contact(Nothing)", "INVALID_FIELD"),
        ("FIND {600} RETURNING Contact(Id) Lead(Id)", "MALFORMED_QUERY"),
    ],
)
def test_searches_that_are_refused(api: Api, sosl: str, code: str) -> None:
    assert api.code("GET", "search/", params={"q": sosl}) == (400, code)


def test_escaped_characters_are_searched_for_and_operators_work(fake: FakeSalesforce, api: Api) -> None:
    fake.org.add("Contact", LastName="Ana", Phone="600111222")
    fake.org.add("Lead", LastName="Luis", Company="x", Phone="600333444")
    returning = "RETURNING Contact(Id WHERE LastName = 'Ana' LIMIT 5), Lead(Id)"
    for find, count in (("600111222 OR 600333444", 2), ("600111222 AND 600333444", 0), ("60011*", 1), ("600\\-1", 0)):
        answer = api("GET", "search/", params={"q": f"FIND {{{find}}} IN PHONE FIELDS {returning}"})
        assert len(answer.json()["searchRecords"]) == count


def test_the_index_may_lag(fake: FakeSalesforce, api: Api) -> None:
    fake.org.index_lags = True
    api("POST", "sobjects/Contact/", {"LastName": "Ana", "Phone": "600111222"})
    params = {"q": "FIND {600111222} IN PHONE FIELDS RETURNING Contact(Id)"}
    assert api("GET", "search/", params=params).json()["searchRecords"] == []
    fake.org.reindex()
    assert len(api("GET", "search/", params=params).json()["searchRecords"]) == 1


def test_an_upsert_makes_changes_and_refuses(fake: FakeSalesforce, api: Api) -> None:
    path = "sobjects/Task/Infocaller_Id__c/a%2Fb"
    made = api("PATCH", path, {"Subject": "one", "TaskSubtype": "Call"})
    assert (made.status_code, made.json()["created"]) == (201, True)
    changed = api("PATCH", path, {"Subject": "two"})
    assert (changed.status_code, changed.json()["id"], changed.json()["created"]) == (200, made.json()["id"], False)
    assert api.code("PATCH", path, {"TaskSubtype": "Call"}) == (400, "INVALID_FIELD_FOR_INSERT_UPDATE")
    assert api.code("PATCH", path, {"Infocaller_Id__c": "x"}) == (400, "INVALID_FIELD")
    assert api.code("PATCH", "sobjects/Task/Subject/x", {}) == (404, "NOT_FOUND")
    fake.org.add("Task", Infocaller_Id__c="a/b")
    several = api("PATCH", path, {"Subject": "three"})
    assert (several.status_code, len(several.json())) == (300, 2)


@pytest.mark.parametrize(
    ("kind", "body", "code"),
    [
        ("Task", {"Nothing__c": 1}, "INVALID_FIELD"),
        ("Task", {"Subject": "x" * 256}, "STRING_TOO_LONG"),
        ("Task", {"TaskSubtype": "Nonsense"}, "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST"),
        ("Task", {"CallDurationInSeconds": "many"}, "JSON_PARSER_ERROR"),
        ("Task", {"WhoId": "0038d0000000ZZZ"}, "INVALID_CROSS_REFERENCE_KEY"),
        ("Task", {"ActivityDate": "tomorrow"}, "JSON_PARSER_ERROR"),
        ("Task", {"IsClosed": True}, "INVALID_FIELD_FOR_INSERT_UPDATE"),
        ("Lead", {"LastName": "x"}, "REQUIRED_FIELD_MISSING"),
        ("Lead", {"LastName": "  ", "Company": "x"}, "REQUIRED_FIELD_MISSING"),
    ],
)
def test_records_that_are_refused(api: Api, kind: str, body: dict[str, Any], code: str) -> None:
    assert api.code("POST", f"sobjects/{kind}/", body) == (400, code)


def test_references_of_the_wrong_kind_and_inactive_owners_are_refused(fake: FakeSalesforce, api: Api) -> None:
    firm = fake.org.add("Account", Name="Acme")
    lead = fake.org.add("Lead", LastName="L", Company="x")
    gone = fake.org.add("User", Name="Gone", IsActive=False)
    assert api.code("POST", "sobjects/Task", {"WhoId": firm})[1] == "FIELD_INTEGRITY_EXCEPTION"
    assert api.code("POST", "sobjects/Task", {"WhoId": lead, "WhatId": firm})[1] == "FIELD_INTEGRITY_EXCEPTION"
    assert api.code("POST", "sobjects/Task", {"OwnerId": gone})[1] == "OPERATION_WITH_INACTIVE_USER"


def test_collections_answer_200_with_each_records_result(fake: FakeSalesforce, api: Api) -> None:
    def record(**fields: Any) -> dict[str, Any]:
        return {"attributes": {"type": "Task"}, **fields}

    records = [record(Infocaller_Id__c="a", Subject="1"), record(Infocaller_Id__c="b", Nothing__c=1),
               record(Infocaller_Id__c="a", Subject="2")]  # fmt: skip
    answer = api("PATCH", "composite/sobjects/Task/Infocaller_Id__c", {"allOrNone": False, "records": records})
    assert answer.status_code == 200
    assert [one["success"] for one in answer.json()] == [True, False, False]
    assert [one["errors"][0]["statusCode"] for one in answer.json()[1:]] == ["INVALID_FIELD", "DUPLICATE_VALUE"]
    many = {"allOrNone": False, "records": [record(Subject="x")] * 201}
    assert api.code("POST", "composite/sobjects", many)[1] == "EXCEEDED_ID_LIMIT"
    made = api("POST", "composite/sobjects", {"allOrNone": False, "records": [record(Subject="x")] * 200}).json()
    ids = [{"attributes": {"type": "Task"}, "id": made[0]["id"], "Subject": "y"}]
    assert api("PATCH", "composite/sobjects", {"allOrNone": False, "records": ids}).json()[0]["success"]
    assert fake.org.row(made[0]["id"])["Subject"] == "y"  # type: ignore[index]  # it is there


def test_answers_come_in_pages_and_count(fake: FakeSalesforce, api: Api) -> None:
    fake.api.page = 2
    for number in range(5):
        fake.org.add("Contact", LastName=str(number))
    page = api("GET", "query/", params={"q": "SELECT LastName FROM Contact"})
    assert page.headers["Sforce-Limit-Info"] == "api-usage=1/15000; api-bursts=1/750"
    names = []
    body = page.json()
    while True:
        names += [one["LastName"] for one in body["records"]]
        if body["done"]:
            break
        body = api("GET", body["nextRecordsUrl"]).json()
    assert names == ["0", "1", "2", "3", "4"]
    fake.api.pages.clear()
    assert api.code("GET", "query/01g000-2") == (400, "INVALID_QUERY_LOCATOR")


def test_versions_sessions_limits_and_urls(fake: FakeSalesforce, api: Api) -> None:
    assert {"version": "64.0", "label": "64.0", "url": "/services/data/v64.0"} in api("GET", "/services/data/").json()
    assert api.code("GET", "/services/data/v30.0/query/") == (410, "UNSUPPORTED_API_VERSION")
    assert api("GET", "query/", params={"q": "SELECT Id FROM Contact" + " " * 17_000}).status_code == 414
    fake.api.allowed = 0
    assert api.code("GET", "query/", params={"q": "SELECT Id FROM Contact"}) == (403, "REQUEST_LIMIT_EXCEEDED")
    fake.signin.expire()
    assert api.code("GET", "query/") == (401, "INVALID_SESSION_ID")


def test_troubles_happen_as_often_as_ordered(fake: FakeSalesforce, api: Api) -> None:
    fake.fail(503, "SERVER_UNAVAILABLE", match="limits")
    assert api.code("GET", "limits") == (503, "SERVER_UNAVAILABLE")
    assert api("GET", "limits").status_code == 200
    fake.lose("POST")
    with pytest.raises(requests.ConnectionError):
        api("POST", "sobjects/Task", {"Subject": "kept"})
    assert [row["Subject"] for row in fake.org.all("Task")] == ["kept"]
    fake.go_away()
    with pytest.raises(requests.ConnectionError):
        api("GET", "limits")
    fake.come_back()
    assert api("GET", "limits").status_code == 200


def test_person_accounts_are_there_only_where_they_are_on() -> None:
    assert Org().objects["account"].fields.get("ispersonaccount") is None
    assert Org(person_accounts=True).objects["account"].fields["ispersonaccount"]


def test_ids_of_15_have_the_suffix_that_says_their_capitals() -> None:
    assert full_id("0018d00000AbCdE") == "0018d00000AbCdEAAV"
    assert full_id("000000000000000") == "000000000000000AAA"


def test_it_runs_as_a_process_of_its_own() -> None:
    with subprocess.Popen(
        [sys.executable, "-m", "tests.fakes.salesforce"], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        text = ""
        while "\n}" not in text:
            text += process.stdout.readline()
        said = json.loads(text)
        login = said["login"]
        answer = requests.post(f"{login['domain']}/services/oauth2/token", timeout=30, verify=said["ca_file"],
                               data={"grant_type": "client_credentials"},
                               auth=(login["client_id"], login["client_secret"]))  # fmt: skip
        process.terminate()
    assert answer.json()["instance_url"] == login["domain"]
    assert process.returncode == 0

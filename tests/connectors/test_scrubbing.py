"""What is kept holds no secret, and everything else as it was."""

from __future__ import annotations

from connectors.http.scrubbing import Scrubber


def test_secrets_are_known_by_their_value_and_by_their_name() -> None:
    scrubber = Scrubber(["s3cret/ü"])
    assert scrubber.value({
        "access_token": "abc", "sessionId": 12345, "nested": [{"clientSecret": "x"}], "author": "Ana", "key": "K-1",
        "note": "the s3cret/ü is out", "url": "https://crm.example/?api_key=abc&q=600112233", "n": 12.5, "on": True,
        "token": None, "next": "https://crm.example/a?q=1",
    }) == {
        "access_token": "hidden-1", "sessionId": "hidden-2", "nested": [{"clientSecret": "hidden-3"}], "author": "Ana",
        "key": "K-1", "note": "the hidden-4 is out", "url": "https://crm.example/?api_key=hidden-1&q=600112233",
        "n": 12.5, "on": True, "token": None, "next": "https://crm.example/a?q=1",
    }  # fmt: skip


def test_a_secret_is_found_in_the_spellings_of_urls_and_xml() -> None:
    scrubber = Scrubber(["p&ss/ü"])
    assert scrubber.text("/a/p%26ss%2F%C3%BC/b") == "/a/hidden-1/b"
    assert scrubber.text("<n:user>me</n:user><n:password>p&amp;ss/ü</n:password>") == (
        "<n:user>me</n:user><n:password>hidden-1</n:password>"
    )
    assert scrubber.text("<sessionId>00D!abc</sessionId>") == "<sessionId>hidden-2</sessionId>"
    assert scrubber.text("<xsid>00D!abc</xsid>") == "<xsid>hidden-2</xsid>"


def test_what_stands_for_a_secret_stays() -> None:
    scrubber = Scrubber(["hidden-3"])
    assert scrubber.pair("token", "hidden-3") == ("token", "hidden-3")
    assert scrubber.pair("token", "") == ("token", "")
    assert scrubber.pair("q", "600112233") == ("q", "600112233")


def test_a_secret_is_found_in_a_text_that_is_json() -> None:
    assert Scrubber(['p"ñ/1']).value({"echo": r'{"p": "p\"\u00f1\/1"}'}) == {"echo": '{"p": "hidden-1"}'}

import pytest

from bridge.infocaller.charset import decode, storable


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        ("Begoña".encode(), "Begoña"),
        ("Begoña".encode("iso-8859-1"), "Begoña"),
        ("10 € “x”".encode("cp1252"), "10 € “x”"),
        (b"\xf1\x81", "ñ\x81"),
        (b"\xef\xbb\xbf{}", "{}"),
        ("ñ€".encode("utf-16"), "ñ€"),
        (b"\xfe\xff\x00\xf1", "ñ"),
        (b"\xff\xfex", "ÿþx"),
        (b"\xc0\xaf", "À¯"),
        (b"\xed\xa0\x80", "í\xa0€"),
        (b"\xc3\xb1\xf1", "Ã±ñ"),
        (b"", ""),
    ],
)
def test_bytes_become_the_text_that_they_are(raw: bytes, text: str) -> None:
    assert decode(raw) == text


def test_what_no_store_takes_is_marked() -> None:
    assert storable("a\x00b\ud800c\udfffñ😀") == "a\ufffdb\ufffdc\ufffdñ😀"

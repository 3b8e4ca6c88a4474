import hashlib

import pytest

from bridge.errors import ProtocolError
from bridge.infocaller.messages import Document, Format
from bridge.infocaller.signature import emission, inbound, matches

SIGNED = "ae73e4b16a280726fb2e0e6bfb43902a"


def document(signature: str, line_number: str = "123456789") -> Document:
    return Document(Format.JSON, line_number, "98565656", signature)


def test_the_manuals_sample_of_a_signature() -> None:
    assert inbound("123456789", "98565656", "3956") == SIGNED


def test_the_manuals_sample_of_md5_is_over_iso_8859_1() -> None:
    assert emission("Esto sí es una ", "prueba de MD5") == "e99008846853ff3b725c27315e469fbc"


def test_an_emission_signs_line_and_password() -> None:
    assert emission("123456789", "3956") == hashlib.md5(b"1234567893956").hexdigest()


@pytest.mark.parametrize("signature", [SIGNED, SIGNED.upper(), f" {SIGNED}\n"])
def test_a_right_signature_matches_in_either_case(signature: str) -> None:
    assert matches(document(signature), "3956")


@pytest.mark.parametrize("signature", ["", SIGNED[:-1], SIGNED + "0", "ñ€", "\ud800", "K" * 32, "x" * 100_000])
def test_a_wrong_signature_never_matches_and_never_fails(signature: str) -> None:
    assert not matches(document(signature), "3956")


def test_another_password_or_line_does_not_match() -> None:
    assert not matches(document(SIGNED), "3957")
    assert not matches(document(SIGNED, "123456780"), "3956")


def test_what_iso_8859_1_can_not_hold_is_not_signed_and_matches_nothing() -> None:
    assert not matches(document(SIGNED, "€"), "3956")
    assert not matches(document(SIGNED), "€")
    with pytest.raises(ProtocolError, match="ISO-8859-1") as refused:
        inbound("1", "2", "sécr€t")
    assert "cr€t" not in str(refused.value)

"""Which columns hold what, told by the header and by the cells."""

from __future__ import annotations

import pytest

from bridge.setup.columns import Choice, guess, is_extension, looks_like_header, nameless


def rows(*columns: list[str]) -> list[list[str]]:
    return [list(cells) for cells in zip(*columns, strict=True)]


NAMES = ["Begoña Núñez", "José Peña", "Ana Gil"]
MOBILES = ["600 11 12 22", "+34 611-222-333", "622333444"]


@pytest.mark.parametrize(
    ("header", "columns", "choice"),
    [
        (["Nombre", "Teléfono"], [NAMES, MOBILES], Choice(("Teléfono",), "Nombre")),
        (
            ["name", "phone", "agent_phone"],
            [NAMES, MOBILES, ["911000001"] * 3],
            Choice(("phone",), "name", "agent_phone"),
        ),
        (["CLIENTE", "TLF.", "EXT."], [NAMES, MOBILES, ["101", "102", "101"]], Choice(("TLF.",), "CLIENTE", "EXT.")),
        (["Paciente", "Tel. móvil", "Médico"], [NAMES, MOBILES, NAMES], Choice(("Tel. móvil",), "Paciente")),
        (
            ["Razón social", "Contacto", "Nº"],
            [["Peña S.L."] * 3, MOBILES, ["1", "2", "3"]],
            Choice(("Contacto",), "Razón social"),
        ),
        (["Nombre", "Fax", "DNI"], [NAMES, MOBILES, ["12345678Z"] * 3], Choice((), "Nombre")),
        (["a", "b"], [NAMES, MOBILES], Choice(("b",))),
        (["Nombre", "Tele\u0301fono"], [NAMES, MOBILES], Choice(("Tele\u0301fono",), "Nombre")),
        (["Código postal", "Teléfono", "Edad"], [["28001"] * 3, MOBILES, ["44", "51", "30"]], Choice(("Teléfono",))),
        (
            ["Nombre", "Tel. comercial", "Móvil"],
            [NAMES, ["911000001"] * 3, MOBILES],
            Choice(("Móvil",), "Nombre", "Tel. comercial"),
        ),
        (
            ["Nombre comercial", "Nombre completo", "Telf 1", "Telf 2"],
            [["Peña S.L."] * 3, NAMES, MOBILES, ["", "", "912001122"]],
            Choice(("Telf 1", "Telf 2"), "Nombre completo"),
        ),
        ([], [], Choice()),
    ],
)
def test_columns_are_told(header: list[str], columns: list[list[str]], choice: Choice) -> None:
    assert guess(header, rows(*columns), "ES") == choice


def test_columns_of_numbers_without_a_name_are_told_by_their_letters() -> None:
    header = ["Nombre", "Teléfonos", "", *["x"] * 23, "", ""]
    filled = rows(NAMES, MOBILES, ["Fijo", "912001122", "912001123"], *[NAMES] * 23, MOBILES, NAMES)
    assert nameless(header, filled, "ES") == ("C", "AA")
    assert nameless(["", "Tel."], rows(["", "", ""], MOBILES), "ES") == ()


def test_a_list_without_rows_is_told_by_its_header_alone() -> None:
    assert guess(["Nombre", "Teléfono", "Extensión"], [], "ES") == Choice(("Teléfono",), "Nombre", "Extensión")


def test_few_numbers_that_come_again_and_again_are_those_of_the_firm() -> None:
    header = ["Teléfono", "Número interno de quien atiende", "x"]
    many = [f"6001112{number:02}" for number in range(20)]
    few = ["911000001", "911000002"] * 10
    assert guess(header, rows(many, [""] * 20, few), "ES") == Choice(("Teléfono",), "", "x")


@pytest.mark.parametrize(
    ("text", "may_be"), [("101", True), ("*21", True), ("112", False), ("", False), ("1234567", False)]
)
def test_the_number_of_the_police_is_no_extension(text: str, may_be: bool) -> None:
    assert is_extension(text, "ES") is may_be


def test_a_header_is_neither_a_title_nor_a_row_of_data() -> None:
    assert looks_like_header(["Nombre", "Teléfono"], "ES")
    assert not looks_like_header(["Listado de clientes", ""], "ES")
    assert not looks_like_header(["Ana", "600111222"], "ES")

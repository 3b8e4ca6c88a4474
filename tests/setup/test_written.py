"""Whatever comes in comes out of the configuration and of `.env` with the same meaning."""

from __future__ import annotations

import subprocess
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from bridge.config.dotenv import parse, written
from bridge.config.environment import Environment
from bridge.config.load import load
from bridge.config.source import read
from bridge.infocaller.signature import inbound
from bridge.setup import answers, yamltext
from bridge.setup.columns import Choice
from bridge.setup.configuration import KnownAnswer, Setup, config_text, dotenv_text
from bridge.setup.files import NotWritten, publish
from bridge.setup.source import contacts_source, written_path
from bridge.texts import Language

NASTY = [
    '"',
    "'",
    ": ",
    "{{ x }}",
    "${X}",
    "$${X}",
    "#",
    "- a",
    "&a",
    "*a",
    "!x",
    "%",
    "@",
    "`",
    "|",
    ">",
    "?",
    "[",
    "]",
    ",",
    "\\",
    "\t",
    "e\u0301",
    "\u2028",
    "\x85",
    "\ufeff",
    "no",
    "null",
    "~",
    "1e3",
    "\U0001f600",
    "\x07",
    "\n",
]
texts = st.lists(st.sampled_from(NASTY) | st.text(st.characters(codec="utf-8"), max_size=5), max_size=6).map("".join)
names = texts.map(str.strip).filter(lambda name: 0 < len(name) < 100)


@settings(max_examples=50, deadline=None)
@given(value=texts, key=texts)
def test_yaml_means_what_went_in(value: str, key: str) -> None:
    text = "\n".join(
        yamltext.lines({"map": {"k": value, "list": [value, "x"]}, f"k{key}": [{"a": value, "b": {"c": value}}]})
    )
    environment = Environment({"X": "from outside"}, Path())
    got = read(f"{text}\n", environment.fill).value
    assert got == {"map": {"k": value, "list": [value, "x"]}, f"k{key}": [{"a": value, "b": {"c": value}}]}
    assert environment.warnings == []


@given(comment=texts)
def test_a_comment_stays_one(comment: str) -> None:
    assert all(line.startswith("#") for line in yamltext.comment(comment).split("\n"))


@example(value="39 '\"\\$x#56`")
@example(value="'\\")
@example(value="")
@given(value=texts)
def test_a_secret_means_what_went_in(value: str) -> None:
    try:
        line = written("NAME", value)
    except ValueError:
        assert not value.isprintable()
        return
    assert parse(f"# c\n{line}\n").values == {"NAME": value}
    assert (parse(line).broken, parse(line).odd) == ([], [])


@example(value="39 '\"\\$x#56`")
@settings(max_examples=30, deadline=None)
@given(value=texts)
def test_a_shell_reads_a_secret_alike(value: str) -> None:
    try:
        line = written("NAME", value)
    except ValueError:
        return
    done = subprocess.run(["sh"], input=f'{line}\nprintf %s "$NAME"'.encode(), capture_output=True, check=True)
    assert done.stdout.decode() == value


@settings(max_examples=30, deadline=None)
@given(
    phones=st.lists(names, min_size=1, max_size=3, unique=True),
    name=st.just("") | names,
    transfer=st.just("") | names,
    known=texts,
    language=st.sampled_from(["es", "en"]),
    password=st.text(st.characters(codec="latin-1"), min_size=1),
)
def test_a_whole_configuration_says_what_was_answered(
    phones: list[str], name: str, transfer: str, known: str, language: Language, password: str
) -> None:
    try:
        answers.password(password)
    except answers.AnswerRefused:
        password = "3956"
    source = contacts_source("clientes.csv", Choice(tuple(phones), name, "" if transfer == name else transfer))
    tests = [KnownAnswer("+34600111222", {"NOMBRE": known})]
    setup = Setup(language, "912345678", "ES", password, "k" * 32, source, "100", ("100",), (), tests)
    with TemporaryDirectory() as place:
        folder = Path(place)
        publish(folder / ".env", dotenv_text(setup))
        publish(folder / "config.yaml", config_text(setup))
        header = dict.fromkeys(filter(None, [*phones, name, "" if transfer == name else transfer]))
        with (folder / "clientes.csv").open("w", encoding="utf-8", newline="") as file:
            file.write(",".join('"' + title.replace('"', '""') + '"' for title in header) + "\n")
        loaded = read((folder / "config.yaml").read_text("utf-8"), Environment({}, folder).fill).value
    [table] = [loaded["connectors"]["agenda"]["tables"]["contact"]]
    assert table["phones"] == phones
    assert loaded["lines"][0]["password"] == password
    assert loaded["tests"][0]["answer"] == {"NOMBRE": known}
    assert loaded["language"] == language
    assert inbound("9", "1", password)


def test_what_is_there_is_left_as_it_is(tmp_path: Path) -> None:
    for name in ("file", "folder/", "link"):
        path = tmp_path / name
        if name.endswith("/"):
            path.mkdir()
        elif name == "link":
            path.symlink_to("nowhere")
        else:
            path.write_text("mine")
        with pytest.raises(NotWritten):
            publish(path, "theirs")
    assert (tmp_path / "file").read_text() == "mine"
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["file", "folder", "link"], "nothing is left behind"


def test_a_file_is_its_owners_alone(tmp_path: Path) -> None:
    publish(tmp_path / ".env", "A=1\n")
    assert (tmp_path / ".env").stat().st_mode & 0o777 == 0o600


def test_a_file_in_the_folder_is_named_by_its_name_and_another_whole(tmp_path: Path) -> None:
    assert written_path(tmp_path / "a" / "list.csv", tmp_path) == "a/list.csv"
    assert written_path(tmp_path / "list.csv", tmp_path / "a") == str((tmp_path / "list.csv").resolve())


@pytest.mark.parametrize(
    ("text", "number"), [("912 345 678", "912345678"), ("+34 912345678", "912345678"), ("0034912345678", "912345678")]
)
def test_a_line_is_written_as_the_platform_writes_it(text: str, number: str) -> None:
    assert answers.line_number(text) == number


@pytest.mark.parametrize("text", ["", "abc", "12", "9" * 16, "91234567a"])
def test_what_is_no_line_is_refused(text: str) -> None:
    with pytest.raises(answers.AnswerRefused):
        answers.line_number(text)


@pytest.mark.parametrize(
    ("text", "taken"),
    [
        ("", ("", "")),
        ("100", ("100", "extension")),
        ("910 00 00 00", ("910000000", "number")),
        ("900 123 456", ("+34900123456", "allow")),
    ],
)
def test_reception_is_an_extension_or_a_number(text: str, taken: tuple[str, str]) -> None:
    assert answers.destination(text, "912345678") == taken


@pytest.mark.parametrize("text", ["912345678", "112", "806123456", "recepción", "{{ x }}"])
def test_what_no_call_can_be_put_through_to_is_refused(text: str) -> None:
    with pytest.raises(answers.AnswerRefused):
        answers.destination(text, "912345678")


def test_the_example_configuration_loads_without_a_warning(tmp_path: Path) -> None:
    (tmp_path / "clientes.csv").write_text("Teléfono,Nombre\n600111222,Ana\n", "utf-8")
    setup = Setup(
        "es", "912345678", "ES", "3956", "k" * 32, contacts_source("clientes.csv", Choice(("Teléfono",), "Nombre"))
    )
    publish(tmp_path / ".env", dotenv_text(setup))
    publish(tmp_path / "config.yaml", config_text(setup))
    assert load(tmp_path / "config.yaml", {}).warnings == ()

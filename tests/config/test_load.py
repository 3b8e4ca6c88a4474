from __future__ import annotations

import os
from pathlib import Path

import pytest

from bridge.config.load import attempt, load
from bridge.errors import ConfigurationFaults
from connectors.units import Duration
from tests.config.files import ENVIRONMENT, LINES, loaded, told, warned, write
from tests.nobody import own_folder, without_rights


def alone(path: Path) -> str:
    with pytest.raises(ConfigurationFaults) as caught:
        load(path, ENVIRONMENT)
    assert len(caught.value.faults) == 1
    return str(caught.value)


def test_a_file_that_is_not_there_is_one_line(tmp_path: Path) -> None:
    said = alone(tmp_path / "bridge.yaml")
    cure = "config.example.yaml is one to start from, and --config names another"
    assert said == f"{tmp_path / 'bridge.yaml'}: the file does not exist; {cure}"


def test_a_folder_is_one_line(tmp_path: Path) -> None:
    assert alone(tmp_path) == f"{tmp_path}: the file is a folder: name the file in it"


def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    assert alone(tmp_path / "pipe") == f"{tmp_path / 'pipe'}: the file is not a plain file"


def test_a_file_that_may_not_be_read_is_one_line() -> None:
    with own_folder() as folder:
        path = write(folder, LINES)
        with without_rights():
            assert path.read_text(encoding="utf-8")
        path.chmod(0)
        with without_rights():
            assert "may not be read by this user" in alone(path)


def test_a_name_that_is_no_file_name_is_one_line(tmp_path: Path) -> None:
    assert "can't be read" in alone(tmp_path / "a\0b")
    assert "can't be read" in alone(tmp_path / ("x" * 5000))


def test_a_file_among_files_is_one_line(tmp_path: Path) -> None:
    write(tmp_path, LINES)
    assert "can't be read" in alone(tmp_path / "bridge.yaml" / "bridge.yaml")


def test_relative_paths_start_at_the_files_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path, LINES)
    monkeypatch.chdir(tmp_path)
    result = load("bridge.yaml", ENVIRONMENT)
    assert (result.folder, result.path) == (tmp_path, Path("bridge.yaml"))
    assert result.folder.is_absolute()


def test_the_environment_is_the_processes_own_where_none_is_given(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PASSWORD", "4711")
    assert load(write(tmp_path, LINES)).configuration.lines[0].password.get_secret_value() == "4711"


def test_variables_files_and_defaults_are_put_in_anywhere_in_a_text(tmp_path: Path) -> None:
    (tmp_path / "secret").write_bytes(b"from\na file\r\n\n")
    configuration = loaded(
        tmp_path,
        """
        server:
          port: ${PORT}
          host: "${HOST:-127.0.0.1}"
          console_password: a${PASSWORD}b${EMPTY:-c}$${PASSWORD}
          metrics_token: ${file:secret}
        lines:
          - {number: "${NUMBER}", password: "${PASSWORD}"}
        retention: ${KEEP:-3h}
        """,
        {"PORT": "9090", "PASSWORD": "3956", "EMPTY": "", "NUMBER": "00912"},
    ).configuration
    server = configuration.server
    assert (server.port, server.host, configuration.lines[0].number) == (9090, "127.0.0.1", "00912")
    assert server.console_password is not None
    assert server.console_password.get_secret_value() == "a3956bc${PASSWORD}"
    assert server.metrics_token[0].get_secret_value() == "from\na file\r\n"
    assert configuration.retention == Duration(3 * 3600)


def test_what_a_variable_holds_is_not_read_as_yaml_or_filled_in_again(tmp_path: Path) -> None:
    held = "a: [1, 2]  # ${PASSWORD} $${x}"
    configuration = loaded(tmp_path, 'lines: [{number: "1", password: "${P}"}]', {"P": held}).configuration
    assert configuration.lines[0].password.get_secret_value() == held


def test_an_empty_optional_secret_is_none(tmp_path: Path) -> None:
    server = loaded(tmp_path, LINES + "server: {console_password: '${X:-}', url_key: ''}").configuration.server
    assert server.console_password is None
    assert not server.url_key


@pytest.mark.parametrize("inside", ["1X", "A B", "", "X-y", "X:?gone", "X:=y", "${X}"])
def test_what_is_no_variable_says_how_one_is_written(tmp_path: Path, inside: str) -> None:
    faults = told(tmp_path, f'{LINES}database: "${{{inside}}}"', {"PASSWORD": "1"})
    assert any("write" in fault and "database" in fault for fault in faults)


def test_a_variable_that_is_not_set_is_a_fault_at_its_place_and_nothing_follows_from_it(tmp_path: Path) -> None:
    cure = "set it, write it in .env beside the configuration, or give a default with"
    assert told(tmp_path, LINES + "server: {port: '${PORT}', host: 0.0.0.0, url_key: '${KEY}'}") == [
        f"3:16: server.port: the environment variable PORT is not set: {cure} ${{PORT:-default}}",
        f"3:51: server.url_key: the environment variable KEY is not set: {cure} ${{KEY:-default}}",
    ]


def test_a_secrets_file_that_is_no_text_or_too_large_is_a_fault(tmp_path: Path) -> None:
    (tmp_path / "binary").write_bytes(b"\xff\xfe\x00")
    (tmp_path / "large").write_bytes(b"x" * 100_000)
    text = LINES + "server: {console_password: '${file:binary}', metrics_token: '${file:large}'}"
    assert [fault.partition(": ")[2] for fault in told(tmp_path, text)] == [
        "server.console_password: the secret's file binary is not UTF-8 text",
        "server.metrics_token: the secret's file large is larger than 64 KiB: is it the right file?",
    ]


def test_all_files_that_were_read_have_a_fingerprint_even_if_faulty(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("x")
    text = LINES + "server: {console_password: '${file:secret}', metrics_token: '${file:none}'}"
    path = write(tmp_path, text)
    prints = attempt(path, ENVIRONMENT).files
    assert set(prints) == {path, tmp_path / "secret", tmp_path / "none"}
    assert prints[tmp_path / "none"] == ""
    (tmp_path / "secret").write_text("y")
    assert attempt(path, ENVIRONMENT).files[tmp_path / "secret"] != prints[tmp_path / "secret"]


def test_secrets_never_print(tmp_path: Path) -> None:
    text = """
    lines: [{number: "1", password: "${P}"}]
    server: {url_key: "${P}", console_password: "${P}", metrics_token: "${P}"}
    database: postgresql://bridge:${P}@localhost/bridge
    """
    result = loaded(tmp_path, text, {"P": "s3cret-s3cret-s3cret"})
    for shown in (repr(result), str(result.configuration), result.configuration.model_dump_json()):
        assert "s3cret" not in shown


CONNECTOR = """
connectors:
  agenda: {type: csv, tables: {contact: {file: contacts.csv, phones: [phone]}}}
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "contacts.csv").write_text("id,name,phone\n1,Ana,600111222\n")
    return tmp_path


def test_a_good_file_with_everything_used_has_no_warnings(folder: Path) -> None:
    text = f"""{LINES}{CONNECTOR}
sensitive: [TARJETA]
queries:
  A:
    find: {{contact: {{in: agenda, phone: "{{{{ caller }}}}"}}}}
    answer: {{NOMBRE: "{{{{ contact.name }}}}"}}
"""
    assert warned(folder, text) == []


def test_what_nothing_uses_is_warned_of(folder: Path) -> None:
    text = f"""{LINES}{CONNECTOR.rstrip()}
  idle: {{type: csv}}
sensitive: [TARJTEA]
queries:
  A:
    find:
      contact: {{in: agenda, phone: "{{{{ caller }}}}"}}
      again: {{in: agenda, table: contact, phone: "{{{{ vars.TARJETA }}}}", optional: true}}
    answer: [{{X: "1"}}, {{X: "2"}}]
    deadline: 30s
    cache: {{fresh: 2m, stale: 1m}}
"""
    assert warned(folder, text) == [
        "6:3: connectors.idle: nothing uses this connector",
        "7:13: sensitive[0]: no expression or answer uses this name; did you mean TARJETA?",
        "12:7: queries.A.find.again: nothing uses what is found here: name it in an expression ({{ again.… }}), or "
        "remove it",
        "13:24: queries.A.answer[1]: is never reached: the block above it has no when: that can fail",
        "14:15: queries.A.deadline: is longer than a caller and the platform are likely to wait; 1500ms to 3s is usual",
        "15:31: queries.A.cache.stale: is shorter than fresh: nothing is left for when the CRM is away",
    ]


def test_plain_secrets_are_warned_of_and_more_so_where_others_may_read_them(tmp_path: Path) -> None:
    text = 'lines: [{number: "1", password: "3956"}]\ndatabase: postgresql://bridge:secret@localhost/b\n'
    path = write(tmp_path, text)
    path.chmod(0o600)
    plain = "a secret in plain text: better ${NAME} or ${file:/run/secrets/name}"
    assert [(one.line, one.path, one.text) for one in load(path, {}).warnings] == [
        (1, "lines[0].password", plain),
        (2, "database", plain),
    ]
    path.chmod(0o644)
    open_to_all = load(path, {}).warnings[0]
    assert "every user of this machine may read it: chmod 640 bridge.yaml" in open_to_all.text
    assert "3956" not in str(load(path, {}).warnings)


def test_a_database_without_a_password_is_no_secret(tmp_path: Path) -> None:
    assert warned(tmp_path, LINES + "database: sqlite:///other.db") == []


def test_a_query_may_be_asked_for_in_any_case_by_a_test(tmp_path: Path) -> None:
    text = LINES + "queries: {Pedido: {answer: {X: '1'}}}\ntests: [{ask: PEDIDO, answer: {X: '1', Y: null}}]"
    assert loaded(tmp_path, text).configuration.tests[0].ask == "PEDIDO"


@pytest.mark.parametrize(
    ("server", "good"),
    [
        ("{}", True),
        ("{host: localhost}", True),
        ("{host: '::1'}", True),
        ("{host: 127.8.0.1}", True),
        ("{host: 0.0.0.0}", False),
        ("{host: '::'}", False),
        ("{host: bridge.example.com}", False),
        ("{host: 0.0.0.0, allowed_ips: [203.0.113.0/24]}", True),
        ("{host: 0.0.0.0, url_key: abcdefghijklmnop}", True),
        ("{host: 0.0.0.0, url_key: abcdefghijklmno}", False),
        ("{url_key: short}", False),
    ],
)
def test_a_server_that_others_reach_needs_a_key_or_a_list_of_addresses(tmp_path: Path, server: str, good: bool) -> None:
    faults = told(tmp_path, f"{LINES}server: {server}")
    assert all("server.url_key" in fault for fault in faults)
    assert (not faults) == good


@pytest.mark.parametrize(
    ("url", "good"),
    [
        ("sqlite:///bridge.db", True),
        ("sqlite:////var/lib/bridge.db", True),
        ("postgresql://user:pass@host:5432/name", True),
        ("postgresql://localhost/name?sslmode=require", True),
        ("sqlite://", False),
        ("sqlite:///", False),
        ("sqlite:///:memory:", False),
        ("postgresql://host", False),
        ("postgres://host/name", False),
        ("bridge.db", False),
    ],
)
def test_the_database_is_a_file_or_postgresql(tmp_path: Path, url: str, good: bool) -> None:
    assert (not told(tmp_path, f"{LINES}database: '{url}'")) == good


def test_lines_of_several_countries_are_fine(tmp_path: Path) -> None:
    text = """
    lines:
      - {number: "912345678", password: "${PASSWORD}", country: ES}
      - {number: "912345678", password: "${PASSWORD}", country: PT, timezone: Atlantic/Azores}
    """
    assert len(loaded(tmp_path, text).configuration.lines) == 2


def test_a_fault_in_a_merged_section_points_at_where_it_is_written(tmp_path: Path) -> None:
    text = f"""{LINES}
queries:
  A: &a
    answer: {{X: "1"}}
    deadline: soon
  B: *a
"""
    rule = "write a number and its unit, such as 1500ms, 2s, 5m, 3h or 90d"
    assert told(tmp_path, text) == [f"7:15: queries.A.deadline: {rule}", f"7:15: queries.B.deadline: {rule}"]


def test_what_is_behind_a_faulty_item_of_a_list_keeps_its_place(folder: Path) -> None:
    text = f"""{LINES}{CONNECTOR}
activities:
  - subject: to whom?
  - in: nobody
"""
    assert told(folder, text) == [
        '8:5: activities[0].in: is missing: the connector that keeps it, such as "agenda"',
        "9:9: activities[1].in: there is no connector nobody; there is only agenda",
    ]


def test_fields_are_not_judged_where_one_of_the_connectors_may_have_others(folder: Path) -> None:
    text = f"""{LINES}{CONNECTOR}
queries:
  A:
    find: {{contact: {{in: [agenda, nobody], phone: "{{{{ caller }}}}"}}}}
    answer: {{NOMBRE: "{{{{ contact.nombre }}}}"}}
"""
    assert told(folder, text) == [
        "9:35: queries.A.find.contact.in[1]: there is no connector nobody; there is only agenda"
    ]


def test_a_proxy_in_front_of_a_server_without_a_key_is_warned_of(tmp_path: Path) -> None:
    proxied = "server: {trusted_proxies: [127.0.0.1]}\n"
    [warning] = warned(tmp_path, proxied + LINES)
    assert "server.trusted_proxies: a proxy brings the world to this address: set server.url_key too" in warning
    for closed in ("url_key: '${PASSWORD}${PASSWORD}${PASSWORD}${PASSWORD}'", "allowed_ips: [203.0.113.7]"):
        assert warned(tmp_path, proxied.replace("{", "{" + closed + ", ") + LINES) == []

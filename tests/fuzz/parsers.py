"""Everything that reads what strangers wrote, fed by libFuzzer (atheris), which follows the branches that are taken:

    python -m tests.fuzz.parsers --seconds 60           # each target in turn, for its share of the time
    python -m tests.fuzz.parsers --target document --seconds 600 --corpus /tmp/corpus

A target may refuse what it is given by the exception that is promised for it, and must not hang. What breaks it is
written to ./crash-…, and the exit code is 1.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable
from itertools import islice
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["bridge", "connectors"]):
    from bridge.config.load import examine
    from bridge.errors import ProtocolError
    from bridge.infocaller import document, signature
    from bridge.infocaller.messages import Document, Format
    from bridge.setup.columns import guess
    from bridge.web import taskjson
    from connectors import dates, phone
    from connectors.csv.columns import Columns
    from connectors.csv.reading import Damaged, Oddities
    from connectors.csv.source import FileForm, table_rows
    from connectors.salesforce import outbound_message

_FORMS = ("", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "text/xml; charset=utf-16")
_LONGEST = 4096
_SLOW = 10  # seconds for one input: libFuzzer says that it hangs
_E164 = re.compile(r"\+[0-9]{4,17}")
_FOLDER = Path(tempfile.gettempdir())


def _document(data: bytes) -> None:
    given = atheris.FuzzedDataProvider(data)
    kind = given.PickValueInList(list(_FORMS))
    body = given.ConsumeBytes(_LONGEST)
    try:
        read = document.read(body, kind)
    except ProtocolError as error:
        error.args[0].encode()
        return
    signature.matches(read, "3956")
    cleared = document.without(read, {"DNI"})
    assert not cleared.signature
    again = document.read_text(document.text(cleared))
    assert again.call_sequence == cleared.call_sequence
    assert document.from_normalised(document.normalised(cleared)).variables == cleared.variables


def _task(data: bytes) -> None:
    try:
        task = taskjson.read(data)
    except taskjson.UnreadableTask:
        return
    assert task.id


def _outbound(data: bytes) -> None:
    try:
        read = outbound_message.read(data)
    except outbound_message.UnreadableMessage:
        return
    assert 1 <= len(read.notifications) <= outbound_message.MOST


def _table(data: bytes) -> None:
    with tempfile.TemporaryFile() as file:
        file.write(data)
        file.flush()
        try:
            with table_rows(file, _FOLDER / "contacts.csv", FileForm(), Columns(), Oddities()) as table:
                read = [cells for _, cells in islice(table.rows, 200)]
        except Damaged:
            return
        assert all(len(cells) == len(table.header) for cells in read)
        guess(table.header, read, "ES")


def _number(data: bytes) -> None:
    text = atheris.FuzzedDataProvider(data).ConsumeUnicode(300)
    parsed = phone.parse(text, "ES")
    assert not parsed or _E164.fullmatch(parsed.e164)
    list(phone.parse_all(text, "ES"))
    phone.mentions(text, phone.parse("600111222", "ES"), "ES")
    dates.read(text)


def _configuration(data: bytes) -> None:
    for fault in examine(_FOLDER / "config.yaml", data, {}).faults:
        assert str(fault)


TARGETS: dict[str, Callable[[bytes], None]] = {
    "document": _document,
    "task": _task,
    "outbound": _outbound,
    "table": _table,
    "number": _number,
    "configuration": _configuration,
}
_DOCUMENT = Document(
    Format.JSON,
    "912345678",
    "98565656",
    "R",
    "600111222",
    query_name="PEDIDO",
    variables={"PEDIDO": "00077", "DNI": "1"},
)
_SEEDS: dict[str, tuple[bytes, ...]] = {
    "document": tuple(
        document.write_request(_DOCUMENT, form, password="3956")[0] + bytes([kind])
        for form in Format
        for kind in range(len(_FORMS))
    ),
    "task": (b'{"id": 1, "phone": "600111222", "at": {"x": [1, 2]}}',),
    "outbound": (
        b'<e:Envelope xmlns:e="http://schemas.xmlsoap.org/soap/envelope/"><e:Body><notifications '
        b'xmlns="http://soap.sforce.com/2005/09/outbound"><OrganizationId>1</OrganizationId></notifications></e:Body></e:Envelope>',
    ),
    "table": (b"telefono;nombre\n600111222;Ana\n", "teléfono,nombre\n".encode("utf-16")),
    "number": (b"+34 600 11 12 22 ext. 5", b"01/02/2026 10:00"),
    "configuration": (b"lines: [{number: '912345678', password: x}]\nqueries: {A: {answer: {X: '{{ caller }}'}}}\n",),
}


def _fuzz(name: str, seconds: int, corpus: Path) -> int:
    """One target in a process of its own, as libFuzzer wants it; its exit code."""
    seeds = corpus / name
    seeds.mkdir(parents=True, exist_ok=True)
    for number, seed in enumerate(_SEEDS[name]):
        (seeds / f"seed-{number}").write_bytes(seed)
    limits = [f"-max_total_time={seconds}", f"-max_len={_LONGEST}", f"-timeout={_SLOW}", "-rss_limit_mb=2048"]
    command = [
        sys.executable,
        "-m",
        "tests.fuzz.parsers",
        "--run",
        name,
        "--",
        *limits,
        "-print_final_stats=1",
        str(seeds),
    ]
    return subprocess.run(command, check=False).returncode


def main() -> int:
    """Run what the command line says; 1 where a target broke."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=int, default=60, help="altogether")
    parser.add_argument("--target", choices=TARGETS, action="append")
    parser.add_argument("--corpus", type=Path, help="a folder that keeps what was found to be interesting")
    parser.add_argument("--run", choices=TARGETS, help=argparse.SUPPRESS)
    parser.add_argument("options", nargs="*", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.run:
        atheris.Setup([sys.argv[0], *given.options], TARGETS[given.run])
        atheris.Fuzz()
        return 0
    names = given.target or list(TARGETS)
    with tempfile.TemporaryDirectory() as folder:
        broken = [
            name
            for name in names
            if _fuzz(name, max(1, given.seconds // len(names)), given.corpus or Path(folder)) != 0
        ]
    sys.stdout.write(f"broken: {', '.join(broken)}\n" if broken else f"{len(names)} targets held\n")
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())

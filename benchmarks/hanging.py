"""Is everybody answered in time while a CRM hangs? `python -m benchmarks.hanging` (half a minute).

A pretended CRM takes a minute for each answer, and patient Queries take every thread that may wait for it, in every
serving process, with more of them queued up. Beside them come Queries to the same CRM, which can only get their
default, and Queries of a CSV file. The breaker is set so that it never spares a question.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
from pathlib import Path

from benchmarks.load import Load, all_at_once, free_port, machine, memory, open_loop, processor_seconds, running
from benchmarks.slow_crm import AGENT, LINE, PASSWORD, PROCESSES, csv_query, queries

DEADLINE, HANGS = 1.5, 60
DEFAULT = "910000000"
CONFIG = """
server: {{port: {port}, workers: {processes}, threads: {threads}}}
lines: [{{number: "{line}", password: "{password}"}}]
connectors:
  crm:
    type: rest
    base_url: http://127.0.0.1:{crm}/{hangs}
    timeout: 60s
    breaker: {{failures: 1000000}}
    records:
      contact:
        search: {{path: /customers, params: {{q: "{{{{ phone.national }}}}"}}}}
        items: data
        fields: {{id: id, agent: owner.phone}}
  agenda: {{type: csv, tables: {{contact: {{file: contacts.csv, phones: [phone]}}}}}}
queries:
  PATIENT: &query
    find: {{contact: {{in: crm, phone: "{{{{ caller }}}}"}}}}
    answer: {{DESTINO: "{{{{ contact.agent | dial }}}}"}}
    on_timeout: {{DESTINO: "{default}"}}
    deadline: 60s
  LATE: {{<<: *query, deadline: {deadline}s}}
  CSV: {{<<: *query, find: {{contact: {{in: agenda, phone: "{{{{ caller }}}}"}}}}}}
"""


async def _measured(port: int, threads: int, late: float, seconds: float) -> tuple[Load, Load]:
    """The Queries that get their default, and those of the CSV file, while all threads are taken."""
    taken = PROCESSES * threads * 3 // 2  # which process a connection comes to is chance
    patient = asyncio.ensure_future(all_at_once(port, queries("PATIENT", taken), patience=HANGS))
    await asyncio.sleep(3 + taken / 300)
    late_queries, csv_queries = await asyncio.gather(
        open_loop(port, queries("LATE", int(late * seconds)), late, seconds, DEFAULT.encode()),
        open_loop(port, [csv_query() for _ in range(50)], 50, seconds, AGENT.encode()),
    )
    assert not patient.done(), "the CRM hangs for longer than that"
    patient.cancel()
    return late_queries, csv_queries


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=10.0, help="how long it is measured")
    parser.add_argument("--threads", type=int, default=600, help="lookups of each process that may wait for the CRM")
    parser.add_argument("--late", type=float, default=50.0, help="Queries a second that get their default")
    given = parser.parse_args()
    crm, port = free_port(), free_port()
    command = [sys.executable, "-m", "benchmarks.slow_crm", "--crm", str(crm)]
    with tempfile.TemporaryDirectory() as name, running(command, crm):
        folder = Path(name)
        (folder / "contacts.csv").write_text(f"id,name,phone,agent\n1,Ana,600000001,{AGENT}\n", encoding="utf-8")
        text = CONFIG.format(
            port=port, crm=crm, processes=PROCESSES, threads=given.threads, line=LINE, password=PASSWORD,
            hangs=HANGS * 1000, deadline=DEADLINE, default=DEFAULT,
        )  # fmt: skip
        (folder / "config.yaml").write_text(text, encoding="utf-8")
        with running([sys.executable, "-m", "bridge", "serve", "-c", str(folder / "config.yaml")], port) as process:
            alone = asyncio.run(open_loop(port, [csv_query() for _ in range(50)], 50, 3, AGENT.encode()))
            before = processor_seconds(process)
            late, beside = asyncio.run(_measured(port, given.threads, given.late, given.seconds))
            used, size = processor_seconds(process) - before, memory(process)
    print(f"{machine()}; {PROCESSES} processes of {given.threads} threads for the CRM, which hangs for {HANGS} s")
    print(f"{used:.1f} s of the processor, {size / 1e6:.0f} MB\n")
    print("| what | aim | p50 ms | p99 ms | longest, ms | wrong or none |")
    print("|---|---|---|---|---|---|")
    rows = (
        ("50 CSV Queries/s, nothing else", "", alone, 0.0),
        (f"{given.late:g} Queries/s that get their default: beyond the deadline", "≤ 100", late, DEADLINE * 1000),
        ("50 CSV Queries/s beside them", "p99 ≤ 10", beside, 0.0),
    )
    for what, aim, load, base in rows:
        times = " | ".join(f"{load.at(share) - base:.0f}" for share in (0.5, 0.99, 1.0))
        print(f"| {what} | {aim} | {times} | {load.failed} |")


if __name__ == "__main__":
    main()

"""What a lookup by the REST connector costs the processor: `python -m benchmarks.rest_lookup`.

The pretended CRM runs in a process of its own. Measured is the thread's CPU time for each lookup (request, answer,
re-check, fields), beside a bare `requests.Session` and bare urllib3 that ask for the same, in the same run.
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import requests
import urllib3

from connectors.base import Context, Deadline, LookupQuery
from connectors.phone import parse
from connectors.rest import RestConnector, RestOptions

ROUNDS, CALLS = 5, 400
SECTION = {
    "type": "rest",
    "records": {
        "contact": {
            "phones": ["phone", "mobile"],
            "search": {"path": "/customers", "params": {"q": "{{ phone.digits | last(9) }}"}},
            "items": "data",
            "fields": {"id": "id", "name": "full_name", "agent_phone": "owner.phone"},
        }
    },
}


def cost(ask: Callable[[], object]) -> float:
    """Microseconds of CPU for each call."""
    begun = time.thread_time()
    for _ in range(CALLS):
        ask()
    return (time.thread_time() - begun) / CALLS * 1e6


def main() -> None:
    """Print the best of some rounds, which shared cores disturb least."""
    command = [sys.executable, "-m", "tests.fakes.rest_crm", "--customers", "100"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as crm:
        assert crm.stdout is not None
        url = crm.stdout.readline().strip()
        connector = RestConnector(
            "crm", RestOptions.model_validate({**SECTION, "base_url": url}), Context(folder=Path())
        )
        wanted = LookupQuery("contact", phone=parse("600000042", "ES"))
        plain, pool = requests.Session(), urllib3.PoolManager()
        plain.trust_env = False
        asked = f"{url}/customers?q=600000042"
        ways: dict[str, Callable[[], object]] = {
            "connector": lambda: connector.find(wanted, Deadline.after(10)),
            "requests": lambda: plain.get(asked, timeout=10).json(),
            "urllib3": lambda: pool.request("GET", asked, timeout=10).json(),
        }
        best = {name: min(cost(ask) for _ in range(ROUNDS)) for name, ask in ways.items()}
        for name, microseconds in best.items():
            print(f"{name:10} {microseconds:6.0f} µs of CPU a lookup")
        connector.close()
        crm.terminate()


if __name__ == "__main__":
    main()

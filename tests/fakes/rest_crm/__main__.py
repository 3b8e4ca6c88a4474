"""`python -m tests.fakes.rest_crm --port 0 --delay 0.3`: the pretended CRM as a process of its own."""

from __future__ import annotations

import argparse
import json
import signal
import sys

from tests.fakes.rest_crm import RestCrm, customer, order, task


def main() -> None:
    """Serve until SIGTERM or Ctrl-C; the first line of output says where."""
    parser = argparse.ArgumentParser(description="A pretended CRM with a REST API")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--delay", type=float, default=0.0, help="seconds before each answer")
    parser.add_argument("--customers", type=int, default=1000, help="600000000 and following")
    parser.add_argument("--auth", default="none")
    parser.add_argument("--fuzzy", action="store_true", help="a search also returns those who share the last digits")
    parser.add_argument("--fault", help="one of the faults, for every request")
    parser.add_argument("--told", action="store_true", help="do what stdin says, until it ends")
    asked = parser.parse_args()
    with RestCrm(port=asked.port, delay=asked.delay) as crm:
        crm.auth = asked.auth
        numbers = range(asked.customers)
        crm.store.customers = [customer(one, f"Customer {one}", f"{600_000_000 + one}") for one in numbers]
        crm.store.orders = [order(one, f"{one:05}", "Enviado") for one in range(min(asked.customers, 1000))]
        crm.store.tasks = [task(1, "600000001")]
        crm.store.fuzzy = asked.fuzzy
        if asked.fault:
            crm.faults.add(asked.fault)
        _say(crm.url)
        if asked.told:
            _obey(crm)
        else:
            signal.sigwait({signal.SIGTERM, signal.SIGINT})


def _obey(crm: RestCrm) -> None:
    """Do what each line says, and answer it by one: `fault KIND PATH`, `clear` (no more faults), `asked` (what was
    searched for, as a list) or `signed in` (how often)."""
    for line in sys.stdin:
        match line.split():
            case ["fault", kind, path]:
                crm.faults.add(kind, path)
                _say("done")
            case ["clear"]:
                crm.faults.clear()
                _say("done")
            case ["asked"]:
                _say(json.dumps([one.query["q"] for one in list(crm.requests) if "q" in one.query]))
            case ["signed", "in"]:
                _say(str(crm.signins.count))
            case _:
                raise SystemExit(f"what is {line!r}?")


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM, signal.SIGINT})
    main()

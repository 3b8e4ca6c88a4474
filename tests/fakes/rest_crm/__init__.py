"""A pretended CRM with a REST API: a real HTTP server with customers, orders, calls, surveys and tasks.

    with RestCrm(delay=0.3) as crm:
        crm.store.customers = [customer(1, "Ana", "600 11 22 33")]
        crm.auth = "bearer"
        crm.faults.add("hang", "/customers")
        … crm.url …

Run by itself: `python -m tests.fakes.rest_crm --port 0 --delay 0.3`.
"""

from tests.fakes.rest_crm.server import RestCrm
from tests.fakes.rest_crm.store import Store, customer, order, task

__all__ = ["RestCrm", "Store", "customer", "order", "task"]

"""What only one CRM has."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import pytest

from connectors.base import Deadline, Misconfigured, Rejected, Unavailable, Wanted
from connectors.phone import parse
from tests.connectors.presets.test_presets import Opened
from tests.fakes.presets import PresetApi, PresetCrm
from tests.fakes.presets.dolibarr import Dolibarr
from tests.fakes.presets.dynamics import Dynamics
from tests.fakes.presets.espocrm import EspoCrm
from tests.fakes.presets.hubspot import HubSpot
from tests.fakes.presets.odoo import Odoo
from tests.fakes.presets.zoho import Zoho


@contextlib.contextmanager
def opened(api: PresetApi) -> Iterator[Opened]:
    with PresetCrm(api) as server:
        one = Opened(server)
        with contextlib.closing(one.connector):
            yield one


def test_hubspot_says_which_property_is_missing() -> None:
    api = HubSpot()
    api.has_property = False
    with opened(api) as crm, pytest.raises(Rejected, match='Property "infocaller_id" does not exist'):
        crm.log()


@pytest.mark.parametrize("direction", ["received", "emitted"])
def test_dynamics_calls_are_closed_even_when_the_answer_to_that_was_lost(direction: str) -> None:
    api = Dynamics()
    with opened(api) as crm:
        api.lose_closing = True
        with pytest.raises(Unavailable):
            crm.log(direction=direction)
        [call] = api.rows["phonecalls"]
        assert (call["statecode"], call["directioncode"]) == (0, direction == "emitted")
        api.lose_closing = False
        crm.log(direction=direction, attempt=2)
        [call] = api.rows["phonecalls"]
        assert (call["statecode"], call["statuscode"]) == (1, 4 if direction == "received" else 2)


def test_a_dynamics_call_that_nobody_looked_for_is_refused_and_counts_as_there() -> None:
    with opened(Dynamics()) as crm:
        crm.log()
        assert not crm.log().created
        assert len(crm.api.calls()) == 1


def test_espocrm_reads_each_candidate_since_lists_hide_numbers() -> None:
    with opened(EspoCrm()) as crm:
        crm.api.person("Near miss", "+33600112233")
        id_ = crm.api.person("Ana", "911000000", "600 11 22 33")
        assert [one.id for one in crm.people()] == [id_]
        assert [path for path in crm.server.paths() if path.startswith("GET /api/v1/Contact/")] != []


def test_dolibarrs_empty_list_is_no_wrong_address() -> None:
    with opened(Dolibarr()) as crm:
        assert crm.people() == []
    with opened(Elsewhere()) as crm, pytest.raises(Misconfigured, match="404"):
        crm.people()


class Elsewhere(Dolibarr):
    """Dolibarr with an address that leads nowhere."""

    def section(self, url: str) -> dict[str, Any]:
        return {**super().section(url), "base_url": f"{url}/wrong"}


def test_odoo_is_signed_in_to_once() -> None:
    with opened(Odoo()) as crm:
        crm.people()
        crm.people()
        asked = [request.values["params"]["method"] for request in crm.server.requests]
        assert asked.count("authenticate") == 1


def test_odoo_refuses_a_wrong_key_once_and_for_all() -> None:
    with opened(Odoo()) as crm:
        crm.api.secret = "another-0123456789"
        for _ in range(3):
            with pytest.raises(Misconfigured, match="the user or the key is wrong"):
                crm.people()
        assert len(crm.server.requests) == 1


def test_zohos_tokens_that_are_asked_for_too_often_pass() -> None:
    api = Zoho()
    api.too_many_tokens = True
    with opened(api) as crm:
        with pytest.raises(Unavailable, match="too many requests"):
            crm.connector.find(Wanted("contact", phone=parse("600112233", "ES")), Deadline.after(0.5))
        api.too_many_tokens = False
        assert crm.people() == []

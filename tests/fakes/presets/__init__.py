"""Pretended CRMs, one for each preset, that answer in the shape of their API's documentation."""

from tests.fakes.presets.base import SECRET, PresetApi, PresetCrm
from tests.fakes.presets.bitrix24 import Bitrix24
from tests.fakes.presets.dolibarr import Dolibarr
from tests.fakes.presets.dynamics import Dynamics
from tests.fakes.presets.espocrm import EspoCrm
from tests.fakes.presets.holded import Holded
from tests.fakes.presets.hubspot import HubSpot
from tests.fakes.presets.odoo import Odoo, OdooJson2
from tests.fakes.presets.pipedrive import Pipedrive
from tests.fakes.presets.suitecrm import SuiteCrm
from tests.fakes.presets.zendesk_sell import ZendeskSell
from tests.fakes.presets.zendesk_support import ZendeskSupport
from tests.fakes.presets.zoho import Zoho

FAKES: tuple[type[PresetApi], ...] = (
    Bitrix24, Dolibarr, Dynamics, EspoCrm, Holded, HubSpot, Odoo, OdooJson2, Pipedrive, SuiteCrm, ZendeskSell,
    ZendeskSupport, Zoho,
)  # fmt: skip

__all__ = ["FAKES", "SECRET", "PresetApi", "PresetCrm"]

"""Alerts: troubles that come to people, by e-mail and webhooks.

`deciding` says what is to be told, `message` how it reads, `channels` send it, `memory` keeps what was told, and
`telling` puts them together behind the watch over a host.
"""

from bridge.alerts.channels import Channel, NotTold, channels
from bridge.alerts.deciding import Notice, Why
from bridge.alerts.telling import Alerts

__all__ = ["Alerts", "Channel", "NotTold", "Notice", "Why", "channels"]

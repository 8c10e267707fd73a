"""The desk's broker accounts, and the connections to those that it trades itself."""

from __future__ import annotations

import sqlalchemy as sa

from brokers.base import Broker
from brokers.paper.settings import PaperSettings
from brokers.registry import open_broker
from config import Config
from domain.enums import Route
from extensions import reading
from models import BrokerAccount


def paper_settings(config: Config) -> PaperSettings:
    """Return what the paper venue is opened with."""
    return PaperSettings(
        url=config.paper_database_url,
        slippage_bps=config.paper_slippage_bps,
        commission=config.paper_commission,
        reference_price=config.paper_reference_price,
        cash=config.paper_cash,
        leverage=config.paper_leverage,
    )


def open_brokers(config: Config) -> dict[int, Broker]:
    """Return a connection for each account whose signals the desk executes itself, by account id."""
    wanted = sa.select(BrokerAccount.id, BrokerAccount.name, BrokerAccount.broker)
    with reading() as session:
        accounts = session.execute(wanted.where(BrokerAccount.route == Route.DESK)).all()
    settings = paper_settings(config)
    return {account.id: open_broker(account.broker, account.name, settings) for account in accounts}

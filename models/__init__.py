"""All tables, so that Alembic and the mappers see them at once."""

from models.brokerage_account import BrokerageAccount
from models.control import CheckRule, JournalEntry, Stop
from models.counter import Counter, RateLimit
from models.executor_report import AccountRecord, ToldPosition
from models.order import Fill, Order, OrderEvent
from models.position import CoinFee, DailyResult, Position
from models.refused import RefusedCount, RefusedDelivery
from models.registry import BrokerAccount, Instrument, Pair, RegistryVersion
from models.signal import Signal
from models.signal_event import SignalEvent
from models.token import RefreshToken, RevokedToken
from models.user import User
from models.venue_state import AccountState, AssetState, ForeignOrder, PositionDifference, Quote
from models.web_session import WebSession
from models.webhook_secret import WebhookSecret
from models.worker import Worker

__all__ = [
    "AccountRecord",
    "AccountState",
    "AssetState",
    "BrokerAccount",
    "BrokerageAccount",
    "CheckRule",
    "CoinFee",
    "Counter",
    "DailyResult",
    "Fill",
    "ForeignOrder",
    "Instrument",
    "JournalEntry",
    "Order",
    "OrderEvent",
    "Pair",
    "Position",
    "PositionDifference",
    "Quote",
    "RateLimit",
    "RefreshToken",
    "RefusedCount",
    "RefusedDelivery",
    "RegistryVersion",
    "RevokedToken",
    "Signal",
    "SignalEvent",
    "Stop",
    "ToldPosition",
    "User",
    "WebSession",
    "WebhookSecret",
    "Worker",
]

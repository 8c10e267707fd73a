"""All tables, so that Alembic and the mappers see them at once."""

from models.counter import Counter, RateLimit
from models.order import Fill, Order, OrderEvent
from models.registry import BrokerAccount, Instrument, Pair, RegistryVersion
from models.signal import Signal
from models.token import RefreshToken, RevokedToken
from models.user import User
from models.web_session import WebSession
from models.webhook_secret import WebhookSecret
from models.worker import Worker

__all__ = [
    "BrokerAccount",
    "Counter",
    "Fill",
    "Instrument",
    "Order",
    "OrderEvent",
    "Pair",
    "RateLimit",
    "RefreshToken",
    "RegistryVersion",
    "RevokedToken",
    "Signal",
    "User",
    "WebSession",
    "WebhookSecret",
    "Worker",
]

"""What Alpaca can do, as its documents say it."""

from decimal import Decimal

from brokers.base import Capabilities, Identity
from domain.enums import OrderType, TimeInForce

CAPABILITIES = Capabilities(
    order_types=frozenset({OrderType.MARKET, OrderType.LIMIT, OrderType.STOP, OrderType.STOP_LIMIT}),
    times_in_force=frozenset(TimeInForce),
    short_selling=True,
    quantity_step=Decimal("0.00000001"),  # Alpaca keeps nine decimals, the desk eight
    identity=Identity.UNIQUE,
    attached_pair_hedge=False,
    reverses_in_one_order=False,  # a sale of more than is held is refused, and so is a buy of more than is short
    coin_fee=Decimal("0.003"),  # 0.25 % of what is bought by who trades little, less by others; some room for rounding
    fraction_times_in_force=frozenset({TimeInForce.DAY}),
    extended_hours=True,
    replaces_orders=True,
    is_remote=True,
    settle_seconds=60.0,
    poll_seconds=5.0,
    state_seconds=10.0,  # an account may ask 200 times a minute, all its workers and orders together
)

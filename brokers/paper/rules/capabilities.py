"""What an account at the paper venue can do: it trades every kind of order that the desk has.

But for orders that are pegged to the best price: those are for executors of the user's own.
"""

from decimal import Decimal

from domain.enums import AssetClass, OrderType, TimeInForce
from domain.venue.capabilities import AccountCapabilities, AssetRules, Grant, Identity, Pace, PriceStep

D = Decimal
STEP = D("0.00000001")  # of quantities and of prices
BATCH_SIZE = 64
LASTING = frozenset({TimeInForce.DAY, TimeInForce.GTC})
ORDER_KINDS = {
    OrderType.MARKET: frozenset(TimeInForce),
    OrderType.LIMIT: frozenset(TimeInForce),
    OrderType.STOP: LASTING,
    OrderType.STOP_LIMIT: LASTING,
    OrderType.TRAILING_STOP: LASTING,
}
EXTENDED_KINDS = {OrderType.LIMIT: LASTING}
RULES = AssetRules(
    order_kinds=ORDER_KINDS,
    extended_kinds=EXTENDED_KINDS,
    quantity_step=STEP,
    fraction_kinds=ORDER_KINDS,
    extended_fractions=Grant.ALL,
    overnight=Grant.ALL,
    least_value=D(0),
    least_fraction_value=D(0),
    least_quantity=D(0),
    short_selling=True,
    short_markup=None,
    on_margin=True,
    price_steps=(PriceStep(D(0), STEP),),
    fee_in_kind=D(0),
)
CAPABILITIES = AccountCapabilities(
    classes=dict.fromkeys(AssetClass, RULES),
    identity=Identity.UNIQUE,
    attached_pair_hedge=True,
    reverses_in_one_order=True,
    replaces_orders=False,
    is_remote=False,
    batch_size=BATCH_SIZE,
    pace=Pace(settle=2.0, poll=1.0, state=5.0),
)

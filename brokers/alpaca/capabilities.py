"""What an account at Alpaca can do, as its documents say it."""

from decimal import Decimal

from domain.enums import AssetClass, Environment, OrderType, TimeInForce
from domain.venue.capabilities import AccountCapabilities, AssetRules, Grant, Identity, Pace, PriceStep

D = Decimal
T = TimeInForce
STEP = D("0.00000001")  # Alpaca keeps nine decimals of quantities, the desk eight
LASTING = frozenset({T.DAY, T.GTC})

# docs.alpaca.markets: "Placing Orders", "Fractional Trading", "24/5 Trading".
SHARES = AssetRules(
    order_kinds={
        OrderType.MARKET: frozenset(T),
        OrderType.LIMIT: frozenset(T),
        OrderType.STOP: LASTING,
        OrderType.STOP_LIMIT: LASTING,
        OrderType.TRAILING_STOP: LASTING,  # for whole shares, and only while the exchange is open
    },
    extended_kinds={OrderType.LIMIT: LASTING},
    quantity_step=STEP,
    fraction_kinds={
        kind: frozenset({T.DAY}) for kind in (OrderType.MARKET, OrderType.LIMIT, OrderType.STOP, OrderType.STOP_LIMIT)
    },
    extended_fractions=Grant.BY_ASSET,  # `fractional_eh_enabled`
    overnight=Grant.BY_ASSET,  # `overnight_tradable`, unless `overnight_halted`
    least_value=D(0),
    least_fraction_value=D(1),
    least_quantity=D(0),
    short_selling=True,
    short_markup=D("0.03"),
    on_margin=True,
    price_steps=(PriceStep(D(0), D("0.0001")), PriceStep(D(1), D("0.01"))),
    fee_in_kind=D(0),
)

# docs.alpaca.markets: "Crypto Orders", "Crypto Trading", "User Protection". Whether FOK is taken they do not agree on.
COIN_TIMES = frozenset({T.DAY, T.GTC, T.IOC})  # coins know no day: DAY is sent as GTC
COIN_KINDS = {OrderType.MARKET: COIN_TIMES, OrderType.LIMIT: COIN_TIMES, OrderType.STOP_LIMIT: LASTING}
COINS = AssetRules(
    order_kinds=COIN_KINDS,
    extended_kinds={},  # they trade all the time
    quantity_step=STEP,
    fraction_kinds=COIN_KINDS,
    extended_fractions=Grant.NONE,
    overnight=Grant.NONE,
    least_value=D(10),  # of coins that are traded against dollars; the others say 0 themselves
    least_fraction_value=D(0),
    least_quantity=D(0),  # each coin has its own
    short_selling=False,
    short_markup=None,
    on_margin=False,
    price_steps=(PriceStep(D(0), STEP),),  # each coin has its own
    fee_in_kind=D("0.003"),  # 0.25 % of what is bought by who trades little, less by others; some room for rounding
)

# An account may ask 200 times a minute, all its workers and orders together.
USUAL_PACE = Pace(settle=60.0, poll=5.0, state=10.0)
# Nothing lies between the desk and the simulator, so what it has taken shows at once; it has the same limit.
SIMULATOR_PACE = Pace(settle=8.0, poll=1.0, state=3.0)


def capabilities(environment: Environment) -> AccountCapabilities:
    """Return what an account of an environment can do."""
    return AccountCapabilities(
        classes={AssetClass.STOCK: SHARES, AssetClass.CRYPTO: COINS},
        identity=Identity.UNIQUE,
        attached_pair_hedge=False,
        reverses_in_one_order=False,  # a sale of more than is held is refused, and so is a buy of more than is short
        replaces_orders=True,
        is_remote=True,
        batch_size=1,
        pace=SIMULATOR_PACE if environment is Environment.SIMULATOR else USUAL_PACE,
    )

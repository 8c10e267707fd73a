"""One table of all checks: what each asks, and what it does while nobody has said anything else."""

from dataclasses import dataclass
from decimal import Decimal

from domain.enums import CheckMode, Scope, WhenClosed

EVERYWHERE = (Scope.DESK, Scope.ACCOUNT, Scope.STOCK, Scope.PAIR)
PLACES = (Scope.DESK, Scope.ACCOUNT)
LENIENT, STRICT = "lenient", "strict"
ALERT, TARGET = "alert", "target"
BUYING_POWER, CASH = "buying_power", "cash"
SLIP_FILLS = 20  # as many fills make up the mean of the slippage guard


@dataclass(frozen=True, slots=True, kw_only=True)
class Limit:
    """The number a check goes by; without a default the check does nothing until one is set."""

    unit: str
    low: Decimal = Decimal(0)
    high: Decimal = Decimal(10) ** 12 - 1
    whole: bool = False
    default: Decimal | None = None
    # Each scope's limit is held against that scope's own sum, where else the narrowest one counts alone.
    cumulative: bool = False
    # A stock's limit is held against that stock as a leg of a pair too, beside the limits of the pair.
    of_legs: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckSpec:
    """One check; the first of its choices is the one in force without a word."""

    title: str
    text: str
    mode: CheckMode | None = CheckMode.OFF  # None: no check itself, a number that others use
    limit: Limit | None = None
    choices: tuple[str, ...] = ()
    scopes: tuple[Scope, ...] = EVERYWHERE


OFF, WARN, REFUSE = CheckMode.OFF, CheckMode.WARN, CheckMode.REFUSE

# In the order in which they are done.
CHECKS: dict[str, CheckSpec] = {
    "stop": CheckSpec(
        title="Stop",
        mode=REFUSE,
        scopes=(),  # a stop that could be switched off would be none
        text="While a stop is in force nothing is opened or made larger; exits go on.",
    ),
    "registered": CheckSpec(
        title="Registered",
        mode=REFUSE,
        scopes=PLACES,
        text="The stock or pair must be registered; else it is traded on default terms at the default account.",
    ),
    "active": CheckSpec(
        title="Active",
        mode=REFUSE,
        text="The stock or pair must be active. One that is paused (passive or watched) opens nothing, and closes "
        "what it holds.",
    ),
    "hedge": CheckSpec(
        title="Hedge ratio",
        mode=REFUSE,
        scopes=(Scope.DESK, Scope.ACCOUNT, Scope.PAIR),
        text="The alert's hedge ratio must equal the registered one; else the alert's own is traded.",
    ),
    "exclusivity": CheckSpec(
        title="One book for a symbol",
        mode=REFUSE,
        text="A symbol that is held or worked singly or in one pair is not opened in another book of the account.",
    ),
    "age": CheckSpec(
        title="Age",
        mode=REFUSE,
        limit=Limit(unit="seconds", low=Decimal(1), high=Decimal(864000), whole=True),
        text="An older alert is not traded; its age counts from its own time, where it states one. No limit here: the "
        "SIGNAL_LIFETIME of the desk. An alert may name its own.",
    ),
    "duplicate": CheckSpec(
        title="Duplicate",
        text="Of several waiting alerts for one name and side only the newest is traded. On by itself where "
        "alerts are traded to their target.",
    ),
    "position_size": CheckSpec(
        title="Position size",
        mode=WARN,
        text="The position before, the action and the contracts must add up to the position that the alert names.",
    ),
    "position_missing": CheckSpec(
        title="Missing position", text="An alert must name the position it aims at (mar_pos and mar_pos_size)."
    ),
    "missed_alert": CheckSpec(
        title="Missed alert",
        mode=WARN,
        text="The position before the alert must be the one that the last alert of that name aimed at.",
    ),
    "reduce_only": CheckSpec(
        title="Exits only close",
        mode=REFUSE,
        text="An alert that names the position after it (mar_pos, mar_pos_size) never leads beyond that position, and "
        "one to flat closes exactly what the desk holds. Warn or off: as large as the alert says, as for an account "
        "that is also traded by hand.",
    ),
    "reversal": CheckSpec(
        title="Reversals that may not open",
        mode=None,
        choices=("close", "refuse"),
        text="What becomes of an alert that turns a position round when its new side may not be opened: the old "
        "position is closed all the same, or nothing is traded.",
    ),
    "pyramiding": CheckSpec(
        title="Pyramiding", text="A position is not added to in its own direction; a partial exit is none."
    ),
    "trading_hours": CheckSpec(
        title="Trading hours",
        choices=(WhenClosed.EXPIRE, WhenClosed.HOLD),
        text="An alert that comes while its exchange is closed expires, or is held until the next open; its "
        "lifetime counts from there. An alert may name its own choice, and is then held to it. Also while this "
        "is off an alert is not traded when the broker says that its market is closed; the choice then counts too.",
    ),
    "price_deviation": CheckSpec(
        title="Price deviation",
        mode=REFUSE,
        limit=Limit(unit="percent", high=Decimal(1000)),
        choices=(LENIENT, STRICT),
        text="The alert's price may be so far from the middle of the quote. A pair's spread is held against the "
        "spread of the middles, in percent of price1 + hedge * price2. Strict: without a quote it is not traded.",
    ),
    "max_quantity": CheckSpec(
        title="Largest quantity",
        mode=REFUSE,
        limit=Limit(unit="shares of leg 1", of_legs=True),
        text="An entry may have so many shares of leg 1 at most. A stock's limit holds for it as a leg of pairs too.",
    ),
    "max_notional": CheckSpec(
        title="Largest value",
        mode=REFUSE,
        limit=Limit(unit="money, both legs", of_legs=True),
        choices=(LENIENT, STRICT),
        text="An entry may be worth so much at most, both legs added up. A stock's limit holds for what it is worth as "
        "a leg of pairs too. Strict: without a price it is not traded.",
    ),
    "open_positions": CheckSpec(
        title="Open positions",
        mode=REFUSE,
        limit=Limit(unit="stocks and pairs", high=Decimal(100000), whole=True, cumulative=True),
        scopes=PLACES,
        text="So many stocks and pairs may have a position or a working entry at a time.",
    ),
    "daily_loss": CheckSpec(
        title="Daily loss",
        mode=REFUSE,
        limit=Limit(unit="money", low=Decimal("0.01"), cumulative=True),
        text="Once the day (UTC) has lost so much, nothing is opened: realised less commission, and unrealised "
        "where there are quotes. For an account in its own currency; else in each currency by itself, for money of "
        "two currencies is never added up.",
    ),
    "orders_per_minute": CheckSpec(
        title="Orders in a minute",
        mode=REFUSE,
        limit=Limit(unit="orders", high=Decimal(1000), whole=True, cumulative=True, of_legs=True),
        text="So many orders of entries may be made within 60 seconds; of a stock, those as a leg of pairs count too.",
    ),
    "funds_floor": CheckSpec(
        title="Funds",
        mode=REFUSE,
        limit=Limit(unit="money", low=-(Decimal(10) ** 12) + 1, of_legs=True),
        choices=(BUYING_POWER, CASH, STRICT),
        text="So much must be left at the account after an entry: of its buying power, or of its cash. What a stock "
        "asks for must be left after entries of its pairs too. Strict: buying power, and without word from the broker "
        "it is not traded.",
    ),
    "spread_limit": CheckSpec(
        title="Spread limit",
        mode=REFUSE,
        limit=Limit(unit="spread units"),
        choices=(LENIENT, STRICT),
        scopes=(Scope.DESK, Scope.ACCOUNT, Scope.PAIR),
        text="The spread at the prices a pair would really trade at may be so much worse than the alert's. "
        "Strict: without quotes of both legs it is not traded.",
    ),
    "slippage_guard": CheckSpec(
        title="Slippage guard",
        mode=REFUSE,
        limit=Limit(unit="price or spread units"),
        text=f"When the last {SLIP_FILLS} fills of that name and side were worse than the alerts' prices by more "
        "than this on average, nothing is opened.",
    ),
    "sizing": CheckSpec(
        title="Sizes",
        mode=None,
        choices=(ALERT, TARGET),
        text="Orders are as large as the alert says, or as large as it takes to bring the desk's own book to the "
        "alert's target position.",
    ),
    "quote_age": CheckSpec(
        title="Age of quotes",
        mode=None,
        limit=Limit(unit="seconds", low=Decimal(1), high=Decimal(864000), whole=True, default=Decimal(60)),
        text="An older quote counts as none.",
    ),
}

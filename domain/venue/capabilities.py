"""What an account can do at its broker: rules for each class of assets. None has a default: an adapter names them all.

What depends on one asset, or on flags of the account, comes with the reports of `domain/messages.py` and narrows these.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from enum import Enum
from typing import Any

from domain.enums import AssetClass, OrderType, TimeInForce

ZERO = Decimal(0)
Kinds = Mapping[OrderType, frozenset[TimeInForce]]  # the order types that are taken, each with its times in force


class Identity(Enum):
    """What a venue does with the id that the desk gives an order."""

    UNIQUE = "unique"  # it finds orders by it and refuses a second one: what it does not know never arrived
    ECHOED = "echoed"  # it tells it with the order, and would take a second one of the same id
    LIKENESS = "likeness"  # it never tells it: an order is known by what it is, until the venue's own id is known


class Grant(Enum):
    """Whether something may be done with the assets of a class."""

    NONE = "none"
    BY_ASSET = "by asset"  # each asset says so itself
    ALL = "all"


@dataclass(frozen=True, slots=True)
class PriceStep:
    """From a price on, up to that of the next step, prices are multiples of `size`."""

    price: Decimal
    size: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class AssetRules:
    """What may be done with one class of assets; prices and values in the account's currency.

    An asset may have a larger step, another least value or quantity, and a price step of its own (`AssetReport`). Least
    values and quantities are rules of entries: they never stand in the way of an exit.
    """

    order_kinds: Kinds
    extended_kinds: Kinds  # of orders that trade before the opening and after the close; empty = there are none
    quantity_step: Decimal  # the smallest part of a unit that is traded; 1 = whole units
    fraction_kinds: Kinds  # of orders for parts of a unit
    extended_fractions: Grant  # parts of a unit before the opening and after the close
    overnight: Grant  # extended-hours orders between the late and the early session
    least_value: Decimal  # of an entry; 0 = none
    least_fraction_value: Decimal  # of an entry for parts of a unit
    least_quantity: Decimal  # of an entry
    short_selling: bool
    # A short sale is valued at its limit or so much above the ask, whichever is more; None = at what it would trade at.
    short_markup: Decimal | None
    on_margin: bool  # False = bought for money that the account really has
    price_steps: tuple[PriceStep, ...]  # rising
    fee_in_kind: Decimal  # at most this part of what is bought is kept by the broker as its fee

    def price_step(self, price: Decimal) -> Decimal:
        """Return what a price must be a multiple of."""
        return next(step.size for step in reversed(self.price_steps) if step.price <= price)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """How often an account is asked; seconds. A limit of requests is shared by all that ask for the account."""

    settle: float  # how long an order may stay invisible after it was sent
    poll: float  # between looks at working orders
    state: float  # between looks at money, session and quotes


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountCapabilities:
    """What one account can do; an order beyond it is denied here and never sent."""

    classes: Mapping[AssetClass, AssetRules]  # a class that is not there is not traded
    identity: Identity  # only with UNIQUE ones may an order that is surely absent be sent again
    attached_pair_hedge: bool  # leg 2 can be an order that follows the fills of leg 1
    reverses_in_one_order: bool  # a long position can become a short one by one sale
    replaces_orders: bool  # a working order can be given other terms
    is_remote: bool  # calls cross a network, and are made in threads of their own
    batch_size: int  # how many orders one call takes; 1 = each has a call of its own, made beside the others
    pace: Pace

    @property
    def coin_fee(self) -> Decimal:
        """Return the largest part of a coin that is kept as the fee when it is bought."""
        rules = self.classes.get(AssetClass.CRYPTO)
        return ZERO if rules is None else rules.fee_in_kind

    def paced(self, **seconds: float) -> AccountCapabilities:
        """Return the same at another pace."""
        return replace(self, pace=replace(self.pace, **seconds))

    def with_rules(self, **rules: Any) -> AccountCapabilities:
        """Return the same with other rules for every class of assets."""
        return replace(self, classes={name: replace(each, **rules) for name, each in self.classes.items()})

"""The sentence about a size names the rule that it breaks: short sales go in whole shares, whatever else may be cut."""

from dataclasses import replace
from decimal import Decimal

import pytest

from domain.enums import OrderType, Side
from domain.messages import AssetReport
from domain.preflight import preflight
from domain.venue.order_plans import LegOrderPlan
from tests.domain.checks_support import NOW
from tests.domain.planning.plan_support import VENUE, broker

SMALLEST = Decimal("0.00000001")
ASSET = AssetReport(symbol="V", tradable=True, shortable=True, quantity_step=SMALLEST, short_step=Decimal(1), at=NOW)
FRACTIONS = broker(quantity_step=SMALLEST, reverses_in_one_order=False, assets={"V": ASSET})
WHOLE = replace(VENUE, assets={"V": replace(ASSET, quantity_step=Decimal(1))})


@pytest.mark.parametrize(
    ("side", "quantity", "held", "venue", "text"),
    [
        (Side.SELL, "0", "0", FRACTIONS, "What is to be sold short of V rounds to 0: short sales go in whole shares."),
        (Side.SELL, "0", "-5", FRACTIONS, "What is to be sold short of V rounds to 0: short sales go in whole shares."),
        (Side.SELL, "0.4", "0", FRACTIONS, "0.4 V cannot be sold short: short sales go in whole shares."),
        (Side.SELL, "1.5", "-3", FRACTIONS, "1.5 V cannot be sold short: short sales go in whole shares."),
        (Side.SELL, "5.5", "3", FRACTIONS, "2.5 V cannot be sold short: short sales go in whole shares."),
        (Side.BUY, "1.5", "-3", FRACTIONS, "1.5 V cannot be traded against a short position: short sales go in whole shares."),
        (Side.SELL, "0.4", "2", FRACTIONS, None),
        (Side.BUY, "0.4", "0", FRACTIONS, None),
        (Side.BUY, "0", "0", FRACTIONS, "What is to be traded of V rounds to 0: the broker trades steps of 0.00000001."),
        (Side.BUY, "0.4", "0", WHOLE, "0.4 V cannot be traded: the broker trades steps of 1."),
    ],
)  # fmt: skip
def test_the_real_rule_is_named(side, quantity, held, venue, text):
    leg = LegOrderPlan(
        symbol="V",
        side=side,
        quantity=Decimal(quantity),
        order_type=OrderType.MARKET,
        limit_price=None,
        held=Decimal(held),
        price=Decimal(100),
    )
    refusal = preflight([leg], venue, NOW).refusal
    assert (refusal[1] if refusal else None) == text

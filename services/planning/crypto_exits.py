"""Selling coins of which a broker has kept its fee: an alert knows nothing of it and asks for a little too much."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

from domain.enums import Side
from domain.exact import plain_text
from services.ledger import crypto_fees
from services.planning.desk_book import Book
from services.planning.plan_context import Leg, PlanContext


def settle_fees(scene: PlanContext, book: Book) -> bool:
    """Book the fees that were kept since the book was last compared; tells whether there were any.

    Passed over while an order of the coin works: then the account's holding may be ahead of the book.
    """
    if scene.broker.holdings is None:
        return False
    settled = False
    worked = {order.symbol for order in book.working}
    symbols = {symbol for symbol in (scene.signal.symbol1, scene.signal.symbol2) if symbol}
    for symbol in sorted(symbols - worked):
        found = crypto_fees.Holdings(
            account_id=scene.signal.account_id or 0,
            symbol=symbol,
            ours=book.account_position(symbol),
            theirs=scene.broker.holdings.get(symbol, Decimal(0)),
        )
        fee = crypto_fees.book_fee(scene.session, found, scene.broker.coin_fee)
        if fee:
            left = plain_text(found.theirs)
            text = f"The broker has kept {plain_text(fee)} {symbol} as its fee; the account holds {left}."
            scene.see("fee", True, text, fee=fee, held=found.theirs)
            settled = True
    return settled


def can_be_sold(scene: PlanContext, book: Book, symbol: str, side: Side, quantity: Decimal) -> Decimal:
    """Return what is sold of a coin: all that is left, where more is asked for by no more than fees have taken."""
    name, broker = str(scene.signal.name), scene.broker
    held = book.position(name, symbol)
    if side is not Side.SELL or not broker.coin_fee or not 0 < held < quantity or not broker.is_always_open(symbol):
        return quantity
    on_record = crypto_fees.on_record(scene.session, scene.signal.account_id or 0, name, symbol)
    left = held - held % broker.step_of(symbol)
    return left if left > 0 and quantity - held <= max(on_record, quantity * broker.coin_fee) else quantity


def as_held(scene: PlanContext, book: Book, leg: Leg) -> Leg:
    """Return a leg that asks for no more of a coin than fees have left, and say so."""
    quantity = can_be_sold(scene, book, leg.symbol, leg.side, leg.quantity)
    if quantity == leg.quantity:
        return leg
    text = (
        f"{plain_text(leg.quantity)} {leg.symbol} are asked for; after fees {plain_text(quantity)} are held, and all "
        "of it is sold."
    )
    scene.see("fee", True, text, asked=leg.quantity, sold=quantity)
    return replace(leg, quantity=quantity)

"""What the page of positions shows of accounts and books, made ready; what is not known is a dash that says why."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from dashboard.formatting import Moment, moment, money, number, price, sign_look, signed, signed_money
from domain.enums import Route, Side
from services.reports.account_views import AccountView
from services.reports.drift import PairDrift
from services.reports.holdings import AccountHoldings, Book, Sum
from services.reports.position_queries import ValuedPosition

LATE = 120  # seconds after which what a broker said is pointed out as old


@dataclass(frozen=True, slots=True)
class Figure:
    """A number as it is shown; an unknown one has no text, and `why` says what is missing."""

    text: str = ""
    look: str = ""
    why: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Leg:
    """One symbol of a book."""

    key: str
    symbol: str
    held: str
    side: str
    average: str
    quote: Figure
    quote_lines: tuple[tuple[str, str], ...]
    quoted: Moment | None
    value: Figure
    unrealised: Figure
    realised: Figure
    commission: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Hedge:
    """How the legs of a pair fit."""

    ratio: str
    look: str
    word: str
    text: str
    imbalance: Figure
    money: Figure
    percent: Figure
    note: str


@dataclass(frozen=True, slots=True, kw_only=True)
class BookView:
    """A stock or pair with its legs together."""

    key: str
    name: str
    legs: tuple[Leg, ...]
    hedge: Hedge | None


@dataclass(frozen=True, slots=True, kw_only=True)
class SumView:
    """What the books of an account come to in one currency."""

    currency: str
    value: Figure
    unrealised: Figure
    realised: Figure
    commission: str


@dataclass(frozen=True, slots=True, kw_only=True)
class BrokerFacts:
    """What the broker said of the account last."""

    cash: Figure
    buying_power: Figure
    equity: Figure
    market: str
    heard: Moment | None
    compared: Moment | None
    late: bool
    trouble: str
    silence: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountBlock:
    """An account on the page."""

    key: str
    name: str
    broker: str
    facts: BrokerFacts
    books: tuple[BookView, ...]
    sums: tuple[SumView, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    """The order that would bring a pair's legs back into balance."""

    key: str
    pair: str
    account: str
    state: str
    text: str
    order: str
    side: str
    orphan: bool


def account_block(held: AccountHoldings, now: datetime) -> AccountBlock:
    """Return an account ready to be shown."""
    view = held.view
    return AccountBlock(
        key=f"account-{view.account.id}",
        name=view.account.name,
        broker=view.account.broker,
        facts=_facts(view, now),
        books=tuple(_book(book, view.account.id) for book in held.books),
        sums=tuple(_sum(each) for each in held.sums),
    )


def _facts(view: AccountView, now: datetime) -> BrokerFacts:
    state = view.state
    silence = ""
    if view.account.route == Route.EXTERNAL:
        silence = "Your own executor trades this account; the desk does not ask its broker."
    elif state is None or state.heard_at is None:
        silence = "The broker has not been asked yet; a worker does that as soon as it runs."
    unknown = Figure(why=silence or "the broker did not say")
    currency = f" {state.currency}" if state and state.currency else ""

    def amount(value: Decimal | None) -> Figure:
        return unknown if value is None else Figure(money(value) + currency)

    troubles = [state.trouble, f"blocked: {state.blocked}" if state.blocked else None] if state else []
    return BrokerFacts(
        cash=amount(state.cash if state else None),
        buying_power=amount(state.buying_power if state else None),
        equity=amount(state.equity if state else None),
        market=_market(view, now),
        heard=_moment(state.heard_at if state else None, now),
        compared=_moment(state.reconciled_at if state else None, now),
        late=view.heard_age is not None and view.heard_age > LATE,
        trouble="; ".join(text for text in troubles if text),
        silence=silence,
    )


def _moment(time: datetime | None, now: datetime) -> Moment | None:
    return None if time is None else moment(time, now)


def _market(view: AccountView, now: datetime) -> str:
    state = view.state
    if state is None or state.is_open is None:
        return ""
    turn = state.closes_at if state.is_open else state.opens_at
    until = ""
    if turn is not None and turn > now:
        at = moment(turn, now)
        until = f" until {f'{at.day} {at.clock[:5]}'.strip()} UTC"
    return ("open" if state.is_open else "closed") + until


def _book(book: Book, account_id: int) -> BookView:
    key = f"book-{account_id}-{book.name}"
    rows = {row.position.symbol: row for row in book.rows}
    symbols = [book.drift.leg1.symbol, book.drift.leg2.symbol] if book.drift else []
    symbols += [symbol for symbol in rows if symbol not in symbols]
    hedge = None
    if book.drift:
        leg2 = rows.get(book.drift.leg2.symbol)
        hedge = _hedge(book.drift, leg2.currency or "" if leg2 else "")
    legs = [_leg(f"{key}-{symbol}", symbol, rows.get(symbol)) for symbol in symbols]
    return BookView(key=key, name=book.name, legs=tuple(legs), hedge=hedge)


def _leg(key: str, symbol: str, row: ValuedPosition | None) -> Leg:
    if row is None:
        none = Figure(why="nothing was ever held of it in this book")
        return Leg(
            key=key, symbol=symbol, held="0", side="flat", average="", quote=none, quote_lines=(), quoted=None,
            value=none, unrealised=none, realised=none, commission="–",
        )  # fmt: skip
    held, quote, worth = row.position, row.quote, row.valuation
    missing = Figure(why=f"no quote of {symbol}" if quote is None else f"nobody trades {symbol} on that side now")
    shown = Figure(price(row.middle)) if row.middle is not None else missing
    lines = [("bid and ask", f"{price(quote.bid)} and {price(quote.ask)}"), ("source", quote.source)] if quote else []
    return Leg(
        key=key,
        symbol=symbol,
        side=side(held.quantity),
        held=number(abs(held.quantity)),
        average=price(held.average_price) if held.quantity else "",
        quote=shown,
        quote_lines=tuple(lines),
        quoted=moment(quote.at) if quote else None,
        value=missing if worth is None else Figure(money(worth.market_value)),
        unrealised=missing if worth is None else gain(worth.unrealised),
        realised=gain(held.realised),
        commission=money(held.commission),
    )


def _sum(total: Sum) -> SumView:
    missing = Figure(why=f"no quote of {', '.join(sorted(total.without_quote))}")
    return SumView(
        currency=total.currency or "currency not known",
        value=missing if total.market_value is None else Figure(money(total.market_value)),
        unrealised=missing if total.unrealised is None else gain(total.unrealised),
        realised=gain(total.realised),
        commission=money(total.commission),
    )


def gain(value: Decimal) -> Figure:
    """Return what was won or lost."""
    return Figure(signed_money(value), sign_look(value))


def side(quantity: Decimal) -> str:
    """Return on which side of the market a holding is."""
    return "long" if quantity > 0 else "short" if quantity < 0 else "flat"


def sided(quantity: Decimal) -> str:
    """Return a holding in words."""
    return f"{side(quantity)} {number(abs(quantity))}" if quantity else "flat"


def _hedge(row: PairDrift, currency: str) -> Hedge:
    drift, symbol2 = row.drift, row.leg2.symbol
    look, word = ("filled", "in balance") if drift.within else ("waiting", "drifted")
    if drift.orphan:
        look, word = "critical", "orphan"
    working = len(row.working_orders)
    orders = "" if not working else ", with 1 working order" if working == 1 else f", with {working} working orders"
    known = row.imbalance_money is not None
    source = f"at the {row.price2_from} {price(row.price2)}" if known else f"no price of {symbol2}"
    percent = Figure(f"{percentage(drift.percent)} %") if drift.percent is not None else Figure(why="nothing to hedge")
    return Hedge(
        ratio=number(row.hedge_ratio),
        look=look,
        word=word,
        text=f"{symbol2} should be {sided(drift.coming_target2)}, is {sided(row.leg2.coming)}{orders}",
        imbalance=Figure(signed(drift.imbalance2)),
        money=Figure(f"{signed_money(row.imbalance_money)} {currency}".strip(), why=source)
        if known
        else Figure(why=source),
        percent=percent,
        note=drift.note or "",
    )


def percentage(value: Decimal) -> str:
    """Return a percentage with at most two decimals."""
    return number(value.quantize(Decimal("0.01")).normalize() + 0)


def proposals(holdings: Sequence[AccountHoldings]) -> list[Proposal]:
    """Return what is proposed to heal, in words."""
    found = []
    for row in (book.drift for held in holdings for book in held.books if book.drift):
        proposal = row.drift.proposal
        if proposal is None:
            continue
        symbol2, size = row.leg2.symbol, number(abs(row.drift.imbalance2))
        if row.drift.orphan:
            text = f"{proposal.symbol} is held without its other leg; the proposed order closes it."
        else:
            more = "bought" if proposal.side is Side.BUY else "sold"
            off = f", {percentage(row.drift.percent)} % off" if row.drift.percent is not None else ""
            text = f"{size} shares of {symbol2} would have to be {more} for the hedge of {row.leg1.symbol}{off}."
        found.append(
            Proposal(
                key=f"heal-{row.account_id}-{row.pair}",
                pair=row.pair,
                account=row.account,
                state=row.state,
                text=text,
                order=f"{number(proposal.quantity)} {proposal.symbol} at market",
                side=proposal.side,
                orphan=row.drift.orphan,
            )
        )
    return found

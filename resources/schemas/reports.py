"""Results, slippage, the brokers' own view, hedge drift and the journal, as clients read them."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Self

from pydantic import AfterValidator, Field, model_validator

from domain.drift import USUAL_LIMIT, LegHolding, Proposal
from domain.enums import Side
from domain.slippage import Slippage
from models import JournalEntry
from resources.schemas.fields import (
    Day,
    Name,
    NotNegative,
    Out,
    OutNumber,
    TimeQuery,
    Tolerant,
    require_forwards,
    show_iso,
)
from resources.schemas.orders import AccountName
from services.paging import Page
from services.reports import pnl
from services.reports.drift import PairDrift
from services.reports.pnl import Group, Line, ResultFilter
from services.reports.slippage import NameSlippage, SlippageFilter
from services.reports.slippage import Report as SlippageReport


class ResultLine(Out):
    """Results in one currency, of real or play money; realised before commission, `net` after it, `traded` in shares.

    `unrealised` is null where a held symbol lacks a quote, named in `without_quote`, and where the group is a day.
    """

    key: str
    currency: str | None
    real_money: bool
    realised: OutNumber
    commission: OutNumber
    net: OutNumber
    traded: OutNumber
    unrealised: OutNumber | None
    without_quote: list[str]

    @classmethod
    def of(cls, line: Line) -> ResultLine:
        """Return the line."""
        return cls(
            key=line.key,
            currency=line.currency,
            real_money=line.real_money,
            realised=line.realised,
            commission=line.commission,
            net=line.net,
            traded=line.traded,
            unrealised=line.unrealised,
            without_quote=sorted(line.without_quote),
        )


class ResultsOut(Out):
    """Results by group, and a total for each currency, that of real money apart from that of play money."""

    group: Group
    lines: list[ResultLine]
    totals: list[ResultLine]

    @classmethod
    def of(cls, group: Group, report: pnl.Report) -> ResultsOut:
        """Return the report."""
        return cls(
            group=group,
            lines=[ResultLine.of(line) for line in report.lines],
            totals=[ResultLine.of(line) for line in report.totals],
        )


class ResultQuery(Tolerant):
    """What to add up; days are UTC and both included."""

    group: Group = Group.ACCOUNT
    from_: Day | None = Field(None, alias="from")
    to: Day | None = None
    account: AccountName | None = None
    name: Name | None = None

    @model_validator(mode="after")
    def _forwards(self) -> Self:
        require_forwards(self.from_, self.to)
        return self

    def filter(self) -> ResultFilter:
        """Return the filter in the desk's terms."""
        return ResultFilter(
            group=self.group, first_day=self.from_, last_day=self.to, account=self.account, name=self.name
        )


class SlippageOut(Out):
    """Slips in units of price (a pair: of spread), positive = better than the alert; quantity in shares of leg 1.

    `average` weighs each signal by its filled shares, `mean` does not; `money` is slip times filled shares.
    """

    signals: int
    quantity: OutNumber
    average: OutNumber
    mean: OutNumber
    best: OutNumber
    worst: OutNumber
    money: OutNumber
    money_per_share: OutNumber

    @classmethod
    def of(cls, figures: Slippage | None) -> SlippageOut | None:
        """Return the figures; None without a signal."""
        return None if figures is None else cls(**{name: getattr(figures, name) for name in cls.model_fields})


class NameSlippageOut(Out):
    """The slippage of one stock or pair; a side without filled signals is null."""

    name: str
    currency: str | None
    buy: SlippageOut | None
    sell: SlippageOut | None
    all: SlippageOut | None

    @classmethod
    def of(cls, row: NameSlippage) -> NameSlippageOut:
        """Return the three figures of a name."""
        return cls(
            name=row.name,
            currency=row.currency,
            buy=SlippageOut.of(row.buy),
            sell=SlippageOut.of(row.sell),
            all=SlippageOut.of(row.both),
        )


class SlippageList(Out):
    slippage: list[NameSlippageOut]
    covers_since: str | None = Field(description="set when there were too many signals: those before were left out")

    @classmethod
    def of(cls, report: SlippageReport) -> SlippageList:
        """Return the report."""
        since = report.covers_since
        return cls(
            slippage=[NameSlippageOut.of(row) for row in report.names],
            covers_since=None if since is None else show_iso(since),
        )


class SlippageQuery(TimeQuery):
    """Which signals count; `ticker` is a stock's or pair's name, times are those of receipt."""

    ticker: Name | None = None
    side: Side | None = None

    def filter(self) -> SlippageFilter:
        """Return the filter in the desk's terms."""
        return SlippageFilter(name=self.ticker, side=self.side, since=self.from_, until=self.to)


class LegDriftOut(Out):
    """One leg: held, still to come from open orders (signed shares), and the step in which it trades."""

    symbol: str
    held: OutNumber
    working: OutNumber
    step: OutNumber

    @classmethod
    def of(cls, leg: LegHolding) -> LegDriftOut:
        """Return the leg."""
        return cls(symbol=leg.symbol, held=leg.held, working=leg.working, step=leg.step)


class ProposalOut(Out):
    """The order that would heal the pair."""

    symbol: str
    side: str
    quantity: OutNumber

    @classmethod
    def of(cls, order: Proposal | None) -> ProposalOut | None:
        """Return the order; None where nothing is proposed."""
        return None if order is None else cls(symbol=order.symbol, side=order.side, quantity=order.quantity)


class DriftOut(Out):
    """A pair's legs against each other, in shares of leg 2.

    `target2` hedges what is held of leg 1. `imbalance2` is leg 2 less what hedges leg 1, both with their working
    orders; `drift` is its size in percent of that, null where leg 1 needs no hedge. `orphan`: one leg without
    the other. `note` says why there is no proposal. `state` changes with holdings, open orders and hedge ratio.
    """

    pair: str
    account: str
    hedge: OutNumber
    leg1: LegDriftOut
    leg2: LegDriftOut
    target2: OutNumber
    imbalance2: OutNumber
    drift: OutNumber | None
    within_limit: bool
    orphan: bool
    price2: OutNumber | None
    price2_from: str | None
    imbalance_money: OutNumber | None
    open_orders: list[int]
    proposal: ProposalOut | None
    note: str | None
    state: str

    @classmethod
    def of(cls, row: PairDrift) -> DriftOut:
        """Return the pair's drift."""
        drift = row.drift
        return cls(
            pair=row.pair,
            account=row.account,
            hedge=row.hedge_ratio,
            leg1=LegDriftOut.of(row.leg1),
            leg2=LegDriftOut.of(row.leg2),
            target2=drift.target2,
            imbalance2=drift.imbalance2,
            drift=drift.percent,
            within_limit=drift.within,
            orphan=drift.orphan,
            price2=row.price2,
            price2_from=row.price2_from,
            imbalance_money=row.imbalance_money,
            open_orders=row.working_orders,
            proposal=ProposalOut.of(drift.proposal),
            note=drift.note,
            state=row.state,
        )


class DriftList(Out):
    pairs: list[DriftOut]


def _at_most_100(number: Decimal) -> Decimal:
    if number > 100:
        raise ValueError("must be at most 100")
    return number


class DriftQuery(Tolerant):
    """Which pair, and how much drift is allowed, percent."""

    pair: Name | None = None
    limit: Annotated[NotNegative, AfterValidator(_at_most_100)] = USUAL_LIMIT


class JournalOut(Out):
    """One thing that a person did by hand."""

    entry: int
    at: str
    actor: str
    action: str
    subject: str
    text: str


class JournalPage(Out):
    entries: list[JournalOut]
    next_after: int | None = Field(description="`after` of the next page, null on the last")

    @classmethod
    def of(cls, page: Page[JournalEntry, int]) -> JournalPage:
        """Return the page."""
        rows = [
            JournalOut(
                entry=row.id,
                at=show_iso(row.at),
                actor=row.actor,
                action=row.action,
                subject=row.subject,
                text=row.text,
            )
            for row in page.rows
        ]
        return cls(entries=rows, next_after=page.next_after)

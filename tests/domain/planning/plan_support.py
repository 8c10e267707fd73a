"""A signal and all that planning may look at: a lane, the rules, and a venue that takes everything."""

from collections.abc import Sequence
from dataclasses import fields, replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

from brokers.paper.rules.capabilities import CAPABILITIES
from domain.checks.facts import Facts
from domain.checks.rules import RuleRow, Rules, Subject
from domain.enums import CheckMode, OrderType, Scope, Side, Source, StopLevel, TickerType, TimeInForce, WhenClosed
from domain.intake import Decision
from domain.lanes.position_reversal import AccountHolding
from domain.lanes.values import Ahead, Lane, LaneLeg, Working
from domain.messages import AssetReport, SessionReport
from domain.order_status import OrderStatus, SignalStatus
from domain.planning.plan import PAUSED, plan
from domain.planning.values import Outcome, PlanContext, Request
from domain.stops import StopInForce
from domain.venue.capabilities import AccountCapabilities, AssetRules
from domain.venue.order_plans import BrokerFacts
from tests.domain.checks_support import NOW

D = Decimal
SIGNAL, HEDGE = 100, D(2)
SINGLE, PAIR = ("AAA",), ("AAA", "BBB")
STOP = StopInForce(1, StopLevel.ENTRIES, Scope.DESK, "", "news")
OPENS_AT = NOW + timedelta(hours=1)
EVERY_KIND = dict.fromkeys(OrderType, frozenset(TimeInForce))
ABLE = CAPABILITIES.with_rules(
    order_kinds=EVERY_KIND, extended_kinds=EVERY_KIND, fraction_kinds=EVERY_KIND, quantity_step=D(1)
)
VENUE = BrokerFacts(able=ABLE, assets={}, account=None, session=None)
RULES, ACCOUNT_RULES = (frozenset(each.name for each in fields(kind)) for kind in (AssetRules, AccountCapabilities))
PAUSED_NAME = Decision(status=SignalStatus.CANCELED, reason=PAUSED, error_text="passive ticker: it is paused")


def working(order_id: int, side: Side, rest: Any, **more: Any) -> Working:
    values = {"signal_id": order_id, "lane": "AAA", "symbol": "AAA", "status": OrderStatus.ACCEPTED, "age": D(60)}
    return Working(order_id=order_id, side=side, rest=D(rest), **{**values, **more})


def request(side: Side = Side.BUY, quantity: Any = 10, bound: Any = None, **more: Any) -> Request:
    symbols = more.get("symbols", SINGLE)
    kind = TickerType.SINGLE if symbols == SINGLE else TickerType.PAIR
    values = {"source": Source.WEBHOOK, "account": "paper", "symbols": symbols, "price": D(50), **more}
    if kind is TickerType.PAIR:
        values["hedge_ratio"] = HEDGE
    return Request(
        signal_id=SIGNAL,
        name="-".join(symbols),
        kind=kind,
        side=side,
        quantity=D(quantity),
        bound=None if bound is None else D(bound),
        **values,
    )


def situation(
    asked: Request,
    held: Sequence[Any] = (0,),
    orders: Sequence[Working] = (),
    *,
    ahead: Sequence[Ahead] = (),
    rules: Sequence[RuleRow] = (),
    stopped: bool = False,
    paused: bool = False,
    is_open: bool = True,
    account: Sequence[Any] | None = None,
    facts: dict[str, Any] | None = None,
    **venue: Any,
) -> PlanContext:
    """Return what planning sees; `account` is what the whole account holds, where that is not what the book holds."""
    legs = tuple(
        LaneLeg(symbol=symbol, held=D(quantity), working=tuple(o for o in orders if o.symbol == symbol))
        for symbol, quantity in zip(asked.symbols, held, strict=True)
    )
    there = {s: D(quantity) for s, quantity in zip(asked.symbols, held if account is None else account, strict=True)}
    subject = Subject(asked.account, asked.name, asked.kind)
    values = {
        "now": NOW,
        "received_at": NOW - timedelta(seconds=1),
        "stops": (STOP,) if stopped else (),
        **(facts or {}),
    }
    session = SessionReport(is_open=is_open, at=NOW, opens_at=None if is_open else OPENS_AT)
    return PlanContext(
        now=NOW,
        lane=Lane(
            name=asked.name, legs=legs, ahead=tuple(ahead), hedge_ratio=asked.hedge_ratio if asked.is_pair else None
        ),
        facts=Facts(
            subject=subject,
            symbols=asked.symbols,
            side=asked.side,
            quantity=asked.quantity,
            price=asked.price,
            hedge_ratio=asked.hedge_ratio,
            **values,
        ),
        rules=Rules(rules),
        broker=broker(session=session, **venue),
        registered=replace(PAUSED_NAME) if paused else Decision(),
        account_positions=there,
        holdings={
            symbol: AccountHolding.of(quantity, [(o.side, o.rest) for o in orders if o.symbol == symbol])
            for symbol, quantity in there.items()
        },
    )


def broker(facts: BrokerFacts = VENUE, **changes: Any) -> BrokerFacts:
    """Return what is known of a broker, with some of its facts, of its account's capabilities or of their rules changed."""
    of_rules = {name: value for name, value in changes.items() if name in RULES}
    of_account = {name: value for name, value in changes.items() if name in ACCOUNT_RULES}
    able = replace(facts.able.with_rules(**of_rules), **of_account)
    rest = {name: value for name, value in changes.items() if name not in RULES | ACCOUNT_RULES}
    return replace(facts, able=able, **rest)


def planned(asked: Request, *args: Any, **more: Any) -> Outcome:
    return plan(asked, situation(asked, *args, **more))


def choice(check: str, value: str) -> RuleRow:
    return RuleRow(Scope.DESK, "", check, None, None, value)


def mode(check: str, value: CheckMode) -> RuleRow:
    return RuleRow(Scope.DESK, "", check, value)


HOLDS = choice("trading_hours", WhenClosed.HOLD)


def whole_shares(symbol: str, **more: Any) -> AssetReport:
    values = {"tradable": True, "shortable": True, "quantity_step": D(1), **more}
    return AssetReport(symbol=symbol, at=NOW, **values)

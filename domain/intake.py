"""What an alert is worth on arrival: a ticker that is understood, registered, active and hedged as agreed."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from domain.checks.rules import Rules, Subject
from domain.edge.ignored import touches_money
from domain.enums import Activity, CheckMode, TickerType
from domain.exact import plain_text
from domain.order_status import SignalStatus
from domain.ticker import Pair, Single, TickerError, parse_ticker
from domain.trace import step

IN_FUTURE = "alert time in the future"
FUTURE_TOLERANCE = 60  # seconds by which the sender's clock may be ahead of the database's


@dataclass(frozen=True, slots=True)
class Tradable:
    """What the registry knows of an instrument or a pair; `hedge_ratio` is None for an instrument."""

    name: str
    activity: Activity
    account_id: int
    external: bool
    hedge_ratio: Decimal | None = None
    account: str = ""  # the account's name
    leg_of: str = ""  # the active pair whose executor may trade it by itself


@dataclass(frozen=True, slots=True)
class Terms:
    """What the desk decides by: its rules, and where a ticker goes that is not registered and yet traded."""

    rules: Rules
    account_id: int | None = None
    external: bool = False
    account: str = ""


BUILT_IN = Terms(Rules())


def _is_never_busy(account_id: int, name: str) -> bool:
    return False


@dataclass(frozen=True, slots=True)
class Arrival:
    """What else counts when an alert comes.

    `alert_at` is the alert's own time and `now` the database's; where one of them is None they are not compared.
    `is_lane_busy` takes an account id and a name, and returns True if anything is held or worked there. It is asked for
    names that are paused. `ignored` are the names of the alert's fields that the desk does not know, `own_terms` of
    those that say how it is to be traded.
    """

    alert_at: datetime | None = None
    now: datetime | None = None
    is_lane_busy: Callable[[int, str], bool] = _is_never_busy
    ignored: Sequence[str] = ()
    own_terms: Sequence[str] = ()


WHENEVER = Arrival()


@dataclass(slots=True)
class Decision:
    """What to store with an alert."""

    status: SignalStatus = SignalStatus.WAITING
    reason: str | None = None
    error_text: str | None = None
    ticker_type: TickerType | None = None
    name: str | None = None
    symbol1: str | None = None
    symbol2: str | None = None
    hedge_ratio: Decimal | None = None
    account_id: int | None = None
    external: bool = False
    trace: list[dict[str, Any]] = field(default_factory=list)

    def refuse(self, status: SignalStatus, reason: str, text: str) -> "Decision":
        """End with a status that does not trade; `text` is the sentence shown to people."""
        self.status, self.reason, self.error_text = status, reason, f"{reason}: {text}"[:1000]
        return self


def decide(
    ticker: str,
    find_instrument: Callable[[str], Tradable | None],
    find_pair: Callable[[str], Tradable | None],
    terms: Terms = BUILT_IN,
    arrival: Arrival = WHENEVER,
) -> Decision:
    """Return what becomes of an alert for that ticker text, with each check. Never raises for a bad ticker."""
    result = Decision()
    if arrival.ignored:
        result.trace.append(_name_ignored(arrival.ignored))
    try:
        parsed = parse_ticker(ticker, lambda symbol: find_instrument(symbol) is not None)
    except TickerError as e:
        result.trace.append(step("ticker", False, e.reason, ticker=ticker))
        return result.refuse(SignalStatus.ERROR, "problematic ticker!", e.reason)
    result.name = parsed.name
    if isinstance(parsed, Single):
        result.ticker_type, result.symbol1 = TickerType.SINGLE, parsed.symbol
        text = f"'{ticker}' is the single instrument {parsed.symbol}."
        result.trace.append(step("ticker", True, text, symbol=parsed.symbol))
        found = find_instrument(parsed.symbol)
    else:
        result.ticker_type = TickerType.PAIR
        result.symbol1, result.symbol2 = parsed.leg1.symbol, parsed.leg2.symbol
        result.hedge_ratio = parsed.hedge_ratio
        text = f"'{ticker}' is the pair {parsed.name} with hedge ratio {plain_text(parsed.hedge_ratio)}."
        result.trace.append(step("ticker", True, text, pair=parsed.name, hedge_ratio=parsed.hedge_ratio))
        found = find_pair(parsed.name)
    if found is not None and found.external and arrival.own_terms:
        text = f"{', '.join(arrival.own_terms)}: up to the executor that trades {found.name}; the desk does not use it."
        result.trace.append(step("fields", False, text, outcome="warning"))
    account = found.account if found else terms.account
    subject = Subject(account, parsed.name, result.ticker_type)
    _check_registered(result, parsed, found, terms, subject)
    if found is not None and result.status is SignalStatus.WAITING:
        _check_active(result, found, terms.rules.mode("active", subject), arrival)
    if found is not None and result.status is SignalStatus.WAITING:
        _check_hedge(result, parsed, found, terms.rules.mode("hedge", subject))
    if result.status is SignalStatus.WAITING:
        _check_time(result, arrival, terms.rules.mode("age", subject))
    return result


def _check_registered(
    result: Decision, parsed: Single | Pair, found: Tradable | None, terms: Terms, subject: Subject
) -> None:
    mode = terms.rules.mode("registered", subject)
    if found is not None:
        result.account_id, result.external = found.account_id, found.external
        if mode is not CheckMode.OFF:
            text = f"The {_kind(result)} {found.name} is registered."
            result.trace.append(step("registered", True, text, name=found.name))
        return
    text = f"No {_kind(result)} {parsed.name} is registered."
    if _passes(result, mode, "registered", text, name=parsed.name):
        result.account_id, result.external = terms.account_id, terms.external
    else:
        result.refuse(SignalStatus.ERROR, "unknown ticker", text)


def _check_active(result: Decision, found: Tradable, mode: CheckMode, arrival: Arrival) -> None:
    """Refuse what is paused, unless it has a position or an order: then the worker looks whether that is closed."""
    what = _kind(result)
    if found.activity is Activity.ACTIVE:
        if mode is not CheckMode.OFF:
            text = f"The {what} {found.name} is active."
            result.trace.append(step("active", True, text, activity=found.activity))
        return
    if found.leg_of:
        text = (
            f"The {what} {found.name} is a leg of the active pair {found.leg_of}, whose executor trades it by itself."
        )
        result.trace.append(step("active", True, text, activity=found.activity, pair=found.leg_of))
        return
    state = "on the watch-list" if found.activity is Activity.WATCH else "passive"
    text = f"The {what} {found.name} is registered but {state}."
    if mode is CheckMode.REFUSE and not found.external and arrival.is_lane_busy(found.account_id, found.name):
        text = f"{text[:-1]}; it has a position or an open order, so the worker decides whether this alert closes it."
        mode = CheckMode.WARN
    if not _passes(result, mode, "active", text, activity=found.activity):
        result.refuse(SignalStatus.CANCELED, "passive ticker", text)


def _check_time(result: Decision, arrival: Arrival, mode: CheckMode) -> None:
    """Refuse an alert that says it will fire only later: its age could not be told."""
    if arrival.alert_at is None or arrival.now is None or mode is CheckMode.OFF:
        return
    if arrival.alert_at <= arrival.now + timedelta(seconds=FUTURE_TOLERANCE):
        return
    text = f"The alert says that it fired at {arrival.alert_at:%Y-%m-%d %H:%M:%S} UTC, which is still to come."
    if not _passes(result, mode, "age", text, alert_time=arrival.alert_at, now=arrival.now):
        result.refuse(SignalStatus.CANCELED, IN_FUTURE, text)


def _name_ignored(names: Sequence[str]) -> dict[str, Any]:
    """Return the step that names what the alert says and the desk has no use for; a warning where money hangs on it."""
    text = f"The alert has fields that the desk does not know; they change nothing: {', '.join(names)}."
    if touches_money(names):
        return step("fields", False, text, outcome="warning")
    return step("fields", True, text)


def _kind(result: Decision) -> str:
    return "pair" if result.ticker_type is TickerType.PAIR else "stock"


def _check_hedge(result: Decision, parsed: Single | Pair, found: Tradable, mode: CheckMode) -> None:
    if not isinstance(parsed, Pair) or mode is CheckMode.OFF:
        return
    equal = parsed.hedge_ratio == found.hedge_ratio
    relation = "equals" if equal else "differs from"
    text = f"The alert's hedge ratio {plain_text(parsed.hedge_ratio)} {relation} the registered {found.hedge_ratio}."
    values = {"alert": parsed.hedge_ratio, "registered": found.hedge_ratio}
    if equal:
        result.trace.append(step("hedge", True, text, **values))
    elif not _passes(result, mode, "hedge", text, **values):
        result.refuse(SignalStatus.CANCELED, "wrong hedge", text)


def _passes(result: Decision, mode: CheckMode, check: str, text: str, **values: Any) -> bool:
    """Put a check that failed on the trace; return True if the signal is traded all the same."""
    if mode is CheckMode.WARN:
        values["outcome"] = "warning"
    if mode is not CheckMode.OFF:
        result.trace.append(step(check, False, text, **values))
    return mode is not CheckMode.REFUSE

"""What the page of accounts shows, made ready."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from dashboard.formatting import Moment, moment, money
from dashboard.views.positions import LATE, Figure
from domain.enums import Environment, Route
from models import AccountState
from services.accounts.broker_accounts import KnownAccount
from services.accounts.known_brokers import SPECS, CredentialField
from services.reports.unmonitored_accounts import UnmonitoredAccount

LOOK = {Environment.PAPER: "created", Environment.LIVE: "critical", Environment.SIMULATOR: "canceled"}


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountCard:
    """An account on the page; `word` changes with what its forms are about, `deeds` are the forms it has."""

    id: int
    key: str
    name: str
    what: str
    badge: str
    look: str
    is_default: bool
    is_live: bool
    live_enabled: bool
    has_keys: bool
    credentials: tuple[CredentialField, ...]
    trading: str
    trading_look: str
    key_hint: str
    number: str
    added: Moment
    buying_power: Figure
    equity: Figure
    heard: Moment | None
    late: bool
    silence: str
    stream: str
    stream_heard: Moment | None
    trouble: str
    deeds: frozenset[str]
    word: str


def account_card(known: KnownAccount, now: datetime, away: UnmonitoredAccount | None) -> AccountCard:
    """Return an account ready to be shown; `away` when it is not in step with its broker."""
    account, state = known.account, known.state
    environment, external = Environment(account.environment), account.route == Route.EXTERNAL
    heard = state.heard_at if state else None
    trading, trading_look = _trading(known, away)
    silence = _silence(known)
    return AccountCard(
        id=account.id,
        key=f"account-{account.id}",
        name=account.name,
        what=_what(known),
        badge="external" if external else "LIVE" if environment is Environment.LIVE else environment,
        look="canceled" if external else LOOK[environment],
        is_default=account.is_default,
        is_live=environment is Environment.LIVE,
        live_enabled=account.live_enabled,
        has_keys=account.credentials is not None,
        credentials=SPECS[account.broker].credentials if account.broker in SPECS else (),
        trading=trading,
        trading_look=trading_look,
        key_hint=_key_hint(known),
        number=account.broker_number or "",
        added=moment(account.created_at, now),
        buying_power=_amount(state, state.buying_power if state else None, silence),
        equity=_amount(state, state.equity if state else None, silence),
        heard=moment(heard, now) if heard else None,
        late=heard is not None and (now - heard).total_seconds() > LATE,
        silence=silence,
        stream=_stream(state, away),
        stream_heard=moment(state.stream_heard_at, now) if state and state.stream_heard_at else None,
        trouble=_trouble(state, away),
        deeds=_deeds(known),
        word=f"{account.revision}-{account.live_enabled}-{account.is_default}",
    )


def _what(known: KnownAccount) -> str:
    account = known.account
    if account.route == Route.EXTERNAL:
        return "Your own executor, which reads waiting signals from the API"
    environment = Environment(account.environment)
    spec = SPECS.get(account.broker)
    if spec is None:
        return f"{account.broker}: the desk has no such broker any more"
    if not spec.wants_credentials:
        return f"{spec.title}: play money, on this machine"
    return {
        Environment.PAPER: f"{spec.title}, play money",
        Environment.LIVE: f"{spec.title}, real money",
        Environment.SIMULATOR: f"{spec.title}'s stand-in on this machine, play money",
    }[environment]


def _trading(known: KnownAccount, away: UnmonitoredAccount | None) -> tuple[str, str]:
    account = known.account
    if account.route == Route.EXTERNAL:
        return "left to your executor", "canceled"
    if known.wants_keys and account.credentials is None:
        return "no keys, nothing is sent", "waiting"
    if not account.may_trade:
        return "live trading is off, nothing is sent", "waiting"
    if away is not None:
        return "not in step, nothing is watched", "error"
    return ("trades real money", "critical") if account.live_enabled else ("trades play money", "filling")


def _key_hint(known: KnownAccount) -> str:
    if not known.wants_keys:
        return ""
    return f"…{known.account.key_hint}" if known.account.credentials else "none set"


def _silence(known: KnownAccount) -> str:
    if known.account.route == Route.EXTERNAL:
        return "the desk does not ask its broker"
    if known.state is None or known.state.heard_at is None:
        return "no worker has asked the broker yet"
    return ""


def _amount(state: AccountState | None, value: Decimal | None, silence: str) -> Figure:
    if state is None or value is None:
        return Figure(why=silence or "the broker did not say")
    return Figure(f"{money(value)} {state.currency or ''}".strip())


def _stream(state: AccountState | None, away: UnmonitoredAccount | None) -> str:
    if state is None or (state.stream_heard_at is None and state.stream_trouble is None):
        return ""
    if away is not None and state.stream_trouble is None:
        return "of no use while the account cannot be read"
    return state.stream_trouble or "connected"


def _trouble(state: AccountState | None, away: UnmonitoredAccount | None) -> str:
    blocked = f"blocked: {state.blocked}" if state and state.blocked else None
    why = state.trouble if state and state.trouble else away.why if away else None
    return "; ".join(text for text in (why, blocked) if text)


def _deeds(known: KnownAccount) -> frozenset[str]:
    account = known.account
    if not known.wants_keys:
        return frozenset({"check"} if account.route != Route.EXTERNAL else ())
    deeds = {"keys", "remove"}
    deeds |= {"check", "drop"} if account.credentials else set()
    deeds |= {"live"} if account.environment == Environment.LIVE else set()
    return frozenset(deeds)

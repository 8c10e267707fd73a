"""Broker accounts as clients write and read them; keys come in and never go out."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, StringConstraints, create_model

from domain.enums import Environment
from resources.schemas.actions import Reason
from resources.schemas.fields import Closed, Out, OutNumber, show_iso
from services.accounts.broker_accounts import AccountForm, KnownAccount
from services.accounts.broker_keys import Keys
from services.accounts.check_account import Check
from services.accounts.known_brokers import SPECS, USUAL

Key = Annotated[str, StringConstraints(min_length=1, max_length=128)]
NewName = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=64)]


CREDENTIALS = {
    each.name: (
        Key | None,
        Field(None, repr=False, description=f"{spec.title}: {each.label}; {each.rule}; is tried and encrypted"),
    )
    for spec in SPECS.values()
    for each in spec.credentials
}


class _Keys(Closed):
    def keys(self) -> Keys:
        """Return the keys that were given; the broker's rules say which of them are missing or wrong."""
        given = {name: getattr(self, name) for name in CREDENTIALS}
        return Keys(**{name: value for name, value in given.items() if value is not None})


# One field for each credential that any broker asks for.
KeysIn = create_model("KeysIn", __base__=_Keys, **CREDENTIALS)  # type: ignore[call-overload]


class BrokerAccountIn(KeysIn):
    name: NewName = Field(description="lower-case letters, digits, - and _; what stocks and pairs name")
    broker: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=32)] = USUAL
    environment: Environment = Field(Environment.PAPER, description="each has keys of its own; live is real money")

    def form(self) -> AccountForm:
        """Return the account in the desk's terms."""
        return AccountForm(name=self.name, broker=self.broker, environment=self.environment, keys=self.keys())


class LiveIn(Closed):
    on: Annotated[bool, Field(strict=True, description="true: orders of real money are sent from now on")]
    reason: Reason


class ReasonQuery(Closed):
    reason: Reason


class BrokerAccountOut(Out):
    """An account, and what a worker heard of it last; null = not known."""

    name: str
    broker: str
    environment: str
    route: str
    is_default: bool
    live_enabled: bool
    may_trade: bool
    has_keys: bool
    key_hint: str | None
    broker_number: str | None
    created_at: str
    heard_at: str | None
    trouble: str | None
    stream_heard_at: str | None
    stream_trouble: str | None
    currency: str | None
    buying_power: OutNumber | None
    equity: OutNumber | None
    blocked: str | None

    @classmethod
    def of(cls, known: KnownAccount) -> BrokerAccountOut:
        """Return the account in the words of the edge."""
        account, state = known.account, known.state
        return cls(
            name=account.name,
            broker=account.broker,
            environment=account.environment,
            route=account.route,
            is_default=account.is_default,
            live_enabled=account.live_enabled,
            may_trade=account.may_trade,
            has_keys=account.credentials is not None,
            key_hint=f"…{account.key_hint}" if account.key_hint else None,
            broker_number=account.broker_number,
            created_at=show_iso(account.created_at),
            heard_at=show_iso(state.heard_at) if state and state.heard_at else None,
            trouble=state.trouble if state else None,
            stream_heard_at=show_iso(state.stream_heard_at) if state and state.stream_heard_at else None,
            stream_trouble=state.stream_trouble if state else None,
            currency=state.currency if state else None,
            buying_power=state.buying_power if state else None,
            equity=state.equity if state else None,
            blocked=state.blocked if state else None,
        )


class BrokerAccountList(Out):
    accounts: list[BrokerAccountOut]


class CheckOut(Out):
    """What the broker says now; without an answer only `text` says why."""

    ok: bool
    text: str
    buying_power: OutNumber | None
    currency: str | None
    blocked: str | None

    @classmethod
    def of(cls, check: Check) -> CheckOut:
        """Return the broker's answer."""
        report = check.report
        return cls(
            ok=check.ok,
            text=check.text,
            buying_power=report.buying_power if report else None,
            currency=report.currency if report else None,
            blocked=(report.blocked or None) if report else None,
        )

"""What the brokers said last, stored so that the web can show it with its age without asking any broker itself."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal

import sqlalchemy as sa

from domain.enums import Activity, AssetClass
from domain.messages import AccountReport, AssetReport, QuoteReport, SessionReport
from extensions import insert_or_update, reading, transaction, utc_now
from models import AccountState, AssetState, Instrument, Order, Pair, Position, Quote
from models.order import OPEN

ASSET_COLUMNS = (
    "tradable", "shortable", "quantity_step", "short_step", "always_open", "asset_class", "price_step", "least_value",
    "least_quantity", "extended_fractions", "overnight", "not_bought", "heard_at",
)  # fmt: skip
QUOTE_COLUMNS = ("bid", "ask", "source", "at", "heard_at")


def symbols_of(account_id: int) -> tuple[set[str], set[str]]:
    """Return the symbols that an account holds or works, and those that alerts may come for."""
    with reading() as session:
        held = session.execute(
            sa.select(Position.symbol, Position.quantity).where(Position.account_id == account_id)
        ).all()
        worked = session.execute(sa.select(Order.symbol).where(OPEN, Order.account_id == account_id)).scalars().all()
        active = sa.select(Instrument.symbol).where(Instrument.activity == Activity.ACTIVE)
        legs = sa.select(Instrument.symbol).join(
            Pair, sa.or_(Pair.leg1_id == Instrument.id, Pair.leg2_id == Instrument.id)
        )
        registered = sa.union(active, legs.where(Pair.activity == Activity.ACTIVE))
        names = session.execute(registered).scalars().all()
    return {row.symbol for row in held if row.quantity != 0} | set(worked), set(names)


def keep_account(
    account_id: int, account: AccountReport | None, state: SessionReport | None, trouble: str | None
) -> None:
    """Keep money and session of an account, or why they could not be asked for."""
    values: dict[str, object] = {"trouble": trouble and trouble[:255]}
    if account is not None and state is not None:
        values |= {
            "cash": account.cash,
            "currency": account.currency,
            "buying_power": account.buying_power,
            "equity": account.equity,
            "cash_power": account.cash_power,
            "may_short": account.may_short,
            "coins_blocked": account.coins_blocked[:255],
            "blocked": account.blocked[:255],
            "is_open": state.is_open,
            "opens_at": state.opens_at,
            "closes_at": state.closes_at,
            "is_overnight": state.is_overnight,
            "heard_at": utc_now(),
        }
    set_state(account_id, **values)


def set_state(account_id: int, **values: object) -> None:
    """Set columns of an account's state."""
    with transaction() as session:
        row = insert_or_update(AccountState).values(account_id=account_id, **values)
        session.execute(row.on_conflict_do_update(index_elements=[AccountState.account_id], set_=values))


def keep_assets(account_id: int, assets: Mapping[str, AssetReport | None]) -> None:
    """Keep what may be done with symbols; None = the broker does not know it."""
    rows = [
        {
            "account_id": account_id,
            "symbol": symbol,
            "tradable": asset is not None and asset.tradable,
            "shortable": asset is not None and asset.shortable,
            "quantity_step": asset.quantity_step if asset else Decimal(1),
            "short_step": asset.short_step if asset else None,
            "always_open": asset is not None and asset.always_open,
            "asset_class": asset.asset_class if asset else None,
            "price_step": asset.price_step if asset else None,
            "least_value": asset.least_value if asset else None,
            "least_quantity": asset.least_quantity if asset else None,
            "extended_fractions": asset is not None and asset.extended_fractions,
            "overnight": asset is not None and asset.overnight,
            "not_bought": asset.not_bought[:255] if asset else None,
        }
        for symbol, asset in sorted(assets.items())
    ]
    _keep(AssetState, rows, ASSET_COLUMNS)


def account_of(state: AccountState | None) -> AccountReport | None:
    """Return what was kept of an account; None = its broker has said nothing yet."""
    if state is None or state.heard_at is None or state.cash is None:
        return None
    return AccountReport(
        account="",
        cash=state.cash,
        currency=state.currency or "",
        at=state.heard_at,
        buying_power=state.buying_power or Decimal(0),
        equity=state.equity or Decimal(0),
        cash_power=state.cash_power or Decimal(0),
        may_short=state.may_short is True,
        coins_blocked=state.coins_blocked or "",
        blocked=state.blocked or "",
    )


def session_of(state: AccountState | None) -> SessionReport | None:
    """Return what was kept of the market's session; None = the broker has said nothing yet."""
    if state is None or state.heard_at is None or state.is_open is None:
        return None
    return SessionReport(
        is_open=state.is_open,
        at=state.heard_at,
        opens_at=state.opens_at,
        closes_at=state.closes_at,
        is_overnight=state.is_overnight,
    )


def asset_of(row: AssetState) -> AssetReport:
    """Return what was kept of an asset."""
    return AssetReport(
        symbol=row.symbol,
        tradable=row.tradable,
        shortable=row.shortable,
        quantity_step=row.quantity_step,
        at=row.heard_at,
        short_step=row.short_step,
        always_open=row.always_open,
        asset_class=AssetClass(row.asset_class) if row.asset_class else None,
        price_step=row.price_step,
        least_value=row.least_value,
        least_quantity=row.least_quantity,
        extended_fractions=row.extended_fractions,
        overnight=row.overnight,
        not_bought=row.not_bought or "",
    )


def keep_quotes(account_id: int, quotes: Iterable[QuoteReport]) -> None:
    """Keep the newest quotes."""
    rows = [
        {
            "account_id": account_id,
            "symbol": quote.symbol,
            "bid": quote.bid,
            "ask": quote.ask,
            "source": quote.source,
            "at": quote.at,
        }
        for quote in sorted(quotes, key=lambda quote: quote.symbol)
    ]
    _keep(Quote, rows, QUOTE_COLUMNS)


def _keep(model: type[AssetState | Quote], rows: Sequence[Mapping[str, object]], columns: Sequence[str]) -> None:
    """Store rows by account and symbol, all in one message; the newest stays."""
    if not rows:
        return
    insert = insert_or_update(model).values(heard_at=utc_now())
    new = {name: insert.excluded[name] for name in columns}
    keys = [model.account_id, model.symbol]
    with transaction() as session:
        session.execute(insert.on_conflict_do_update(index_elements=keys, set_=new), rows)

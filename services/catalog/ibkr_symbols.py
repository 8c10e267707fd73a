"""Which registered instruments an executor beside Interactive Brokers means, and how it writes them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import sqlalchemy as sa

from domain.edge.ibkr_symbols import WITH_CURRENCY, for_ibkr, is_meant, registered_form
from domain.errors import NotFound
from extensions import db
from models import Instrument
from services.among import among


def symbols_for_ibkr(symbols: Iterable[str | None]) -> Mapping[str, str]:
    """Return registered symbols as Interactive Brokers knows them; those that are not registered count as stocks."""
    wanted = sorted({symbol for symbol in symbols if symbol is not None})
    query = sa.select(Instrument.symbol, Instrument.asset_class, Instrument.currency)
    rows = db.session.execute(query.where(among(Instrument.symbol, "symbols")), {"symbols": wanted}) if wanted else ()
    terms = {symbol: (asset_class, currency) for symbol, asset_class, currency in rows}
    return {symbol: for_ibkr(symbol, *terms.get(symbol, ("STK", ""))) for symbol in wanted}


def symbols_meant(text: str) -> frozenset[str]:
    """Return the symbols that a text may stand for: itself, and currencies and coins that it names by their base."""
    return frozenset({registered_form(text), *(row.symbol for row in _instruments(text))})


def find_instrument(text: str) -> Instrument:
    """Return the registered instrument that a text stands for, the one of that very symbol first; raises NotFound."""
    found = sorted(_instruments(text), key=lambda row: (row.symbol != registered_form(text), row.id))
    if not found:
        raise NotFound("item not found.")
    return found[0]


def _instruments(text: str) -> list[Instrument]:
    symbol = registered_form(text)
    base = symbol.partition(".")[0]
    with_base = Instrument.symbol.startswith(base, autoescape=True) & Instrument.asset_class.in_(sorted(WITH_CURRENCY))
    query = sa.select(Instrument).where((Instrument.symbol == symbol) | with_base)
    return [
        row for row in db.session.execute(query).scalars() if is_meant(text, row.symbol, row.asset_class, row.currency)
    ]

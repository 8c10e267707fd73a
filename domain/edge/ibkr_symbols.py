"""Symbols as programs beside Interactive Brokers write them: `BF B`, `EUR.USD`, `BTC.USD`."""

from __future__ import annotations

import re

from domain.enums import AssetClass

WITH_CURRENCY = frozenset({AssetClass.FX, AssetClass.CRYPTO})


def with_point(symbol: str, asset_class: str, currency: str) -> str:
    """Return a registered symbol with a point: class shares as they are, currencies and coins as base.currency."""
    if asset_class not in WITH_CURRENCY:
        return symbol
    base, point, rest = symbol.replace("-", ".").partition(".")
    if point:
        return f"{base}.{rest}"
    return f"{base.removesuffix(currency)}.{currency}" if base.endswith(currency) and base != currency else symbol


def for_ibkr(symbol: str, asset_class: str, currency: str) -> str:
    """Return a registered symbol as Interactive Brokers knows it: a class share has a blank there."""
    symbol = with_point(symbol, asset_class, currency)
    return symbol.replace(".", " ") if asset_class == AssetClass.STOCK else symbol


def registered_form(text: str) -> str:
    """Return a symbol as it is registered where a class share is written with a blank."""
    return re.sub(r" +", ".", text.strip().upper())


def is_meant(text: str, symbol: str, asset_class: str, currency: str) -> bool:
    """Return True if a text names that instrument; of currencies and coins the base alone does, too."""
    wanted = registered_form(text)
    if wanted == symbol:
        return True
    shown = with_point(symbol, asset_class, currency)
    return asset_class in WITH_CURRENCY and wanted in (shown, shown.partition(".")[0])

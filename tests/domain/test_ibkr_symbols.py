"""Symbols as programs beside Interactive Brokers write them."""

import pytest

from domain.edge.ibkr_symbols import for_ibkr, is_meant, with_point


@pytest.mark.parametrize(
    ("symbol", "kind", "currency", "pointed", "theirs"),
    [
        ("LNT", "STK", "USD", "LNT", "LNT"),
        ("BF.A", "STK", "USD", "BF.A", "BF A"),
        ("EURUSD", "CASH", "USD", "EUR.USD", "EUR.USD"),
        ("USDJPY", "CASH", "JPY", "USD.JPY", "USD.JPY"),
        ("EUR.USD", "CASH", "USD", "EUR.USD", "EUR.USD"),
        ("BTC-USD", "CRYPTO", "USD", "BTC.USD", "BTC.USD"),
        ("DOGEUSD", "CRYPTO", "USD", "DOGE.USD", "DOGE.USD"),
        ("USD", "CASH", "USD", "USD", "USD"),
        ("EURJPY", "CASH", "USD", "EURJPY", "EURJPY"),
        ("ES1!", "FUT", "USD", "ES1!", "ES1!"),
    ],
)
def test_a_symbol_is_shown_with_a_point_and_as_interactive_brokers_knows_it(symbol, kind, currency, pointed, theirs):
    assert (with_point(symbol, kind, currency), for_ibkr(symbol, kind, currency)) == (pointed, theirs)


@pytest.mark.parametrize(
    ("text", "symbol", "kind", "meant"),
    [
        (" bf a ", "BF.A", "STK", True),
        ("BF.A", "BFA", "STK", False),
        ("BF", "BF.A", "STK", False),
        ("EUR.USD", "EURUSD", "CASH", True),
        ("EUR", "EURUSD", "CASH", True),
        ("EUR", "EURUSD", "STK", False),
        ("EURU", "EURUSD", "CASH", False),
        ("BTC.USD", "BTC-USD", "CRYPTO", True),
        ("", "EURUSD", "CASH", False),
    ],
)
def test_a_text_means_an_instrument(text, symbol, kind, meant):
    assert is_meant(text, symbol, kind, "USD") is meant

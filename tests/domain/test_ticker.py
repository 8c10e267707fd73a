"""Ticker text: what is read as a symbol, what as a pair, and what is refused with which reason."""

import decimal
import unicodedata
from collections.abc import Callable
from decimal import Decimal

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from domain.ticker import (
    MAX_LENGTH,
    Pair,
    Single,
    TickerError,
    normalise_name,
    parse_symbol,
    parse_ticker,
)

REGISTERED = {"BTC-USD", "ETH-USD", "BRK-B", "BTC-27JUN25-100000-C", "A-B", "B-C"}


def one(symbol: str, exchange: str | None = None) -> Single:
    return Single(symbol, exchange)


def pair(left: str, right: str, hedge: str = "1") -> Pair:
    """Build the expected pair from legs written EXCH:SYMBOL or SYMBOL."""
    legs = [Single(symbol, exchange or None) for exchange, _, symbol in (t.rpartition(":") for t in (left, right))]
    return Pair(legs[0], legs[1], Decimal(hedge))


READ = [
    # one symbol
    ("plain symbol", "LNT", one("LNT")),
    ("symbol with exchange", "NYSE:LNT", one("LNT", "NYSE")),
    ("other exchange", "NASDAQ:AAPL", one("AAPL", "NASDAQ")),
    ("class share keeps its dot", "BF.A", one("BF.A")),
    ("class share with exchange", "NYSE:BF.A", one("BF.A", "NYSE")),
    ("lower case", "aapl", one("AAPL")),
    ("lower case exchange", "nasdaq:aapl", one("AAPL", "NASDAQ")),
    ("exchange with underscore", "CME_MINI:ES1!", one("ES1!", "CME_MINI")),
    ("exchange that starts with a digit", "3X:AAPL", one("AAPL", "3X")),
    ("factor one is no factor", "1*NYSE:LNT", one("LNT", "NYSE")),
    ("factor one with decimals", "1.00000000*LNT", one("LNT")),
    ("factor one behind", "NYSE:LNT*1", one("LNT", "NYSE")),
    ("division by one", "LNT/1.0", one("LNT")),
    # digits and signs that belong to the symbol
    ("letter and digit", "X1", one("X1")),
    ("index with digits", "US30", one("US30")),
    ("crypto, no separator", "BTCUSD", one("BTCUSD")),
    ("currencies", "EURUSD", one("EURUSD")),
    ("currencies with exchange", "FX:EURUSD", one("EURUSD", "FX")),
    ("dot between currencies", "EUR.USD", one("EUR.USD")),
    ("dot between coin and currency", "BTC.USD", one("BTC.USD")),
    ("continuous future", "ES1!", one("ES1!")),
    ("perpetual", "BINANCE:BTCUSDT.P", one("BTCUSDT.P", "BINANCE")),
    ("underscore", "NSE:M_M", one("M_M", "NSE")),
    ("ampersand", "M&M", one("M&M")),
    ("closing dot", "LSE:BP.", one("BP.", "LSE")),
    ("leading digit", "BINANCE:1INCHUSDT", one("1INCHUSDT", "BINANCE")),
    ("digits only", "HKEX:700", one("700", "HKEX")),
    ("digits only, bare", "005930", one("005930")),
    ("looks like an exponent", "1E1", one("1E1")),
    # pairs
    ("pair, hedge 1.25", "NYSE:LNT-1.25*NYSE:FTS", pair("NYSE:LNT", "NYSE:FTS", "1.25")),
    ("pair, one exchange", "LNT-1.25*NYSE:FTS", pair("LNT", "NYSE:FTS", "1.25")),
    ("factor without leading zero", "LNT-.5*FTS", pair("LNT", "FTS", "0.5")),
    ("factor with closing point", "LNT-2.*FTS", pair("LNT", "FTS", "2")),
    ("pair, hedge 1", "LNT-FTS", pair("LNT", "FTS")),
    ("factor behind", "NYSE:LNT-NYSE:FTS*2.2", pair("NYSE:LNT", "NYSE:FTS", "2.2")),
    ("mixed prefixes", "NMFC-0.72*NASDAQ:ROIC", pair("NMFC", "NASDAQ:ROIC", "0.72")),
    ("class shares", "BF.A-0.7*NYSE:BF.B", pair("BF.A", "NYSE:BF.B", "0.7")),
    ("left factor one", "1.0*LNT-FTS", pair("LNT", "FTS")),
    ("left factor one, right factor", "1*LNT-2*FTS", pair("LNT", "FTS", "2")),
    ("left factor one behind", "LNT*1-FTS", pair("LNT", "FTS")),
    ("division", "NYSE:LNT-NYSE:FTS/3", pair("NYSE:LNT", "NYSE:FTS", "0.33333333")),
    ("division rounds up", "LNT-FTS/1.5", pair("LNT", "FTS", "0.66666667")),
    ("division tie goes to even", "LNT-FTS/40000000", pair("LNT", "FTS", "0.00000002")),
    ("division just above a tie", "LNT-FTS/39999999.99999999", pair("LNT", "FTS", "0.00000003")),
    ("division by the least", "LNT-FTS/.00000001", pair("LNT", "FTS", "100000000")),
    ("digits without operator are a symbol", "MA-3V", pair("MA", "3V")),
    ("number as right symbol", "LNT-3", pair("LNT", "3")),
    ("symbols with digits", "US30-1.5*X1", pair("US30", "X1", "1.5")),
    ("futures", "CME_MINI:ES1!-2*CME_MINI:NQ1!", pair("CME_MINI:ES1!", "CME_MINI:NQ1!", "2")),
    ("numeric symbol needs its exchange", "HKEX:388-2*HKEX:700", pair("HKEX:388", "HKEX:700", "2")),
    ("numeric symbol divided", "HKEX:388-HKEX:700/2", pair("HKEX:388", "HKEX:700", "0.5")),
    ("least factor", "LNT-0.00000001*FTS", pair("LNT", "FTS", "0.00000001")),
    ("largest factor", "LNT-999999999999.99999999*FTS", pair("LNT", "FTS", "999999999999.99999999")),
    ("whole factor", "LNT-100*FTS", pair("LNT", "FTS", "100")),
    # blanks
    ("blanks around", "  MA-3*V ", pair("MA", "V", "3")),
    ("blanks around operators", "MA - 3 * V", pair("MA", "V", "3")),
    ("blanks around the colon", "NYSE : MA - NYSE : V / 4", pair("NYSE:MA", "NYSE:V", "0.25")),
    ("line end and tab at the ends", "\tLNT-FTS\r\n", pair("LNT", "FTS")),
    # hyphens of registered symbols
    ("registered symbol wins", "BTC-USD", one("BTC-USD")),
    ("registered, lower case", "btc-usd", one("BTC-USD")),
    ("registered, blanks", "BTC - USD", one("BTC-USD")),
    ("registered, exchange", "NYSE:BRK-B", one("BRK-B", "NYSE")),
    ("registered, factor one", "1*COINBASE:BTC-USD", one("BTC-USD", "COINBASE")),
    ("registered, many hyphens", "BTC-27JUN25-100000-C", one("BTC-27JUN25-100000-C")),
    ("not registered is a pair", "BF-B", pair("BF", "B")),
    ("not registered, exchange", "NYSE:BF-B", pair("NYSE:BF", "B")),
    ("registered on the left", "BTC-USD-2*LNT", pair("BTC-USD", "LNT", "2")),
    ("registered on the right", "LNT-1.5*NYSE:BRK-B", pair("LNT", "NYSE:BRK-B", "1.5")),
    ("registered, factor behind", "LNT-BRK-B*1.5", pair("LNT", "BRK-B", "1.5")),
    ("registered on both sides", "BTC-USD-0.5*ETH-USD", pair("BTC-USD", "ETH-USD", "0.5")),
    ("the factor separates registered halves", "BTC-2*USD", pair("BTC", "USD", "2")),
    ("four hyphens in a leg", "BTC-27JUN25-100000-C-BTC-USD", pair("BTC-27JUN25-100000-C", "BTC-USD")),
]

REFUSED = [
    # nothing to read
    ("nothing", "", "text is empty"),
    ("blanks only", " \t\n", "text is empty"),
    ("star alone", "*", "side of '*' or '/' is empty"),
    ("minus alone", "-", "leg is empty"),
    ("exchange alone", "NYSE:", "No symbol after the exchange in 'NYSE:'"),
    ("colon alone", ":", "No symbol after the exchange"),
    ("dot alone", ".", "'.' is not a symbol"),
    ("exclamation mark alone", "!", "'!' is not a symbol"),
    # a factor where none may be
    ("left factor behind", "NYSE:LNT*2-NYSE:FTS", "not to the left one: 'NYSE:LNT*2'"),
    ("left factor before", "1.3*NYSE:LNT-NYSE:FTS*2.2", "not to the left one: '1.3*NYSE:LNT'"),
    ("factor on a single", "0.7*NYSE:BF.A", "not to a single symbol: '0.7*NYSE:BF.A'"),
    ("left division", "LNT/2-FTS", "not to the left one: 'LNT/2'"),
    ("single divided", "FTS/3", "not to a single symbol"),
    ("registered symbol multiplied", "BTC-USD*2", "not to a single symbol: 'BTC-USD*2'"),
    ("nearly one", "1.00000001*LNT", "not to a single symbol"),
    # operators
    ("sum", "NYSE:LNT+NYSE:FTS", "Only a difference is a pair"),
    ("quotient", "NYSE:LNT/NYSE:FTS", "Only a difference is a pair"),
    ("product", "NYSE:LNT*NYSE:FTS", "Only a difference is a pair"),
    ("product, exchange starts with a digit", "3X:LNT*FTS", "Only a difference is a pair"),
    ("number divided by a symbol", "LNT-3/FTS", "Only a difference is a pair"),
    ("plus sign", "LNT-+2*FTS", "Only a difference is a pair"),
    ("preferred share with slash", "NYSE:BAC/PL", "Only a difference is a pair"),
    ("minus sign", "LNT--2*FTS", "leg is empty"),
    ("empty left leg", "-FTS", "leg is empty"),
    ("empty right leg", "LNT - ", "leg is empty"),
    ("factor without symbol", "LNT-2*", "side of '*' or '/' is empty in '2*'"),
    ("symbol without factor", "LNT-FTS/", "side of '*' or '/' is empty in 'FTS/'"),
    ("power", "LNT-FTS**2", "side of '*' or '/' is empty"),
    ("factors on both sides", "LNT-2*FTS*3", "At most one factor per leg"),
    ("factor and division", "LNT-2*FTS/3", "At most one factor per leg"),
    ("two factors in front", "LNT-2*3*FTS", "At most one factor per leg"),
    # the form of a factor
    ("exponent", "LNT-1e1*FTS", "'1E1' is not a factor"),
    ("exponent behind", "LNT-FTS*1e1", "'1E1' is not a factor"),
    ("two points", "LNT-1.2.3*FTS", "'1.2.3' is not a factor"),
    ("point without digits", "LNT-.*FTS", "'.' is not a factor"),
    ("digits and letter", "LNT-FTS/3V", "'3V' is not a factor"),
    ("decimal comma", "LNT-1,25*FTS", "comma has no place"),
    ("underscore in digits", "LNT-1_000*FTS", "'1_000' is not a factor"),
    ("zero", "LNT-0*FTS", "factor 0 is zero"),
    ("zero with decimals", "LNT-FTS*0.00000000", "is zero"),
    ("division by zero", "LNT-FTS/0", "factor 0 is zero"),
    ("division that vanishes", "LNT-FTS/200000001", "rounds to zero"),
    ("division tie to even zero", "LNT-FTS/200000000", "rounds to zero"),
    ("nine decimals", "LNT-0.123456789*FTS", "more than 8 decimals"),
    ("nine decimals in a division", "LNT-FTS/0.123456789", "more than 8 decimals"),
    ("thirteen digits", "LNT-1234567890123*FTS", "more than 12 digits before the point"),
    ("number as symbol", "1.25", "'1.25' is a number, not a symbol"),
    ("number without leading zero as symbol", "LNT-.5", "'.5' is a number, not a symbol"),
    ("factor without star", "LNT-1.25", "'1.25' is a number, not a symbol"),
    ("number times number", "LNT-2*700", "factor and symbol are both numbers"),
    ("number by number", "LNT-700/2", "factor and symbol are both numbers"),
    # legs
    ("three legs", "LNT-FTS-GLD", "More than two legs"),
    ("three legs with factors", "LNT-2*FTS-3*GLD", "More than two legs"),
    ("three legs, one registered in vain", "LNT-BTC-USD-GLD", "More than two legs"),
    ("very many legs", "-".join("ABCDEFGHIJ"), "More than two legs"),
    ("two minus signs possible", "A-B-C", "'A' minus 'B-C' or 'A-B' minus 'C'"),
    ("same symbol twice", "LNT-LNT", "both legs are 'LNT'"),
    ("same symbol, two exchanges", "NYSE:LNT-2*TSX:lnt", "both legs are 'LNT'"),
    ("same registered symbol", "BTC-USD-BTC-USD", "both legs are 'BTC-USD'"),
    # exchange
    ("two colons", "NYSE:TSX:LNT", "More than one ':'"),
    ("two colons in a leg", "LNT-2*NYSE:TSX:FTS", "More than one ':' in 'NYSE:TSX:FTS'"),
    ("no exchange before the colon", ":LNT", "No exchange before ':'"),
    ("no symbol in the right leg", "LNT-NYSE:", "No symbol after the exchange in 'NYSE:'"),
    ("dot in the exchange", "N.Y:LNT", "'N.Y' is not an exchange"),
    ("factor inside the prefix", "NYSE:2*LNT", "'NYSE:2*LNT'"),
    # characters
    ("blank inside", "TEST 123", "blank inside a symbol in 'TEST 123'"),
    ("class share with a blank", "BF A", "written with a dot"),
    ("blank instead of star", "MA-3 V", "blank inside a symbol"),
    ("mark inside", "ES!1", "'ES!1' is not a symbol"),
    ("underscore in front", "_LNT", "'_LNT' is not a symbol"),
    ("caret", "^GSPC", "character ^ has no place"),
    ("markup", "<b>LNT", "character < has no place"),
    ("control character", "LNT\x00", "control character U+0000"),
    ("tab inside", "LNT\tFTS", "control character U+0009"),
    ("line end inside", "LNT-\nFTS", "control character U+000A"),
    ("delete character", "\x7fLNT", "control character U+007F"),
    ("separator that strip() would drop", "LNT\x1f", "control character U+001F"),
    ("Cyrillic look-alike", "\u0410APL", "U+0410 (CYRILLIC CAPITAL LETTER A)"),
    ("full-width letter", "\uff21APL", "Not plain text: U+FF21"),
    ("foreign letter that upper() would make ASCII", "L\u0131NT", "Not plain text: U+0131"),
    ("sharp s", "\u00df", "Not plain text: U+00DF"),
    ("no-break space around", "\u00a0LNT", "U+00A0 (NO-BREAK SPACE)"),
    ("superscript digit", "LNT-\u00b2*FTS", "U+00B2 (SUPERSCRIPT TWO)"),
    ("Arabic digit", "LNT-\u0663*FTS", "U+0663 (ARABIC-INDIC DIGIT THREE)"),
    ("minus look-alike", "LNT\u2212FTS", "U+2212 (MINUS SIGN)"),
    ("dash look-alike", "LNT\u2013FTS", "U+2013 (EN DASH)"),
    ("lone surrogate", "LNT\ud800", "U+D800 (no name)"),
    ("zero-width space", "LNT\u200b", "U+200B (ZERO WIDTH SPACE)"),
    # length
    ("129 characters", "A" * 129, "has 129 characters; at most 128"),
    ("10,000 characters", "A" * 10_000, "has 10000 characters"),
    ("blanks count", " " * 200 + "LNT", "has 203 characters"),
]


def ids(rows: list[tuple[str, str, object]]) -> list[object]:
    return [pytest.param(text, expected, id=name) for name, text, expected in rows]


@pytest.mark.parametrize(("text", "expected"), ids(READ))
def test_ticker_text_is_read(text, expected):
    assert parse_ticker(text, REGISTERED.__contains__) == expected


@pytest.mark.parametrize(("text", "fragment"), ids(REFUSED))
def test_ticker_text_is_refused_with_its_reason(text, fragment):
    with pytest.raises(TickerError) as caught:
        parse_ticker(text, REGISTERED.__contains__)
    assert fragment in caught.value.reason
    assert str(caught.value) == caught.value.reason
    assert caught.value.reason.isascii()
    assert caught.value.reason.isprintable()


def test_128_characters_are_read():
    assert parse_ticker("A" * MAX_LENGTH) == one("A" * 128)


def test_nothing_is_registered_unless_told():
    assert parse_ticker("BTC-USD") == pair("BTC", "USD")


@pytest.mark.parametrize(
    ("text", "name"),
    [("NYSE:BF.A", "BF.A"), ("NYSE:LNT-1.25*NYSE:FTS", "LNT-FTS"), ("BTC-USD-ETH-USD", "BTC-USD-ETH-USD")],
)
def test_name_leaves_exchange_and_hedge_out(text, name):
    assert parse_ticker(text, REGISTERED.__contains__).name == name


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("nyse:lnt", "NYSE:LNT"),
        ("1*LNT - 1.0*FTS", "LNT-FTS"),
        ("LNT-NYSE:FTS*2.50", "LNT-2.5*NYSE:FTS"),
        ("LNT-100*FTS", "LNT-100*FTS"),
        ("LNT-.00000001*FTS", "LNT-0.00000001*FTS"),
    ],
)
def test_ticker_is_written_in_its_plain_form(text, written):
    assert str(parse_ticker(text)) == written


def test_registry_is_asked_only_about_symbols_with_a_hyphen():
    asked = []

    def is_registered(symbol):
        asked.append(symbol)
        return False

    for text in ("NYSE:LNT", "LNT-1.25*FTS", "-", "LNT--FTS", "-".join("ABCDEFGHI")):
        try_to_parse(text, is_registered)
    assert asked == []
    parse_ticker("nyse:btc-usd", is_registered)
    assert asked == ["BTC-USD"]


def test_registry_errors_pass_through():
    def is_registered(symbol):
        raise LookupError(symbol)

    with pytest.raises(LookupError):
        parse_ticker("BTC-USD", is_registered)


def test_hedge_ratio_does_not_depend_on_the_decimal_context():
    context = decimal.Context(prec=3, rounding=decimal.ROUND_UP, traps=[decimal.Inexact, decimal.Rounded])
    with decimal.localcontext(context):
        by_factor = parse_ticker("LNT-123456.12345678*FTS")
        by_division = parse_ticker("LNT-FTS/3")
    assert by_factor == pair("LNT", "FTS", "123456.12345678")
    assert by_division == pair("LNT", "FTS", "0.33333333")


@pytest.mark.parametrize(
    ("text", "symbol"),
    [
        (" lnt ", "LNT"),
        ("bf.a", "BF.A"),
        ("BTC-USD", "BTC-USD"),
        ("ES1!", "ES1!"),
        ("M&M", "M&M"),
        ("700", "700"),
    ],
)
def test_symbol_is_normalised(text, symbol):
    assert parse_symbol(text) == symbol


@pytest.mark.parametrize(
    ("text", "fragment"),
    [
        ("", "text is empty"),
        ("NYSE:LNT", "without its exchange"),
        ("BF A", "written with a dot"),
        ("1*LNT", "'1*LNT' is not a symbol"),
        ("LNT/3", "'LNT/3' is not a symbol"),
        ("LNT+FTS", "'LNT+FTS' is not a symbol"),
        ("-", "'-' is not a symbol"),
        ("BTC-", "'BTC-' is not a symbol"),
        ("BTC--USD", "'BTC--USD' is not a symbol"),
        ("A-B-C-D-E", "at most 3 hyphens"),
        ("1.25", "is a number"),
        ("\u0410APL", "U+0410"),
        ("A" * 129, "at most 128"),
    ],
)
def test_symbol_is_refused_with_its_reason(text, fragment):
    with pytest.raises(TickerError) as caught:
        parse_symbol(text)
    assert fragment in caught.value.reason


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("LNT", "LNT"),
        (" lnt-fts ", "LNT-FTS"),
        ("LNT - FTS", "LNT-FTS"),
        ("BF.A", "BF.A"),
        ("BF A", "BF.A"),
        ("bf  a-bf b", "BF.A-BF.B"),
        ("BTC-USD-ETH-USD", "BTC-USD-ETH-USD"),
        ("ES1!", "ES1!"),
        ("NYSE:LNT", "LNT"),
        ("nyse:lnt - NYSE:BF A", "LNT-BF.A"),
        ("LNT-2*FTS", "LNT-FTS"),
        ("NYSE:LNT-NYSE:FTS/3", "LNT-FTS"),
    ],
)
def test_name_is_normalised(text, name):
    assert normalise_name(text) == name


@pytest.mark.parametrize("text", ["A:B:LNT", ":LNT", "NYSE:", "-", "LNT-", "LNT+FTS", "ES1! X"])
def test_name_with_anything_else_is_refused(text):
    with pytest.raises(TickerError, match="is not a name"):
        normalise_name(text)


def try_to_parse(text: str, is_registered: Callable[[str], bool]) -> Single | Pair | None:
    try:
        return parse_ticker(text, is_registered)
    except TickerError:
        return None


def reason_of(read: Callable[[], object]) -> str:
    try:
        read()
    except TickerError as error:
        return error.reason
    return ""


any_text = st.text(st.characters(), max_size=200)  # lone surrogates and control characters included
near_ticker = st.text("ABab0129.*/-:+!_&, \t\n\x00\u0663\u00b2\u0410\u00a0\ud800", max_size=40)
ticker_like = st.lists(
    st.sampled_from(
        ["LNT", "fts", "BTC-USD", "3V", "700", "NYSE:", ":", "2", "1.25", ".5", "1", "*", "/", "-", " ", "+"]
    ),
    max_size=10,
).map("".join)
registries = st.sampled_from([lambda _: True, lambda _: False, REGISTERED.__contains__])


@given(any_text | near_ticker | ticker_like, registries)
@example("\ud800", lambda _: True)
@example("-" * 10_000, lambda _: True)
def test_no_text_raises_anything_but_ticker_error(text, is_registered):
    reads = (
        lambda: parse_ticker(text, is_registered),
        lambda: parse_symbol(text),
        lambda: normalise_name(text),
    )
    for read in reads:
        reason = reason_of(read)
        assert reason.isascii()
        assert reason.isprintable()


def spelled(symbols: list[str], factors: list[str], exchanges: list[str]) -> st.SearchStrategy[str]:
    """Legs that are mostly readable, with the factor on either side and blanks anywhere they may be."""
    blank = st.sampled_from(["", "", " "])
    leg = st.builds(
        "{}{}{}".format, blank, st.builds("{}{}".format, *map(st.sampled_from, (exchanges, symbols))), blank
    )
    factor = st.sampled_from(factors)
    return leg | st.builds("{}*{}".format, factor, leg) | st.builds("{}{}{}".format, leg, st.sampled_from("*/"), factor)


left_legs = spelled(["LNT", "btc-usd", "US30", "BF.A"], ["1", "1.0", "01."], ["", "NYSE:", "cme_mini : "])
right_legs = spelled(["fts", "ETH-USD", "3V", "ES1!"], ["1", "2", "1.250", ".5", "3.", "0.00000003"], ["", "FX:"])


@given(left_legs | st.builds("{}-{}".format, left_legs, right_legs), st.just(REGISTERED.__contains__))
@example("700", lambda _: False)
@example("LNT-fts", lambda _: True)
def test_whatever_is_read_keeps_the_rules(text, is_registered):
    ticker = parse_ticker(text, is_registered)
    legs = [ticker] if isinstance(ticker, Single) else [ticker.leg1, ticker.leg2]
    for leg in legs:
        assert leg.symbol == parse_symbol(leg.symbol)
        assert "-" not in leg.symbol or is_registered(leg.symbol)
    assert normalise_name(ticker.name) == ticker.name
    assert parse_ticker(str(ticker), is_registered) == ticker
    if isinstance(ticker, Pair):
        assert ticker.hedge_ratio > 0
        assert ticker.hedge_ratio == ticker.hedge_ratio.quantize(Decimal("1e-8"), context=decimal.Context(prec=40))
        assert ticker.leg1.symbol != ticker.leg2.symbol


symbols = st.from_regex(r"[A-Z0-9]{0,3}[A-Z][A-Z0-9._&]{0,6}!?", fullmatch=True) | st.sampled_from(["BTC-USD", "BRK-B"])
exchanges = st.none() | st.from_regex(r"[A-Z0-9][A-Z0-9_]{0,5}", fullmatch=True)
legs = st.builds(Single, symbols, exchanges)
hedge_ratios = st.decimals(Decimal("0.00000001"), Decimal("999999999999"), places=8)


def hyphens_in(*singles: Single) -> set[str]:
    return {single.symbol for single in singles if "-" in single.symbol}


@given(legs)
def test_single_written_as_text_is_read_back(single):
    assert parse_ticker(str(single), hyphens_in(single).__contains__) == single


@given(legs, legs, hedge_ratios | st.just(Decimal(1)))
def test_pair_written_as_text_is_read_back(leg1, leg2, hedge_ratio):
    assume(leg1.symbol != leg2.symbol)
    expected = Pair(leg1, leg2, hedge_ratio)
    is_registered = hyphens_in(leg1, leg2).__contains__
    assert parse_ticker(str(expected), is_registered) == expected
    assert parse_ticker(f" {leg1} - {leg2} * {hedge_ratio:f}\n".lower(), is_registered) == expected


@given(st.decimals(Decimal("0.00000001"), Decimal("100000000"), places=8))
def test_division_is_the_nearest_ratio(divisor):
    expected = decimal.Context(prec=60).divide(Decimal(1), divisor).quantize(Decimal("1e-8"), decimal.ROUND_HALF_EVEN)
    assert parse_ticker(f"LNT-FTS/{divisor:f}").hedge_ratio == expected


@given(st.characters(min_codepoint=128))
def test_no_foreign_character_is_read(character):
    with pytest.raises(TickerError) as caught:
        parse_ticker(f"A{character}B")
    assert unicodedata.name(character, "no name") in caught.value.reason

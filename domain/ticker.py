"""Read the ticker text of an alert: one symbol, or the difference of two with a hedge ratio.

    NYSE:LNT                   one symbol; the exchange is kept beside it
    LNT-FTS                    a pair, hedge ratio 1
    NYSE:LNT-1.25*NYSE:FTS     a pair, hedge ratio 1.25; NYSE:FTS*1.25 says the same
    LNT-FTS/3                  a pair, hedge ratio 0.33333333

A symbol starts with a letter or digit and goes on with letters, digits, `.`, `_` and `&`; a
continuous future ends in `!`. This covers what charts use: AAPL, BF.A, BP., ES1!, BTCUSDT.P, M_M,
1INCHUSDT, 700; `&` is there for brokers that write M&M. Not part of a symbol: `^`, `@`, `#`, `$`
(index and futures marks of other vendors) and `/` (it divides). Digits are part of the symbol
(US30, X1, 3V); only `*` or `/` makes a number a factor, and a number with a point (1.25) is never
a symbol. When both sides of an operator are bare numbers (2*700) nobody can tell the factor, so
the text is refused until the symbol has its exchange (2*HKEX:700).

`-` is the minus of a pair, except inside a registered symbol (BTC-USD, BRK-B).

Only ASCII is read. White space is trimmed at both ends, and blanks around `- * / : +`; a
no-break space or any other character that merely looks right is refused.
"""

import re
import string
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from typing import NoReturn

MAX_LENGTH = 128
RATIO_DECIMALS = 8
RATIO_WHOLE_DIGITS = 12
MAX_SYMBOL_HYPHENS = 3

_SCALE = 10**RATIO_DECIMALS  # factors are counted in whole units of the last decimal

_PIECE = r"[A-Z0-9][A-Z0-9._&]*!?"
_HYPHENATED = rf"{_PIECE}(?:-{_PIECE}){{1,{MAX_SYMBOL_HYPHENS}}}"
_MOST_PIECES = 2 * (MAX_SYMBOL_HYPHENS + 1)  # two legs, each with all the hyphens a symbol may have

_UNREADABLE = re.compile(r"[^A-Za-z0-9._&!*/:+ -]")
_BLANKS_AROUND_OPERATOR = re.compile(r" *([-*/:+]) *")
_OPERATOR = re.compile(r"([*/])")
_SYMBOL = re.compile(rf"{_PIECE}|{_HYPHENATED}")
_NAME = re.compile(rf"{_PIECE}(?:-{_PIECE}){{0,{_MOST_PIECES - 1}}}")
_EXCHANGE = re.compile(r"[A-Z0-9][A-Z0-9_]*")
_EXCHANGE_IN_FRONT = re.compile(r"(?:(?<=-)|^)[A-Z0-9][A-Z0-9_]*:")
_NUMBER = re.compile(r"[0-9]+\.?[0-9]*|\.[0-9]+")
_DIGITS_WITH_POINT = re.compile(r"[0-9]+\.[0-9.]*|\.[0-9][0-9.]*")
_HYPHENATED_LEG = re.compile(rf"(?:[0-9.]+\*)?(?:[A-Z0-9_]+:)?({_HYPHENATED})(?:[*/][0-9.]+)?")


class TickerError(ValueError):
    """A text that is no ticker; `reason` tells a trader which rule it breaks."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Single:
    """One symbol; `exchange` is the prefix it was written with, if any."""

    symbol: str
    exchange: str | None

    @property
    def name(self) -> str:
        """Return the name used in lists, without the exchange."""
        return self.symbol

    def __str__(self) -> str:
        return f"{self.exchange}:{self.symbol}" if self.exchange else self.symbol


@dataclass(frozen=True, slots=True)
class Pair:
    """The difference leg1 - hedge_ratio x leg2; hedge_ratio is units of leg2 per unit of leg1."""

    leg1: Single
    leg2: Single
    hedge_ratio: Decimal

    @property
    def name(self) -> str:
        """Return the name used in lists, without exchanges and hedge ratio."""
        return f"{self.leg1.symbol}-{self.leg2.symbol}"

    def __str__(self) -> str:
        factor = "" if self.hedge_ratio == 1 else f"{self.hedge_ratio:f}*"  # :f never shows an exponent
        return f"{self.leg1}-{factor}{self.leg2}"


def _none_registered(symbol: str) -> bool:
    return False


def parse_ticker(text: str, is_registered: Callable[[str], bool] = _none_registered) -> Single | Pair:
    """Read one symbol or one pair from an alert's ticker text.

    `is_registered` is asked only about upper-case symbols that contain '-'; its own errors pass
    through. The hedge ratio is exact, > 0, with at most 8 decimals (a division rounds half to even).
    Raises TickerError, and nothing else whatever the text holds.
    """
    ticker = _clean(text)
    if " " in ticker:
        ticker = _BLANKS_AROUND_OPERATOR.sub(r"\1", ticker)
        if " " in ticker:
            _refuse_blank(ticker)
    if "+" in ticker:
        raise TickerError(f"Only a difference is a pair, so '+' has no place in '{ticker}'.")
    if "-" not in ticker:
        return _read_single(ticker)
    pieces = ticker.split("-")
    if "" in pieces:
        raise TickerError(f"A leg is empty: '-' needs a symbol on both sides in '{ticker}'.")
    if len(pieces) > _MOST_PIECES:
        _refuse_three_legs(ticker)
    if _is_registered_leg(ticker, is_registered):
        return _read_single(ticker)
    left, right = pieces if len(pieces) == 2 else _split_legs(ticker, pieces, is_registered)
    return _read_pair(left, right)


def parse_symbol(text: str) -> str:
    """Return one symbol as it is registered: trimmed, upper-case, without exchange or factor.

    A symbol may contain up to 3 hyphens (BTC-USD). Raises TickerError.
    """
    symbol = _clean(text)
    if " " in symbol:
        _refuse_blank(symbol)
    if ":" in symbol:
        raise TickerError(f"A symbol is registered without its exchange: no ':' in '{symbol}'.")
    return _check_symbol(symbol)


def normalise_name(text: str) -> str:
    """Return the list name of a symbol or pair in the form `name` has: LNT, LNT-FTS, BF.A.

    It may be written as an alert's ticker is: exchanges and a hedge ratio are dropped. Blanks around '-' are
    dropped too; any other run of blanks stands for the dot of a class share (BF A is BF.A). Whether such a name
    exists is not asked. Raises TickerError.
    """
    name = re.sub(r" +", ".", _BLANKS_AROUND_OPERATOR.sub(r"\1", _clean(text)))
    if "*" in name or "/" in name:
        return parse_ticker(name).name
    name = _EXCHANGE_IN_FRONT.sub("", name)
    if not _NAME.fullmatch(name):
        raise TickerError(f"'{name}' is not a name: one symbol, or two joined by '-', nothing else.")
    return name


def _clean(text: str) -> str:
    if len(text) > MAX_LENGTH:
        raise TickerError(f"The text has {len(text)} characters; at most {MAX_LENGTH} are allowed.")
    trimmed = text.strip(string.whitespace)
    if not trimmed:
        raise TickerError("The text is empty.")
    if unreadable := _UNREADABLE.search(trimmed):
        _refuse_character(unreadable[0])
    return trimmed.upper()  # only after the ASCII check: upper() turns some foreign letters into ASCII


def _split_legs(ticker: str, pieces: list[str], is_registered: Callable[[str], bool]) -> tuple[str, str]:
    """Find the one '-' that is the minus; every other '-' must be inside a registered symbol."""
    found: list[tuple[str, str]] = []
    for cut in range(1, len(pieces)):
        legs = "-".join(pieces[:cut]), "-".join(pieces[cut:])
        if all("-" not in leg or _is_registered_leg(leg, is_registered) for leg in legs):
            found.append(legs)
    if not found:
        _refuse_three_legs(ticker)
    if len(found) > 1:
        readings = " or ".join(f"'{left}' minus '{right}'" for left, right in found[:2])
        raise TickerError(f"More than one '-' can be the minus: {readings}.")
    return found[0]


def _is_registered_leg(leg: str, is_registered: Callable[[str], bool]) -> bool:
    match = _HYPHENATED_LEG.fullmatch(leg)
    return match is not None and is_registered(match[1])


def _read_single(text: str) -> Single:
    leg, units = _read_leg(text)
    if units != _SCALE:
        raise TickerError(f"A factor belongs to the right leg of a pair, not to a single symbol: '{text}'.")
    return leg


def _read_pair(left: str, right: str) -> Pair:
    leg1, units1 = _read_leg(left)
    if units1 != _SCALE:
        raise TickerError(f"A factor belongs to the right leg, not to the left one: '{left}'.")
    leg2, units2 = _read_leg(right)
    if leg1.symbol == leg2.symbol:
        raise TickerError(f"A pair needs two different symbols; both legs are '{leg1.symbol}'.")
    return Pair(leg1, leg2, _ratio(units2))


def _read_leg(text: str) -> tuple[Single, int]:
    """Return the symbol of a leg and its factor in units of the last decimal."""
    body, units = _split_factor(text) if "*" in text or "/" in text else (text, _SCALE)
    prefix, colon, symbol = body.rpartition(":")
    if not colon:
        return Single(_check_symbol(symbol), None), units
    if ":" in prefix:
        raise TickerError(f"More than one ':' in '{body}'; an exchange is written once.")
    if not symbol:
        raise TickerError(f"No symbol after the exchange in '{body}'.")
    if not prefix:
        raise TickerError(f"No exchange before ':' in '{body}'.")
    if not _EXCHANGE.fullmatch(prefix):
        raise TickerError(f"'{prefix}' is not an exchange: only letters, digits and '_', no '_' in front.")
    return Single(_check_symbol(symbol), prefix), units


def _split_factor(text: str) -> tuple[str, int]:
    tokens = _OPERATOR.split(text)
    if "" in tokens:
        raise TickerError(f"A side of '*' or '/' is empty in '{text}'.")
    if len(tokens) > 3:
        raise TickerError(f"At most one factor per leg, before or after the symbol: '{text}'.")
    left, operator, right = tokens
    before, after = _NUMBER.fullmatch(left), _NUMBER.fullmatch(right)
    if before and after:
        raise TickerError(f"In '{text}' factor and symbol are both numbers; put the exchange before the symbol.")
    if after:
        return left, _units(right, divide=operator == "/")
    if before and operator == "*":
        return right, _units(left, divide=False)
    for side in (left, right):
        if side[0] in "0123456789." and ":" not in side and not before:
            raise TickerError(f"'{side}' is not a factor: only digits with at most one point.")
    raise TickerError(f"Only a difference is a pair, so '{operator}' cannot join the sides of '{text}'.")


def _units(number: str, *, divide: bool) -> int:
    whole, _, decimals = number.partition(".")
    if len(whole) > RATIO_WHOLE_DIGITS:
        raise TickerError(f"The factor {number} has more than {RATIO_WHOLE_DIGITS} digits before the point.")
    if len(decimals) > RATIO_DECIMALS:
        raise TickerError(f"The factor {number} has more than {RATIO_DECIMALS} decimals.")
    units = int(whole + decimals.ljust(RATIO_DECIMALS, "0"))
    if units == 0:
        raise TickerError(f"The factor {number} is zero; it must be above zero.")
    if divide:
        units = round(Fraction(_SCALE * _SCALE, units))  # exact, half to even
        if units == 0:
            raise TickerError(f"Division by {number} rounds to zero at {RATIO_DECIMALS} decimals.")
    return units


def _ratio(units: int) -> Decimal:
    # built from text, because Decimal arithmetic depends on the caller's context
    whole, decimals = divmod(units, _SCALE)
    return Decimal(f"{whole}.{decimals:0{RATIO_DECIMALS}d}".rstrip("0").rstrip("."))


def _check_symbol(symbol: str) -> str:
    if _DIGITS_WITH_POINT.fullmatch(symbol):
        raise TickerError(f"'{symbol}' is a number, not a symbol.")
    if not _SYMBOL.fullmatch(symbol):
        raise TickerError(
            f"'{symbol}' is not a symbol: it starts with a letter or digit, goes on with letters, "
            f"digits, '.', '_' and '&', may end in '!' and has at most {MAX_SYMBOL_HYPHENS} hyphens."
        )
    return symbol


def _refuse_blank(text: str) -> NoReturn:
    raise TickerError(f"A blank inside a symbol in '{text}'; a class share is written with a dot, as BF.A.")


def _refuse_three_legs(ticker: str) -> NoReturn:
    raise TickerError(
        f"More than two legs in '{ticker}'; a '-' inside a symbol is read only if that symbol is registered."
    )


def _refuse_character(character: str) -> NoReturn:
    code = f"U+{ord(character):04X}"
    if not character.isascii():
        name = unicodedata.name(character, "no name")
        raise TickerError(f"Not plain text: {code} ({name}) is not an ASCII letter, digit or sign.")
    if not character.isprintable():
        raise TickerError(f"The text holds the control character {code}.")
    if character == ",":
        raise TickerError("A comma has no place in a ticker; decimals are written with a point.")
    raise TickerError(f"The character {character} has no place in a ticker.")

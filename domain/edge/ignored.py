"""Fields that a sender writes and the desk does not know: which of them look as if money hung on them."""

import re
from collections.abc import Iterable

from domain.edge.visible import visible

MOST_NAMES, MOST_CHARACTERS = 20, 64
# Parts of names by which other programs set prices, sizes, kinds of orders and where they go.
_MONEY = re.compile(
    r"limit|stop|profit|loss|trail|bracket|target|price|qty|quantity|contract|shares|size|amount|notional|lever|margin"
    r"|order|side|action|close|reduce|short|hedge|ratio|account|broker|force|tif|expir|valid|activ|status"
    r"|polic|timeout|^(sl|tp)\d*$|symbol|ticker|role|admin",
    re.IGNORECASE,
)


def shown(names: Iterable[str]) -> list[str]:
    """Return names as they may be told: so many, so long, and nothing hidden in them."""
    listed = [visible(name)[:MOST_CHARACTERS] for name in names]
    more = len(listed) - MOST_NAMES
    return [*listed[:MOST_NAMES], f"and {more} more"] if more > 0 else listed


def touches_money(names: Iterable[str]) -> bool:
    """Return True if one of the names looks as if the sender meant to change what is traded, or how."""
    return any(_MONEY.search(name) for name in names)

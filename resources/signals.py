"""/v3/signal and the lists /v3/signals…: what became of the alerts."""

from __future__ import annotations

from collections.abc import Sequence

from domain.errors import InvalidInput, NotFound
from domain.order_status import SignalStatus
from models import Signal as SignalRow
from resources.base import Access, ApiResource, editor, endpoint, has_token, item_count
from resources.schemas.fields import name_in_path
from resources.schemas.signals import SignalList, SignalOut, SignalPage, SignalQuery, SignalRowOut
from resources.schemas.users import Message
from services.interventions.edit_signal import delete_signal
from services.reports.signal_queries import (
    ANONYMOUS_ROWS,
    ANONYMOUS_WAITING_ROWS,
    SignalFilter,
    get_signal,
    list_signals,
)


class Signal(ApiResource):
    @endpoint(Access.READ, "signals", answers={200: SignalOut}, errors=(401, 404))
    def get(self, rowid: str) -> SignalOut:
        """Show a signal with its orders and every check that was made."""
        return SignalOut.of(get_signal(rowid_in_path(rowid)))

    @endpoint(Access.ADMIN, "signals", answers={200: Message}, errors=(401, 403, 404, 409))
    def delete(self, rowid: str) -> Message:
        """Delete a signal for which nothing was traded; 409 names an order that works."""
        delete_signal(rowid_in_path(rowid), editor().name)
        return Message(message="Item deleted")


class Signals(ApiResource):
    @endpoint(Access.OPTIONAL, "signals", query=SignalQuery, answers={200: SignalPage}, errors=(400, 401))
    def get(self, query: SignalQuery) -> SignalPage:
        """List signals page by page, newest first, with filters."""
        wanted = SignalFilter(
            name=name_in_path(query.ticker) if query.ticker else None,
            status=query.status,
            since=query.from_,
            until=query.to,
        )
        limit = query.limit if has_token() else min(query.limit, _anonymous_rows(query.status))
        if not has_token() and query.after is not None:
            raise InvalidInput({"after": "needs a token"})
        rows = list_signals(wanted, limit + 1, query.after)
        more = len(rows) > limit and has_token()
        return SignalPage(
            signals=_dump(rows[:limit]),
            notoken_limit=_anonymous_rows(query.status),
            next_after=rows[limit - 1].id if more else None,
        )


class SignalListAll(ApiResource):
    @endpoint(Access.OPTIONAL, "signals", answers={200: SignalList}, errors=(400, 401))
    def get(self, number_of_items: str) -> SignalList:
        """List signals, newest first; 0 = all."""
        return _listed(SignalFilter(), number_of_items)


class SignalListStatus(ApiResource):
    @endpoint(Access.OPTIONAL, "signals", answers={200: SignalList}, errors=(400, 401))
    def get(self, order_status: str, number_of_items: str) -> SignalList:
        """List signals of one status, newest first; 0 = all."""
        try:
            status = SignalStatus(order_status)
        except ValueError:
            raise InvalidInput({"order_status": f"must be one of: {', '.join(SignalStatus)}"}) from None
        return _listed(SignalFilter(status=status), number_of_items)


class SignalListTicker(ApiResource):
    @endpoint(Access.OPTIONAL, "signals", answers={200: SignalList}, errors=(400, 401))
    def get(self, ticker_name: str, number_of_items: str) -> SignalList:
        """List signals of one stock (LNT) or pair (LNT-FTS), newest first; 0 = all."""
        return _listed(SignalFilter(name=name_in_path(ticker_name)), number_of_items)


def _listed(wanted: SignalFilter, number_of_items: str) -> SignalList:
    count = item_count(number_of_items)
    most = _anonymous_rows(wanted.status)
    if not has_token():
        count = min(count or most, most)
    return SignalList(signals=_dump(list_signals(wanted, count)), notoken_limit=most)


def _anonymous_rows(status: SignalStatus | None) -> int:
    return ANONYMOUS_WAITING_ROWS if status is SignalStatus.WAITING else ANONYMOUS_ROWS


def _dump(rows: Sequence[SignalRow]) -> list[SignalRowOut]:
    return [SignalRowOut(**SignalRowOut.fields_of(row)) for row in rows]


def rowid_in_path(text: str) -> int:
    """Return the number of a signal from a URL; raises NotFound for what is none."""
    if not (text.isascii() and text.isdigit() and len(text) <= 18):
        raise NotFound("item not found.")
    return int(text)

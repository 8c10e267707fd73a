"""/v4/regticker, /v4/tickers/<n>, /v4/ticker/<symbol> and /v4/ticker/updatepnl."""

from __future__ import annotations

from collections.abc import Sequence

from models import Instrument
from resources.base import Access, ApiResource, client_address, editor, endpoint, has_token, item_count
from resources.schemas.users import Message
from resources.v4.ticker_schemas import V4PositionIn, V4TickerIn, V4TickerList, V4TickerOut, V4TickerPut
from services.catalog import stocks
from services.catalog.ibkr_symbols import find_instrument
from services.identity.passphrases import require_passphrase
from services.interventions.executor_reports import tell_position
from services.reports.executor_figures import latest_told


class V4TickerRegister(ApiResource):
    @endpoint(Access.FRESH, "executor", body=V4TickerIn, answers={201: Message}, errors=(400, 401))
    def post(self, body: V4TickerIn) -> Message:
        """Register a ticker."""
        stocks.create_stock(body.form(), editor())
        return Message(message="'ticker' created successfully.")

    @endpoint(
        Access.FRESH,
        "executor",
        body=V4TickerPut,
        answers={200: V4TickerOut, 201: V4TickerOut},
        errors=(400, 401, 403),
    )
    def put(self, body: V4TickerPut) -> tuple[V4TickerOut, int]:
        """Change what is named of a ticker, or register it; an admin where it touches what is held, or its account."""
        change = body.in_v3()
        ticker, is_new = stocks.put_stock(change.form(), editor(), change.named())
        return _shown([ticker], with_money=True)[0], 201 if is_new else 200


class V4Tickers(ApiResource):
    @endpoint(Access.OPTIONAL, "executor", answers={200: V4TickerList}, errors=(400, 401))
    def get(self, number_of_items: str) -> V4TickerList:
        """List tickers, newest first; 0 = all. What is held of them is told with a token only."""
        rows = stocks.list_stocks(item_count(number_of_items))
        return V4TickerList(tickers=_shown(rows, with_money=has_token()))


class V4Ticker(ApiResource):
    @endpoint(Access.OPTIONAL, "executor", answers={200: V4TickerOut}, errors=(401, 404))
    def get(self, symbol: str) -> V4TickerOut:
        """Show a ticker (LNT, BF.A, EUR.USD); what is held of it is told with a token only."""
        return _shown([find_instrument(symbol)], with_money=has_token())[0]

    @endpoint(Access.ADMIN, "executor", answers={200: Message}, errors=(401, 403, 404, 409))
    def delete(self, symbol: str) -> Message:
        """Delete a ticker that nothing uses: 409 names what is held, works or waits, and the pairs it is a leg of."""
        stocks.delete_stock(find_instrument(symbol).symbol, editor())
        return Message(message="Item deleted")


class V4TickerPosition(ApiResource):
    @endpoint(Access.OPEN, "executor", body=V4PositionIn, answers={200: V4TickerOut}, errors=(400, 401, 404, 429))
    def put(self, body: V4PositionIn) -> V4TickerOut:
        """Tell what the executor's account holds of a ticker, at what cost, and what that has won."""
        require_passphrase(body.passphrase, client_address())
        return _shown([tell_position(body.report())], with_money=True)[0]


def _shown(rows: Sequence[Instrument], *, with_money: bool) -> list[V4TickerOut]:
    told = latest_told([row.symbol for row in rows]) if with_money else {}
    return [V4TickerOut.of(row, told.get(row.symbol)) for row in rows]

"""/v3/regstock, /v3/stocks/<n>, /v3/stock/<symbol>."""

from __future__ import annotations

from resources.base import Access, ApiResource, editor, endpoint, item_count
from resources.schemas.fields import symbol_in_path
from resources.schemas.registry import StockIn, StockList, StockOut, StockPut
from resources.schemas.users import Message
from services.catalog import stocks


class StockRegister(ApiResource):
    @endpoint(Access.FRESH, "stocks", body=StockIn, answers={201: Message}, errors=(400, 401))
    def post(self, body: StockIn) -> Message:
        """Register a stock."""
        stocks.create_stock(body.form(), editor())
        return Message(message="Stock created successfully.")

    @endpoint(Access.FRESH, "stocks", body=StockPut, answers={200: StockOut, 201: StockOut}, errors=(400, 401, 403))
    def put(self, body: StockPut) -> tuple[StockOut, int]:
        """Change what is named of a stock, or register it; an admin where it touches what is held, or its account."""
        stock, is_new = stocks.put_stock(body.form(), editor(), body.named())
        return StockOut.of(stock), 201 if is_new else 200


class Stocks(ApiResource):
    @endpoint(Access.READ, "stocks", answers={200: StockList}, errors=(400, 401))
    def get(self, number_of_items: str) -> StockList:
        """List stocks, newest first; 0 = all."""
        rows = stocks.list_stocks(item_count(number_of_items))
        return StockList(stocks=[StockOut.of(row) for row in rows])


class Stock(ApiResource):
    @endpoint(Access.READ, "stocks", answers={200: StockOut}, errors=(401, 404))
    def get(self, symbol: str) -> StockOut:
        """Show a stock."""
        return StockOut.of(stocks.get_stock(symbol_in_path(symbol)))

    @endpoint(Access.ADMIN, "stocks", answers={200: Message}, errors=(401, 403, 404, 409))
    def delete(self, symbol: str) -> Message:
        """Delete a stock that nothing uses: 409 names what is held, works or waits, and the pairs it is a leg of."""
        stocks.delete_stock(symbol_in_path(symbol), editor())
        return Message(message="Item deleted")

"""/v3/fills: what was executed."""

from __future__ import annotations

from resources.base import Access, ApiResource, endpoint
from resources.schemas.orders import FillPage, FillQuery
from services.reports.order_queries import list_fills


class Fills(ApiResource):
    @endpoint(Access.TOKEN, "fills", query=FillQuery, answers={200: FillPage}, errors=(400, 401))
    def get(self, query: FillQuery) -> FillPage:
        """List fills page by page, latest first, with filters."""
        return FillPage.of(list_fills(query.filter(), query.limit, query.after))

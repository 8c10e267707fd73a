"""/v3/positions: what the desk holds."""

from __future__ import annotations

from resources.base import Access, ApiResource, endpoint
from resources.schemas.positions import PositionPage, PositionQuery
from services.reports.position_queries import list_positions


class Positions(ApiResource):
    @endpoint(Access.TOKEN, "positions", query=PositionQuery, answers={200: PositionPage}, errors=(400, 401))
    def get(self, query: PositionQuery) -> PositionPage:
        """List positions page by page, by account, name and symbol, with what they are worth."""
        return PositionPage.of(list_positions(query.filter(), query.limit, query.key))

"""/v3/regpair, /v3/pairs/<n>, /v3/pair/<name>."""

from __future__ import annotations

from resources.base import Access, ApiResource, endpoint, item_count
from resources.schemas.fields import symbol_in_path
from resources.schemas.registry import PairIn, PairList, PairOut
from resources.schemas.users import Message
from services.catalog import pairs


class PairRegister(ApiResource):
    @endpoint(Access.FRESH, "pairs", body=PairIn, answers={201: Message}, errors=(400, 401))
    def post(self, body: PairIn) -> Message:
        """Register a pair."""
        pairs.create_pair(body.form())
        return Message(message="'pair' created successfully.")

    @endpoint(Access.FRESH, "pairs", body=PairIn, answers={200: PairOut, 201: PairOut}, errors=(400, 401))
    def put(self, body: PairIn) -> tuple[PairOut, int]:
        """Change a pair, or register it."""
        pair, is_new = pairs.put_pair(body.form())
        return PairOut.of(pair), 201 if is_new else 200


class Pairs(ApiResource):
    @endpoint(Access.READ, "pairs", answers={200: PairList}, errors=(400, 401))
    def get(self, number_of_items: str) -> PairList:
        """List pairs, newest first; 0 = all."""
        rows = pairs.list_pairs(item_count(number_of_items))
        return PairList(pairs=[PairOut.of(row) for row in rows])


class Pair(ApiResource):
    @endpoint(Access.READ, "pairs", answers={200: PairOut}, errors=(401, 404))
    def get(self, name: str) -> PairOut:
        """Show a pair."""
        return PairOut.of(pairs.get_pair(symbol_in_path(name)))

    @endpoint(Access.ADMIN, "pairs", answers={200: Message}, errors=(401, 403, 404))
    def delete(self, name: str) -> Message:
        """Delete a pair; its signals stay."""
        pairs.delete_pair(symbol_in_path(name))
        return Message(message="Item deleted")

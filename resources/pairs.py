"""/v3/regpair, /v3/pairs/<n>, /v3/pair/<name>."""

from __future__ import annotations

from resources.base import Access, ApiResource, editor, endpoint, item_count
from resources.schemas.fields import symbol_in_path
from resources.schemas.registry import PairIn, PairList, PairOut, PairPut
from resources.schemas.users import Message
from services.catalog import pairs


class PairRegister(ApiResource):
    @endpoint(Access.FRESH, "pairs", body=PairIn, answers={201: Message}, errors=(400, 401))
    def post(self, body: PairIn) -> Message:
        """Register a pair."""
        pairs.create_pair(body.form(), editor())
        return Message(message="'pair' created successfully.")

    @endpoint(Access.FRESH, "pairs", body=PairPut, answers={200: PairOut, 201: PairOut}, errors=(400, 401, 403))
    def put(self, body: PairPut) -> tuple[PairOut, int]:
        """Change what is named of a pair, or register it; an admin where it touches what is held, or its account."""
        pair, is_new = pairs.put_pair(body.form(), editor(), body.named())
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

    @endpoint(Access.ADMIN, "pairs", answers={200: Message}, errors=(401, 403, 404, 409))
    def delete(self, name: str) -> Message:
        """Delete a pair that nothing uses, 409 names what is held, works or waits; its signals stay."""
        pairs.delete_pair(symbol_in_path(name), editor())
        return Message(message="Item deleted")

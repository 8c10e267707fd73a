"""/v3/checks: the checks before trading and their limits."""

from __future__ import annotations

from flask_jwt_extended import current_user

from resources.base import Access, ApiResource, endpoint
from resources.schemas.checks import ChecksQuery, RuleIn, RuleKey, RuleOut, TradeCheckList, TradeCheckOut
from resources.schemas.users import Message
from services.catalog import check_limits


class Checks(ApiResource):
    @endpoint(Access.TOKEN, "checks", query=ChecksQuery, answers={200: TradeCheckList}, errors=(400, 401))
    def get(self, query: ChecksQuery) -> TradeCheckList:
        """Show every check as it is for a stock, a pair, an account or the desk, and all rows that were set."""
        found = check_limits.in_force(stock=query.stock, pair=query.pair, account=query.account)
        rows = check_limits.list_rules()
        return TradeCheckList(
            checks=[TradeCheckOut.of(check) for check in found], rows=[RuleOut.of(row) for row in rows]
        )

    @endpoint(Access.ADMIN, "checks", body=RuleIn, answers={200: RuleOut}, errors=(400, 401, 403))
    def put(self, body: RuleIn) -> RuleOut:
        """Set what a check does in one scope, in place of what was set there before."""
        return RuleOut.of(check_limits.set_rule(body.form(), _actor()))

    @endpoint(Access.ADMIN, "checks", query=RuleKey, answers={200: Message}, errors=(400, 401, 403, 404))
    def delete(self, query: RuleKey) -> Message:
        """Delete what was set for a check in one scope, so that the wider scope decides again."""
        check_limits.clear_rule(query.check, query.scope, query.name, _actor())
        return Message(message="Item deleted")


def _actor() -> str:
    return f"user {current_user.username}"

"""/v3/accounts: accounts that people open at the brokerage."""

from __future__ import annotations

from typing import Any

from flask_jwt_extended import current_user

from resources.base import Access, ApiResource, endpoint
from resources.errors import error_body
from resources.schemas.brokerage import (
    BrokerageAccountOut,
    BrokerageAccountPage,
    BrokerageQuery,
    SignUpIn,
    SignUpOut,
)
from services.account_opening import brokerage
from services.account_opening.open_account import EmailRegistered, sign_up

TAG = "brokerage accounts"


class BrokerageSignUp(ApiResource):
    @endpoint(Access.TOKEN, TAG, body=SignUpIn, answers={201: SignUpOut}, errors=(400, 401, 409, 429))
    def post(self, body: SignUpIn) -> SignUpOut | tuple[dict[str, Any], int]:
        """Open a brokerage account; each e-mail has one, and its owner is shown it when it is there already."""
        try:
            opened = sign_up(current_user.id, body.application(), body.password)
        except EmailRegistered as e:
            if e.account_id is None:
                raise
            account = _shown([brokerage.get_account(str(e.account_id), current_user)])[0]
            return error_body(e.message, e.code, account=account.model_dump()), 400
        account = _shown([brokerage.get_account(str(opened.account_id), current_user)])[0]
        return SignUpOut(**account.model_dump(), generated=opened.generated)


class BrokerageAccount(ApiResource):
    @endpoint(Access.TOKEN, TAG, answers={200: BrokerageAccountOut}, errors=(401,))
    def get(self, account: str) -> BrokerageAccountOut:
        """Show one of your accounts, by Alpaca's id or its rowid; admins are shown all."""
        return _shown([brokerage.get_account(account, current_user)])[0]


class BrokerageAccounts(ApiResource):
    @endpoint(Access.TOKEN, TAG, query=BrokerageQuery, answers={200: BrokerageAccountPage}, errors=(400, 401))
    def get(self, query: BrokerageQuery) -> BrokerageAccountPage:
        """List your accounts page by page, newest first; admins are shown all."""
        page = brokerage.list_accounts(current_user, query.limit, query.after)
        return BrokerageAccountPage(accounts=_shown(page.rows), next_after=page.next_after)


def _shown(rows: Any) -> list[BrokerageAccountOut]:
    owners = brokerage.owner_names(rows) if current_user.is_admin else {}
    return [BrokerageAccountOut.of(row, owners.get(row.owner_id)) for row in rows]

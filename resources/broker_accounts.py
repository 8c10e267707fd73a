"""/v3/broker/accounts and /v3/broker/account/<name>: where orders go, and the keys for it."""

from __future__ import annotations

from flask_jwt_extended import current_user

from resources.base import Access, ApiResource, endpoint
from resources.schemas.broker_accounts import (
    BrokerAccountIn,
    BrokerAccountList,
    BrokerAccountOut,
    CheckOut,
    KeysIn,
    LiveIn,
    ReasonQuery,
)
from resources.schemas.users import Message
from services.accounts import broker_accounts
from services.accounts.check_account import check_account

TAG = "broker accounts"


class BrokerAccounts(ApiResource):
    @endpoint(Access.TOKEN, TAG, answers={200: BrokerAccountList}, errors=(401,))
    def get(self) -> BrokerAccountList:
        """List broker accounts, and what was heard of each last; never their keys."""
        return BrokerAccountList(accounts=[BrokerAccountOut.of(row) for row in broker_accounts.list_accounts()])

    @endpoint(Access.ADMIN, TAG, body=BrokerAccountIn, answers={201: BrokerAccountOut}, errors=(400, 401, 403))
    def post(self, body: BrokerAccountIn) -> BrokerAccountOut:
        """Add an account whose keys the broker accepts now; live trading is off."""
        broker_accounts.add_account(body.form(), _actor())
        return BrokerAccountOut.of(broker_accounts.get_account(body.name))


class BrokerAccount(ApiResource):
    @endpoint(Access.TOKEN, TAG, answers={200: BrokerAccountOut}, errors=(401, 404))
    def get(self, name: str) -> BrokerAccountOut:
        """Show a broker account, and what was heard of it last; never its keys."""
        return BrokerAccountOut.of(broker_accounts.get_account(name))

    @endpoint(Access.ADMIN, TAG, query=ReasonQuery, answers={200: Message}, errors=(400, 401, 403, 404, 409))
    def delete(self, name: str, query: ReasonQuery) -> Message:
        """Remove an account at which nothing was traded."""
        broker_accounts.remove_account(name, query.reason, _actor())
        return Message(message="Item deleted")


class BrokerAccountKeys(ApiResource):
    @endpoint(Access.ADMIN, TAG, body=KeysIn, answers={200: BrokerAccountOut}, errors=(400, 401, 403, 404, 409))
    def put(self, name: str, body: KeysIn) -> BrokerAccountOut:
        """Set other keys of the same account, which the broker accepts now."""
        broker_accounts.set_keys(name, body.keys(), _actor())
        return BrokerAccountOut.of(broker_accounts.get_account(name))

    @endpoint(Access.ADMIN, TAG, query=ReasonQuery, answers={200: BrokerAccountOut}, errors=(400, 401, 403, 404, 409))
    def delete(self, name: str, query: ReasonQuery) -> BrokerAccountOut:
        """Forget an account's keys: the desk no longer connects to it, and live trading is off."""
        broker_accounts.remove_keys(name, query.reason, _actor())
        return BrokerAccountOut.of(broker_accounts.get_account(name))


class BrokerAccountLive(ApiResource):
    @endpoint(Access.ADMIN, TAG, body=LiveIn, answers={200: BrokerAccountOut}, errors=(400, 401, 403, 404, 409))
    def put(self, name: str, body: LiveIn) -> BrokerAccountOut:
        """Switch live trading of an account on or off: whether real money may be traded there."""
        broker_accounts.switch_live(name, body.on, body.reason, _actor())
        return BrokerAccountOut.of(broker_accounts.get_account(name))


class BrokerAccountCheck(ApiResource):
    @endpoint(Access.ADMIN, TAG, answers={200: CheckOut}, errors=(401, 403, 404, 409))
    def post(self, name: str) -> CheckOut:
        """Check now whether the broker opens the account, and with how much buying power."""
        return CheckOut.of(check_account(name))


def _actor() -> str:
    return f"user {current_user.username}"

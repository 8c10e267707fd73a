"""/v4/webhook, /v4/signal… and /v4/signals…: what executors beside Interactive Brokers read, put back and report."""

from __future__ import annotations

from flask_jwt_extended import current_user

from domain.alert import body_hash
from domain.errors import InvalidInput
from domain.order_status import SignalStatus
from resources.base import Access, ApiResource, client_address, editor, endpoint, has_token, item_count, require
from resources.body import json_body
from resources.schemas.alerts import AlertOut
from resources.schemas.fields import name_in_path
from resources.schemas.users import Message
from resources.signals import rowid_in_path
from resources.v4.names import in_v4_names
from resources.v4.signal_schemas import (
    V4AlertIn,
    V4FillIn,
    V4Row,
    V4SignalList,
    V4SignalUpdateIn,
    V4UpdatedRow,
    left_as_is,
)
from resources.webhook import alert_answer
from services.identity.passphrases import require_passphrase
from services.intake.receive import receive_signal
from services.interventions.edit_signal import delete_signal, edit_signal
from services.interventions.external_fill import apply_external_fill
from services.reports.signal_queries import (
    ANONYMOUS_ROWS,
    ANONYMOUS_WAITING_ROWS,
    SignalFilter,
    get_signal,
    list_signals,
)

TO_BE_EXECUTED = (SignalStatus.WAITING, SignalStatus.REROUTED)


class V4Webhook(ApiResource):
    @endpoint(
        Access.OPEN, "executor", body=V4AlertIn, answers={201: AlertOut, 200: AlertOut}, errors=(400, 401, 422, 429)
    )
    def post(self, body: V4AlertIn) -> tuple[AlertOut, int]:
        """Take an alert, or an executor's own signal for leg 2; 201 means it is stored, 200 that it was before."""
        require_passphrase(body.passphrase, client_address(), remembered=True)
        return alert_answer(receive_signal(body.alert(body_hash(json_body())), body.passphrase))

    @endpoint(
        Access.OPEN, "executor", body=V4SignalUpdateIn, answers={200: V4UpdatedRow}, errors=(400, 401, 404, 409, 429)
    )
    def put(self, body: V4SignalUpdateIn) -> V4UpdatedRow:
        """Put a row back with its status, order ids and amount; needs the passphrase or a fresh token."""
        if body.passphrase is not None:
            require_passphrase(body.passphrase, client_address())
            actor = "an outside executor"
        else:
            require(Access.FRESH)
            actor = f"user {current_user.username}"
        with in_v4_names():
            row = V4UpdatedRow.of(edit_signal(body.rowid, body.edit(), actor))
        body.ignore(left_as_is(json_body(), row))
        return row


class V4SignalOrder(ApiResource):
    @endpoint(Access.OPEN, "executor", body=V4FillIn, answers={200: V4UpdatedRow}, errors=(400, 401, 404, 409, 429))
    def put(self, body: V4FillIn) -> V4UpdatedRow:
        """Report how many shares of an order are filled and at what average, or its cancel, by order id and symbol."""
        require_passphrase(body.passphrase, client_address())
        with in_v4_names():
            return V4UpdatedRow.of(apply_external_fill(body.fill()))


class V4Signal(ApiResource):
    @endpoint(Access.READ, "executor", answers={200: V4Row}, errors=(401, 404))
    def get(self, rowid: str) -> V4Row:
        """Show a signal."""
        return V4Row.of(get_signal(rowid_in_path(rowid)))

    @endpoint(Access.ADMIN, "executor", answers={200: Message}, errors=(401, 403, 404, 409))
    def delete(self, rowid: str) -> Message:
        """Delete a signal for which nothing was traded; 409 names an order that works."""
        delete_signal(rowid_in_path(rowid), editor().name)
        return Message(message="Item deleted")


class V4Signals(ApiResource):
    @endpoint(Access.OPTIONAL, "executor", answers={200: V4SignalList}, errors=(400, 401))
    def get(self, number_of_items: str) -> V4SignalList:
        """List signals, newest first; 0 = all."""
        return _listed(SignalFilter(), number_of_items)


class V4SignalsOfStatus(ApiResource):
    @endpoint(Access.OPTIONAL, "executor", answers={200: V4SignalList}, errors=(400, 401))
    def get(self, order_status: str, number_of_items: str) -> V4SignalList:
        """List signals of one status, newest first, 0 = all; of those to be executed the ones of outside executors."""
        try:
            status = SignalStatus(order_status)
        except ValueError:
            raise InvalidInput({"order_status": f"must be one of: {', '.join(SignalStatus)}"}) from None
        # What the desk's own workers will trade must not be traded a second time by whoever reads this list.
        return _listed(SignalFilter(status=status, external=status in TO_BE_EXECUTED), number_of_items)


class V4SignalsOfTicker(ApiResource):
    @endpoint(Access.OPTIONAL, "executor", answers={200: V4SignalList}, errors=(400, 401))
    def get(self, ticker_name: str, number_of_items: str) -> V4SignalList:
        """List signals of one ticker (LNT) or pair (LNT-FTS), newest first; 0 = all."""
        return _listed(SignalFilter(name=name_in_path(ticker_name)), number_of_items)


def _listed(wanted: SignalFilter, number_of_items: str) -> V4SignalList:
    count = item_count(number_of_items)
    most = ANONYMOUS_WAITING_ROWS if wanted.status in TO_BE_EXECUTED else ANONYMOUS_ROWS
    if not has_token():
        count = min(count or most, most)
    return V4SignalList(signals=V4Row.of_many(list_signals(wanted, count)), notoken_limit=most)

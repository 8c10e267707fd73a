"""/v3/webhook: alerts in, and outside executors putting signals back."""

from __future__ import annotations

from flask_jwt_extended import current_user

from domain.alert import body_hash
from domain.intake import IN_FUTURE
from resources.base import Access, ApiResource, client_address, endpoint, require
from resources.body import json_body
from resources.schemas.alerts import AlertIn, AlertOut, FillIn, SignalUpdateIn, left_as_is
from resources.schemas.signals import UpdatedSignalOut
from services.identity.passphrases import require_passphrase
from services.intake.receive import Received, receive_signal
from services.interventions.edit_signal import edit_signal
from services.interventions.external_fill import apply_external_fill

MESSAGES = {
    None: "Signal created successfully.",
    "problematic ticker!": "recorded with problematic ticker!",
    IN_FUTURE: "recorded with an alert time in the future!",
}


class SignalWebhook(ApiResource):
    @endpoint(
        Access.OPEN,
        "signals",
        body=AlertIn,
        answers={201: AlertOut, 200: AlertOut},
        errors=(400, 401, 422, 429),
    )
    def post(self, body: AlertIn) -> tuple[AlertOut, int]:
        """Take an alert; 201 means it is stored, 200 that it was stored before."""
        require_passphrase(body.passphrase, client_address(), remembered=True)
        return alert_answer(receive_signal(body.alert(body_hash(json_body())), body.passphrase))

    @endpoint(
        Access.OPEN,
        "signals",
        body=SignalUpdateIn,
        answers={200: UpdatedSignalOut},
        errors=(400, 401, 404, 409, 429),
    )
    def put(self, body: SignalUpdateIn) -> UpdatedSignalOut:
        """Put a signal back with its status, order ids and leg prices; needs the passphrase or a fresh token."""
        if body.passphrase is not None:
            require_passphrase(body.passphrase, client_address())
            actor = "an outside executor"
        else:
            require(Access.FRESH)
            actor = f"user {current_user.username}"
        row = UpdatedSignalOut.of(edit_signal(body.rowid, body.edit(), actor))
        body.ignore(left_as_is(json_body(), row))
        return row


class SignalPrice(ApiResource):
    """/v3/signal/updateorder, and /v3/price as it was called first."""

    @endpoint(Access.OPEN, "signals", body=FillIn, answers={200: UpdatedSignalOut}, errors=(400, 401, 404, 409, 429))
    def put(self, body: FillIn) -> UpdatedSignalOut:
        """Report the price, cancel or partial fill of an outside executor's order."""
        return _report(body)

    @endpoint(Access.OPEN, "signals", body=FillIn, answers={200: UpdatedSignalOut}, errors=(400, 401, 404, 409, 429))
    def post(self, body: FillIn) -> UpdatedSignalOut:
        """Report the price, cancel or partial fill of an outside executor's order."""
        return _report(body)


def _report(body: FillIn) -> UpdatedSignalOut:
    require_passphrase(body.passphrase, client_address())
    return UpdatedSignalOut.of(apply_external_fill(body.fill()))


def alert_answer(received: Received) -> tuple[AlertOut, int]:
    """Return what the sender of an alert is answered."""
    out = AlertOut(
        message=_message(received),
        rowid=received.rowid,
        order_status=received.status,
        status_msg=received.reason,
        duplicate=received.duplicate,
    )
    return out, 200 if received.duplicate else 201


def _message(received: Received) -> str:
    if received.duplicate:
        return "Signal was received before."
    return MESSAGES.get(received.reason, "recorded with unknown or passive ticker!")

"""/v4/regpnl, /v4/pnl/<n> and /v4/pnls/<n>: the history of the account that an executor trades."""

from __future__ import annotations

from resources.base import Access, ApiResource, client_address, endpoint, has_token, item_count
from resources.v4.history_schemas import V4RecordIn, V4RecordList, V4RecordMessage, V4RecordOut, V4RecordPut
from services.identity.passphrases import require_passphrase
from services.interventions.executor_reports import add_record, change_record
from services.reports.executor_figures import list_records
from services.reports.signal_queries import ANONYMOUS_ROWS


class V4RecordRegister(ApiResource):
    @endpoint(Access.OPEN, "executor", body=V4RecordIn, answers={201: V4RecordMessage}, errors=(400, 401, 409, 429))
    def post(self, body: V4RecordIn) -> V4RecordMessage:
        """Put the money of the account on record."""
        require_passphrase(body.passphrase, client_address())
        record = add_record(body.figures(), body.timestamp)
        return V4RecordMessage(message="'record' created successfully.", rowid=record.id)

    @endpoint(Access.OPEN, "executor", body=V4RecordPut, answers={200: V4RecordOut}, errors=(400, 401, 404, 429))
    def put(self, body: V4RecordPut) -> V4RecordOut:
        """Set the figures of a record."""
        require_passphrase(body.passphrase, client_address())
        return V4RecordOut.of(change_record(body.rowid, body.figures(), body.timestamp), with_money=True)


class V4Records(ApiResource):
    @endpoint(Access.OPTIONAL, "executor", answers={200: V4RecordList}, errors=(400, 401))
    def get(self, number_of_items: str) -> V4RecordList:
        """List the records of the account, newest first; 0 = all. Their money is told with a token only."""
        count, with_money = item_count(number_of_items), has_token()
        if not with_money:
            count = min(count or ANONYMOUS_ROWS, ANONYMOUS_ROWS)
        rows = [V4RecordOut.of(row, with_money=with_money) for row in list_records(count)]
        return V4RecordList(signals=rows, pnls=rows, notoken_limit=ANONYMOUS_ROWS)

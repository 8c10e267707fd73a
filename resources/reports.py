"""/v3/pnl, /v3/slippage, /v3/reconciliation, /v3/drift, /v3/journal: how the desk is doing."""

from __future__ import annotations

from resources.base import Access, ApiResource, endpoint
from resources.schemas.fields import PageQuery
from resources.schemas.reconciliation import AccountStateOut, ReconciliationOut, ReconciliationQuery
from resources.schemas.reports import (
    DriftList,
    DriftOut,
    DriftQuery,
    JournalPage,
    ResultQuery,
    ResultsOut,
    SlippageList,
    SlippageQuery,
)
from services.reports import account_views, drift, pnl, slippage
from services.reports.journal_queries import list_journal


class Results(ApiResource):
    @endpoint(Access.TOKEN, "reports", query=ResultQuery, answers={200: ResultsOut}, errors=(400, 401))
    def get(self, query: ResultQuery) -> ResultsOut:
        """Add up realised results by account, instrument, pair or day, with what is unrealised now."""
        return ResultsOut.of(query.group, pnl.report(query.filter()))


class SlippageReport(ApiResource):
    @endpoint(Access.TOKEN, "reports", query=SlippageQuery, answers={200: SlippageList}, errors=(400, 401))
    def get(self, query: SlippageQuery) -> SlippageList:
        """Show how much better or worse than the alerts' prices the fills were, by name and side."""
        return SlippageList.of(slippage.report(query.filter()))


class Reconciliation(ApiResource):
    @endpoint(Access.TOKEN, "reports", query=ReconciliationQuery, answers={200: ReconciliationOut}, errors=(400, 401))
    def get(self, query: ReconciliationQuery) -> ReconciliationOut:
        """Show what the brokers said last, and what does not agree with our book."""
        return ReconciliationOut(
            accounts=[AccountStateOut.of(view) for view in account_views.list_accounts(query.account)]
        )


class HedgeDrift(ApiResource):
    @endpoint(Access.TOKEN, "reports", query=DriftQuery, answers={200: DriftList}, errors=(400, 401))
    def get(self, query: DriftQuery) -> DriftList:
        """Show how far the legs of pairs are from hedging each other, and what would heal them."""
        return DriftList(pairs=[DriftOut.of(row) for row in drift.report(query.pair, query.limit)])


class Journal(ApiResource):
    @endpoint(Access.TOKEN, "reports", query=PageQuery, answers={200: JournalPage}, errors=(400, 401))
    def get(self, query: PageQuery) -> JournalPage:
        """List what people did by hand page by page, newest first."""
        return JournalPage.of(list_journal(query.limit, query.after, query.from_, query.to))

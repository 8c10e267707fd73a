"""The HTTP edge: each resource loads, calls one service and dumps."""

from __future__ import annotations

from flask import Blueprint, Flask

from resources import (
    actions,
    broker_accounts,
    brokerage,
    checks,
    cors,
    errors,
    fills,
    health,
    orders,
    pairs,
    positions,
    refused,
    reports,
    signals,
    stocks,
    tokens,
    users,
    v4,
    webhook,
)


def init_app(app: Flask) -> None:
    """Register all API routes, the error mapper and the token rules."""
    errors.init_app(app)
    tokens.init_app(app)
    refused.init_app(app)
    cors.init_app(app)
    blueprint = Blueprint("api", __name__)
    api = errors.Api(blueprint)

    app.url_map.strict_slashes = False  # v3 was called with a slash at the end, too; a redirect would lose the alert
    api.add_resource(webhook.SignalWebhook, "/v3/webhook")
    api.add_resource(refused.RefusedDeliveries, "/v3/refused")
    api.add_resource(webhook.SignalPrice, "/v3/signal/updateorder", "/v3/price")
    api.add_resource(signals.Signal, "/v3/signal/<string:rowid>")
    api.add_resource(signals.Signals, "/v3/signals")
    api.add_resource(signals.SignalListAll, "/v3/signals/<string:number_of_items>")
    api.add_resource(signals.SignalListStatus, "/v3/signals/status/<string:order_status>/<string:number_of_items>")
    api.add_resource(signals.SignalListTicker, "/v3/signals/ticker/<string:ticker_name>/<string:number_of_items>")

    api.add_resource(orders.Orders, "/v3/orders")
    api.add_resource(orders.Order, "/v3/order/<string:order>")
    api.add_resource(orders.OrderEvents, "/v3/order/<string:order>/events")
    api.add_resource(orders.OrderFills, "/v3/order/<string:order>/fills")
    api.add_resource(orders.Events, "/v3/events")
    api.add_resource(fills.Fills, "/v3/fills")
    api.add_resource(positions.Positions, "/v3/positions")
    api.add_resource(reports.Results, "/v3/pnl")
    api.add_resource(reports.SlippageReport, "/v3/slippage")
    api.add_resource(reports.Reconciliation, "/v3/reconciliation")
    api.add_resource(reports.HedgeDrift, "/v3/drift")
    api.add_resource(reports.Journal, "/v3/journal")

    api.add_resource(actions.WhatWouldHappen, "/v3/whatif")
    api.add_resource(actions.SignalSettle, "/v3/signal/<string:rowid>/settle")
    api.add_resource(actions.OrderCancel, "/v3/order/<string:order>/cancel")
    api.add_resource(actions.OrderResolve, "/v3/order/<string:order>/resolve")
    api.add_resource(actions.Stops, "/v3/stops")
    api.add_resource(actions.StopRelease, "/v3/stop/<string:stop>/release")
    api.add_resource(actions.DriftHeal, "/v3/drift/heal")

    api.add_resource(stocks.StockRegister, "/v3/regstock")
    api.add_resource(stocks.Stocks, "/v3/stocks/<string:number_of_items>")
    api.add_resource(stocks.Stock, "/v3/stock/<string:symbol>")
    api.add_resource(pairs.PairRegister, "/v3/regpair")
    api.add_resource(pairs.Pairs, "/v3/pairs/<string:number_of_items>")
    api.add_resource(pairs.Pair, "/v3/pair/<string:name>")

    api.add_resource(checks.Checks, "/v3/checks")

    api.add_resource(broker_accounts.BrokerAccounts, "/v3/broker/accounts")
    api.add_resource(broker_accounts.BrokerAccount, "/v3/broker/account/<string:name>")
    api.add_resource(broker_accounts.BrokerAccountKeys, "/v3/broker/account/<string:name>/keys")
    api.add_resource(broker_accounts.BrokerAccountLive, "/v3/broker/account/<string:name>/live")
    api.add_resource(broker_accounts.BrokerAccountCheck, "/v3/broker/account/<string:name>/check")

    api.add_resource(brokerage.BrokerageSignUp, "/v3/accounts/signup")
    api.add_resource(brokerage.BrokerageAccounts, "/v3/accounts")
    api.add_resource(brokerage.BrokerageAccount, "/v3/accounts/<string:account>")

    api.add_resource(users.UserRegister, "/v3/reguser")
    api.add_resource(users.Users, "/v3/users/<string:number_of_users>")
    api.add_resource(users.User, "/v3/user/<string:username>")
    api.add_resource(tokens.UserLogin, "/v3/login")
    api.add_resource(tokens.UserLogout, "/v3/logout")
    api.add_resource(tokens.TokenRefresh, "/v3/refresh")

    v4.add_resources(api)

    api.add_resource(health.OpenApi, "/v3/openapi.json")
    api.add_resource(health.Healthz, "/healthz")
    api.add_resource(health.Readyz, "/readyz")
    app.register_blueprint(blueprint)

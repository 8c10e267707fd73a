"""The addresses of v4, for executors beside Interactive Brokers: the same services as v3's, in the words of v4."""

from __future__ import annotations

from resources import pairs, tokens, users
from resources.errors import Api
from resources.v4 import history, signals, tickers


def add_resources(api: Api) -> None:
    """Register the routes of v4; what has the same words as in v3 is v3's."""
    api.add_resource(signals.V4Webhook, "/v4/webhook")
    api.add_resource(signals.V4SignalOrder, "/v4/signal/updateorder")
    api.add_resource(signals.V4Signal, "/v4/signal/<string:rowid>")
    api.add_resource(signals.V4Signals, "/v4/signals/<string:number_of_items>")
    api.add_resource(signals.V4SignalsOfStatus, "/v4/signals/status/<string:order_status>/<string:number_of_items>")
    api.add_resource(signals.V4SignalsOfTicker, "/v4/signals/ticker/<string:ticker_name>/<string:number_of_items>")

    api.add_resource(tickers.V4TickerRegister, "/v4/regticker")
    api.add_resource(tickers.V4Tickers, "/v4/tickers/<string:number_of_items>")
    api.add_resource(tickers.V4Ticker, "/v4/ticker/<string:symbol>")
    api.add_resource(tickers.V4TickerPosition, "/v4/ticker/updatepnl")

    api.add_resource(history.V4RecordRegister, "/v4/regpnl")
    api.add_resource(history.V4Records, "/v4/pnl/<string:number_of_items>", "/v4/pnls/<string:number_of_items>")

    api.add_resource(pairs.PairRegister, "/v4/regpair", endpoint="v4_pair_register")
    api.add_resource(pairs.Pairs, "/v4/pairs/<string:number_of_items>", endpoint="v4_pairs")
    api.add_resource(pairs.Pair, "/v4/pair/<string:name>", endpoint="v4_pair")
    api.add_resource(users.UserRegister, "/v4/reguser", endpoint="v4_user_register")
    api.add_resource(users.Users, "/v4/users/<string:number_of_users>", endpoint="v4_users")
    api.add_resource(users.User, "/v4/user/<string:username>", endpoint="v4_user")
    api.add_resource(tokens.UserLogin, "/v4/login", endpoint="v4_login")
    api.add_resource(tokens.UserLogout, "/v4/logout", endpoint="v4_logout")
    api.add_resource(tokens.TokenRefresh, "/v4/refresh", endpoint="v4_refresh")

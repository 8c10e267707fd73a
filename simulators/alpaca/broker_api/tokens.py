"""Tokens for the Broker API in exchange for client credentials, as its own host `authx` makes them.

Alpaca's pages "Authentication" and "Issue tokens": the secret comes in the form, not in a header; a token lasts fifteen
minutes and is said to last a second less. What goes wrong has a word of RFC 6749 as its `error`, and no message.
"""

from __future__ import annotations

import secrets
from datetime import timedelta

from aiohttp import web

from simulators.alpaca import keys
from simulators.alpaca.trading import WORLD
from simulators.alpaca.wire import answer

routes = web.RouteTableDef()
ADDRESS = "/v1/oauth2/token"
LASTS = timedelta(minutes=15)


@routes.post(ADDRESS)
async def post_token(request: web.Request) -> web.Response:
    """Make a token."""
    world, form = request.app[WORLD], await request.post()
    if form.get("grant_type") != "client_credentials":
        return answer({"error": "unsupported_grant_type"}, 400)
    if (form.get("client_id"), form.get("client_secret")) != (keys.BROKER_KEY, keys.BROKER_SECRET):
        return answer({"error": "invalid_client"}, 401)
    token = secrets.token_urlsafe(32)
    world.tokens[token] = world.clock.now() + LASTS
    return answer({"access_token": token, "expires_in": int(LASTS.total_seconds()) - 1, "token_type": "Bearer"})

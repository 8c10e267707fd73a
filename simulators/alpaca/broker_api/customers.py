"""The Broker API, /v1: accounts of customers, and the events of their statuses."""

from __future__ import annotations

import asyncio
import json
import secrets
import uuid
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from aiohttp import web

from simulators.alpaca.account import Account
from simulators.alpaca.broker_api.applications import check
from simulators.alpaca.trading import WORLD
from simulators.alpaca.wire import Refused, answer, body_of, iso, moment, number, text
from simulators.alpaca.world import World

routes = web.RouteTableDef()
CONFLICT = 40910000
APPROVED_AFTER, ACTIVE_AFTER = 0.3, 0.6  # seconds
HEARTBEAT = 15.0
DAY = timedelta(days=1)
# Family names that make an application take another way.
OTHER_WAYS = {"Pending": "APPROVAL_PENDING", "Rejected": "REJECTED"}
KEPT_PRIVATE = frozenset({"tax_id"})
CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"


@dataclass
class Customer:
    """One account of a customer; what was said in the application, less the tax id."""

    created_at: datetime
    contact: dict[str, Any]
    identity: dict[str, Any]
    disclosures: dict[str, Any]
    agreements: list[dict[str, Any]]
    id: str = field(default_factory=lambda: str(uuid.uuid4()))
    number: str = field(default_factory=lambda: f"{secrets.randbelow(900_000_000) + 100_000_000}")
    status: str = "SUBMITTED"
    equity: str = "0"

    @property
    def email(self) -> str:
        """Return its e-mail in lower case."""
        return str(self.contact["email_address"]).lower()

    def wire(self, *, whole: bool) -> dict[str, Any]:
        """Return the account as Alpaca writes it; lists leave the particulars out."""
        given, family = self.identity["given_name"], self.identity["family_name"]
        body = {
            "id": self.id,
            "account_number": self.number,
            "status": self.status,
            "crypto_status": "INACTIVE",
            "currency": "USD",
            "last_equity": self.equity,
            "created_at": iso(self.created_at),
            "account_name": f"{given} {family}",
            "account_type": "trading",
            "enabled_assets": ["us_equity"],
        }
        parts = {
            "contact": self.contact, "identity": self.identity, "disclosures": self.disclosures,
            "agreements": [{**agreement, "revision": "16.2021.05"} for agreement in self.agreements],
        }  # fmt: skip
        return {**body, **parts} if whole else {**body, "contact": self.contact}


@routes.post("/v1/accounts")
async def post_account(request: web.Request) -> web.Response:
    """Take an application."""
    world, body = request.app[WORLD], await body_of(request)
    now = world.clock.now()
    check(body, now)
    identity = {name: value for name, value in body["identity"].items() if name not in KEPT_PRIVATE}
    customer = Customer(now, body["contact"], identity, body["disclosures"], body["agreements"])
    if any(other.email == customer.email for other in world.customers):
        raise Refused(409, CONFLICT, f"email address already in use: {customer.email}")
    world.customers.append(customer)
    world.dirty = True
    _event(world, customer, "")
    _decide_later(world, customer)
    return answer({name: value for name, value in customer.wire(whole=True).items() if name != "account_name"})


def resume(world: World) -> None:
    """Go on with applications after a restart."""
    for customer in world.customers:
        _decide_later(world, customer)


def _decide_later(world: World, customer: Customer) -> None:
    """Let an application take its way, unless the control takes it another one."""

    def step(old: str, new: str) -> None:
        if customer.status == old:
            move(world, customer, new)

    family_name = customer.identity["family_name"]
    other_way = "ACTION_REQUIRED" if any(customer.disclosures.values()) else OTHER_WAYS.get(family_name)
    world.engine.later(APPROVED_AFTER, lambda: step("SUBMITTED", other_way or "APPROVED"))
    world.engine.later(ACTIVE_AFTER, lambda: step("APPROVED", "ACTIVE"))


@routes.get("/v1/accounts")
async def get_accounts(request: web.Request) -> web.Response:
    """List accounts; `query` is looked for in e-mails and names."""
    query = request.query
    words = query.get("query", "").lower().split()
    after, before = (
        moment(query.get("created_after"), "created_after"),
        moment(query.get("created_before"), "created_before"),
    )
    found = [
        customer
        for customer in request.app[WORLD].customers
        if all(any(word in said for said in _texts(customer)) for word in words)
        and (after is None or customer.created_at > after)
        and (before is None or customer.created_at < before)
        and query.get("status", customer.status) == customer.status
    ]
    found.sort(key=lambda customer: customer.created_at, reverse=query.get("sort", "desc") != "asc")
    return answer([customer.wire(whole="identity" in query.get("entities", "")) for customer in found[:1000]])


def _texts(customer: Customer) -> tuple[str, ...]:
    return (customer.email, str(customer.identity["given_name"]).lower(), str(customer.identity["family_name"]).lower())


@routes.get("/v1/accounts/{id}")
async def get_account(request: web.Request) -> web.Response:
    """Show an account."""
    return answer(_find(request).wire(whole=True))


@routes.get("/v1/trading/accounts/{id}/account")
async def get_trading_account(request: web.Request) -> web.Response:
    """Show an account's money."""
    customer, world = _find(request), request.app[WORLD]
    account = Account(
        customer.number, "", Decimal(customer.equity), customer.created_at, id=customer.id, number=customer.number
    )
    cash, zero = customer.equity, "0"
    broker_only: dict[str, Any] = {
        "status": customer.status,
        "cash_withdrawable": cash,
        "cash_transferable": cash,
        "previous_close": iso(world.clock.now()),
        "bod_dtbp": zero,
        "effective_buying_power": cash,
        "position_market_value": zero,
        "last_cash": cash,
        "last_long_market_value": zero,
        "last_short_market_value": zero,
        "last_initial_margin": zero,
        "last_buying_power": zero,
        "last_regt_buying_power": zero,
        "admin_configurations": {},
        "user_configurations": {},
        "clearing_broker": "ALPACA_APCA",
    }
    return answer({**account.wire(world.market.quote), **broker_only})


@routes.get("/v1/events/accounts/status")
async def get_events(request: web.Request) -> web.StreamResponse:
    """Stream changes of statuses: from a cursor on, then as they come."""
    world = request.app[WORLD]
    since, until = _bounds(request, "since"), _bounds(request, "until")
    stream = web.StreamResponse(headers={"Content-Type": "text/event-stream", "Cache-Control": "no-cache"})
    await stream.prepare(request)
    sent = len(world.customer_events)
    for event in world.customer_events[:sent]:
        after = bool(since) and all(event[name] > value for name, value in since.items())
        if after and all(event[name] <= value for name, value in until.items()):
            await _send(stream, event)
    if until:
        return stream
    waited = 0.0
    await stream.write(b":heartbeat\n\n")
    while request.transport is not None and not request.transport.is_closing():
        for event in world.customer_events[sent:]:
            sent += 1
            await _send(stream, event)
        await asyncio.sleep(0.05)
        waited += 0.05
        if waited >= HEARTBEAT:
            waited = 0.0
            await stream.write(b":heartbeat\n\n")
    return stream


def _bounds(request: web.Request, name: str) -> dict[str, Any]:
    """Return where a reader's events begin or end: by time, by number, by ULID."""
    query = request.query
    bounds: dict[str, Any] = {}
    if at := moment(query.get(name), name):
        bounds["at"] = iso(at if name == "since" or len(query[name]) > len("YYYY-MM-DD") else at + DAY)
    if number_text := query.get(f"{name}_id"):
        if not number_text.isdigit():
            raise Refused(400, None, f"invalid {name}_id")
        bounds["event_id"] = int(number_text)
    if ulid_text := query.get(f"{name}_ulid"):
        bounds["event_ulid"] = ulid_text
    return bounds


@routes.put("/sim/broker/accounts/{id}")
async def put_status(request: web.Request) -> web.Response:
    """Move an account to a status, or give it equity."""
    world, body = request.app[WORLD], await body_of(request)
    customer = next((row for row in world.customers if row.id == request.match_info["id"]), None)
    if customer is None:
        raise Refused(404, None, "no account has this id")
    equity = number(body.get("equity"), "equity")
    customer.equity = customer.equity if equity is None else str(text(equity))
    world.dirty = True
    if "status" in body:
        move(world, customer, str(body["status"]))
    return answer(customer.wire(whole=True))


def move(world: World, customer: Customer, status: str) -> None:
    """Give an account another status, with an event."""
    old, customer.status, world.dirty = customer.status, status, True
    if old != status:
        _event(world, customer, old)


def _event(world: World, customer: Customer, old: str) -> None:
    now = world.clock.now()
    world.customer_events.append(
        {
            "event_id": len(world.customer_events) + 1,
            "event_ulid": ulid(now, len(world.customer_events) + 1),
            "at": iso(now),
            "account_id": customer.id,
            "account_number": customer.number,
            "status_from": old,
            "status_to": customer.status,
        }
    )


def ulid(at: datetime, number: int) -> str:
    """Return a ULID (48 bits of milliseconds, 80 more) whose order is that of time and number."""
    value = (int(at.timestamp() * 1000) << 80) | (number << 40) | secrets.randbits(40)
    letters = [CROCKFORD[(value >> shift) & 31] for shift in range(125, -1, -5)]
    return "".join(letters)


async def _send(stream: web.StreamResponse, event: dict[str, Any]) -> None:
    await stream.write(f"data: {json.dumps(event)}\n\n".encode())


def _find(request: web.Request) -> Customer:
    for customer in request.app[WORLD].customers:
        if customer.id == request.match_info["id"]:
            found: Customer = customer
            return found
    raise Refused(401, None, "request is not authorized")  # so Alpaca answers for an account that it does not know

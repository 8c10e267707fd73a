"""The life of an order, as REST shows it."""

import uuid
from typing import Any

import pytest

from tests.simulators.support import FILL_AFTER, Alpaca, Control, make_order


def test_an_order_is_taken_then_new_then_filled(alpaca: Alpaca, control: Control):
    answer = alpaca.submit(qty="10")
    assert answer.json()["status"] == "pending_new"
    control.advance(0)
    order = answer.json()
    assert alpaca.status(order) == "new"
    control.advance(FILL_AFTER)
    filled = alpaca.again(order)
    assert (filled["status"], filled["filled_qty"], filled["filled_avg_price"]) == ("filled", "10", "100")
    assert filled["filled_at"] >= filled["created_at"]


def test_numbers_are_text_and_what_is_not_there_is_null(alpaca: Alpaca):
    order = alpaca.order(type="limit", limit_price=99.5, qty=10)
    assert (order["qty"], order["limit_price"], order["filled_qty"]) == ("10", "99.5", "0")
    missing = ("stop_price", "notional", "filled_avg_price", "filled_at", "legs", "hwm", "replaced_by")
    assert [order[name] for name in missing] == [None] * len(missing)


def test_an_order_without_a_client_order_id_gets_one(alpaca: Alpaca):
    assert uuid.UUID(alpaca.order()["client_order_id"])


def test_an_order_is_found_by_its_client_order_id(alpaca: Alpaca):
    order = alpaca.order(client_order_id="mine")
    found = alpaca.read("/v2/orders:by_client_order_id", client_order_id="mine")
    assert found["id"] == order["id"]


@pytest.mark.parametrize(
    ("terms", "prices", "filled_at"),
    [
        ({"side": "buy", "type": "limit", "limit_price": "99"}, [("98.99", "99.01"), ("98.98", "99")], "99"),
        ({"side": "sell", "type": "limit", "limit_price": "101"}, [("100.99", "101"), ("101.5", "102")], "101.5"),
        ({"side": "sell", "type": "stop", "stop_price": "95"}, [("95.01", "96"), ("94", "94.5")], "94"),
        ({"side": "sell", "type": "stop_limit", "stop_price": "95", "limit_price": "94.5"}, [("94", "94.1"), ("94.5", "96")], "94.5"),
    ],
    ids=["limit buy", "limit sell", "stop sell", "stop-limit sell"],
)  # fmt: skip
def test_an_order_with_a_price_waits_for_it(
    alpaca: Alpaca, control: Control, terms: dict[str, Any], prices: list[tuple[str, str]], filled_at: str
):
    order = alpaca.filled(**terms)
    for bid, ask in prices:
        assert alpaca.status(order) == "new"
        control.quote("AAPL", bid, ask)
    assert alpaca.again(order)["filled_avg_price"] == filled_at


@pytest.mark.parametrize(("stop", "limit"), [("110", "112.75"), ("40", "41.6")])
def test_a_buy_stop_becomes_a_stop_limit_order(alpaca: Alpaca, stop: str, limit: str):
    order = alpaca.order(type="stop", stop_price=stop)
    assert (order["type"], order["stop_price"], order["limit_price"]) == ("stop_limit", stop, limit)


@pytest.mark.parametrize("time_in_force", ["ioc", "fok"])
def test_an_order_that_may_not_wait_is_canceled(alpaca: Alpaca, time_in_force: str):
    order = alpaca.filled(type="limit", limit_price="99", time_in_force=time_in_force)
    assert (order["status"], order["filled_qty"]) == ("canceled", "0")


def test_an_order_for_dollars_buys_what_they_pay_for(alpaca: Alpaca):
    order = alpaca.filled(qty=None, notional="250.5")
    assert (order["notional"], order["filled_qty"], order["status"]) == ("250.5", "2.505", "filled")


def test_a_cancel_is_taken_and_happens_later(alpaca: Alpaca, control: Control):
    order = alpaca.order()
    assert alpaca.cancel(order).status_code == 204
    assert alpaca.status(order) == "pending_cancel"
    control.advance(FILL_AFTER)
    canceled = alpaca.again(order)
    assert (canceled["status"], canceled["filled_qty"]) == ("canceled", "0")
    assert canceled["canceled_at"] is not None


def test_what_was_filled_before_a_cancel_stays(alpaca: Alpaca, control: Control):
    order = alpaca.order(client_order_id="mine")
    control.do("POST", "/orders/mine/fill", {"quantity": "4", "price": "99"})
    assert alpaca.again(order)["status"] == "partially_filled"
    alpaca.cancel(order)
    control.advance(FILL_AFTER)
    canceled = alpaca.again(order)
    assert (canceled["status"], canceled["filled_qty"], canceled["filled_avg_price"]) == ("canceled", "4", "99")


def test_all_open_orders_are_canceled_at_once(alpaca: Alpaca, control: Control):
    done, *open_orders = alpaca.filled(), alpaca.order(), alpaca.order()
    answer = alpaca.call("DELETE", "/v2/orders")
    assert answer.status_code == 207
    assert answer.json() == [{"id": order["id"], "status": 200} for order in open_orders]
    control.advance(FILL_AFTER)
    assert [alpaca.status(order) for order in (done, *open_orders)] == ["filled", "canceled", "canceled"]


def test_another_price_makes_another_order(alpaca: Alpaca, control: Control):
    old = alpaca.order(type="limit", limit_price="90", client_order_id="old")
    control.fault("replace_late", seconds=60)
    new = alpaca.replace(old, limit_price="91", client_order_id="new").json()
    assert alpaca.status(old) == "pending_replace"  # it is answered before it is done
    assert alpaca.cancel(old).status_code == 422
    control.advance(61)
    assert new["id"] != old["id"]
    assert (new["replaces"], new["limit_price"], new["qty"], new["client_order_id"]) == (old["id"], "91", "10", "new")
    replaced = alpaca.again(old)
    assert (replaced["status"], replaced["replaced_by"]) == ("replaced", new["id"])
    assert replaced["replaced_at"] is not None


def test_a_replacement_is_for_what_is_not_filled_yet(alpaca: Alpaca, control: Control):
    old = alpaca.order(type="limit", limit_price="90", client_order_id="old")
    control.do("POST", "/orders/old/fill", {"quantity": "4"})
    new = alpaca.replace(old, qty="12").json()
    assert new["qty"] == "8"
    control.advance(0.001)
    control.quote("AAPL", 89, 90)
    control.advance(FILL_AFTER)
    assert alpaca.status(new) == "filled"
    assert alpaca.read("/v2/positions/AAPL")["qty"] == "12"


def test_a_refused_replacement_leaves_the_order_as_it_was(alpaca: Alpaca):
    old = alpaca.order(type="limit", limit_price="90")
    assert alpaca.replace(old, limit_price="90.001").status_code == 422
    assert alpaca.again(old) == {**old, "status": "new", "updated_at": alpaca.again(old)["updated_at"]}


def test_lists_are_of_open_orders_newest_first_unless_asked_otherwise(alpaca: Alpaca):
    done = alpaca.filled(client_order_id="done")
    for name, terms in (("one", {}), ("two", {"symbol": "MSFT"}), ("coin", {"symbol": "BTC/USD", "qty": "1"})):
        alpaca.order(client_order_id=name, time_in_force="gtc", **terms)

    def names(**query: Any) -> list[str]:
        return [order["client_order_id"] for order in alpaca.read("/v2/orders", **query)]

    assert names() == ["coin", "two", "one"]
    assert names(direction="asc", limit=2) == ["one", "two"]
    assert names(status="closed") == ["done"]
    assert names(status="all") == ["coin", "two", "one", "done"]
    assert names(status="all", symbols="AAPL,BTCUSD") == ["coin", "one", "done"]
    assert names(asset_class="crypto") == ["coin"]
    assert names(side="sell") == []
    assert names(status="all", after=done["created_at"], direction="asc") == ["one", "two", "coin"]
    assert names(status="all", until=done["updated_at"]) == ["done"]


def test_accounts_do_not_see_each_others_orders(alpaca: Alpaca, control: Control):
    control.do("POST", "/keys", {"key": "PKOTHER", "secret": "s"})
    other = Alpaca(alpaca.url, control, {"APCA-API-KEY-ID": "PKOTHER", "APCA-API-SECRET-KEY": "s"})
    order = alpaca.order(client_order_id="same")
    assert other.read("/v2/orders", status="all") == []
    assert other.get(f"/v2/orders/{order['id']}").status_code == 404
    assert other.submit(client_order_id="same").status_code == 200
    other.close()


def test_executions_are_listed_page_by_page(alpaca: Alpaca, control: Control):
    order = alpaca.order(client_order_id="mine")
    for quantity in (1, 2, 3):
        control.do("POST", "/orders/mine/fill", {"quantity": quantity})
        control.advance(1)
    rows = alpaca.read("/v2/account/activities/FILL", direction="asc")
    assert [(row["qty"], row["cum_qty"], row["leaves_qty"]) for row in rows] == [("1", "1", "9"), ("2", "3", "7"), ("3", "6", "4")]  # fmt: skip
    assert {row["order_id"] for row in rows} == {order["id"]}
    page = alpaca.read("/v2/account/activities", page_size=2)
    assert [row["qty"] for row in page] == ["3", "2"]
    assert alpaca.read("/v2/account/activities", page_size=2, page_token=page[-1]["id"]) == rows[:1]
    assert alpaca.read("/v2/account/activities/DIV") == []


def test_the_control_places_fills_cancels_and_expires_orders(alpaca: Alpaca, control: Control):
    for deed, status in (("fill", "filled"), ("cancel", "canceled"), ("expire", "expired")):
        name = f"to-{deed}"
        control.do("POST", "/orders", make_order(client_order_id=name))
        assert control.do("POST", f"/orders/{name}/{deed}")["status"] == status
        assert alpaca.read("/v2/orders:by_client_order_id", client_order_id=name)["status"] == status
    assert [order["status"] for order in control.book()["orders"]] == ["filled", "canceled", "expired"]
    assert control.book()["positions"] == {"AAPL": "10"}


def test_a_fee_is_kept_of_what_a_trade_of_coins_brings_in(alpaca: Alpaca, control: Control):
    control.quote("BTC/USD", 100, 100)
    bought = alpaca.order(symbol="BTC/USD", qty="1.5", time_in_force="gtc")
    control.do("POST", f"/orders/{bought['client_order_id']}/fill")
    assert alpaca.again(bought)["filled_qty"] == "1.5"
    assert alpaca.read("/v2/positions/BTCUSD")["qty"] == "1.49625"
    assert alpaca.submit(symbol="BTC/USD", qty="1.5", side="sell", time_in_force="gtc").status_code == 403
    sold = alpaca.order(symbol="BTC/USD", qty="1.49625", side="sell", time_in_force="gtc")
    control.do("POST", f"/orders/{sold['client_order_id']}/fill")
    assert alpaca.read("/v2/positions") == []
    assert alpaca.read("/v2/account")["cash"] == "999999.245"  # 1,000,000 - 150 + 149.625 - 0.38
    (coin,), (dollars,) = alpaca.read("/v2/account/activities/CFEE"), alpaca.read("/v2/account/activities/FEE")
    assert (coin["symbol"], coin["qty"], coin["net_amount"]) == ("BTCUSD", "-0.00375", "0")
    assert dollars["net_amount"] == "-0.38"
    assert len(alpaca.read("/v2/account/activities")) == 4
    assert len(alpaca.read("/v2/account/activities/FILL")) == 2


def test_a_trailing_stop_shows_its_water_mark_and_its_stop(alpaca: Alpaca, control: Control):
    control.quote("AAPL", "100", "100")
    alpaca.submit(qty="10")
    control.advance(FILL_AFTER)
    order = alpaca.order(side="sell", type="trailing_stop", trail_percent="10")
    assert (order["hwm"], order["stop_price"]) == (None, None)
    control.advance(FILL_AFTER)
    for price, mark, stop in (("110", "110", "99"), ("105", "110", "99"), ("120", "120", "108")):
        control.quote("AAPL", price, price)
        shown = alpaca.again(order)
        assert (shown["status"], shown["hwm"], shown["stop_price"]) == ("new", mark, stop)
    changed = alpaca.replace(order, trail="5").json()
    control.advance(0)
    control.quote("AAPL", "119", "119")
    shown = alpaca.again(changed)
    assert (shown["trail_percent"], shown["hwm"], shown["stop_price"]) == ("5", "120", "114")

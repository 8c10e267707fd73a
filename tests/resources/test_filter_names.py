"""Filters and addresses take a name as an alert writes it: with its exchange, a pair also with its hedge ratio."""

import pytest

from tests.support.factories import make_pair, make_stock, store_alert

NAMES = ["AAPL", "NASDAQ:AAPL", "nasdaq:aapl"]
PAIRS = ["MA-V", "NYSE:MA-NYSE:V", "MA-NYSE:V", "NYSE:MA-1.3*NYSE:V"]


@pytest.fixture
def stored(app, client):
    make_stock(app, "AAPL")
    make_pair(app, "MA-V", "1.3")
    return store_alert(client, ticker="NASDAQ:AAPL"), store_alert(client, ticker="NYSE:MA-1.3*NYSE:V")


@pytest.mark.parametrize("name", NAMES)
def test_a_stock_is_found(client, admin_headers, stored, name):
    found = client.get("/v3/signals", query_string={"ticker": name}, headers=admin_headers).json["signals"]
    assert [row["rowid"] for row in found] == [stored[0]]
    found = client.get(f"/v3/signals/ticker/{name}/0", headers=admin_headers).json["signals"]
    assert [row["rowid"] for row in found] == [stored[0]]
    assert client.get(f"/v3/stock/{name}").json["symbol"] == "AAPL"
    for address in ("orders", "fills", "positions"):
        for field in ("symbol", "name"):
            answer = client.get(f"/v3/{address}", query_string={field: name}, headers=admin_headers)
            assert answer.status_code == 200, answer.text
    assert client.get("/v3/checks", query_string={"stock": name}, headers=admin_headers).status_code == 200
    assert client.get("/v3/slippage", query_string={"ticker": name}, headers=admin_headers).status_code == 200


@pytest.mark.parametrize("name", PAIRS)
def test_a_pair_is_found(client, admin_headers, stored, name):
    found = client.get("/v3/signals", query_string={"ticker": name}, headers=admin_headers).json["signals"]
    assert [row["rowid"] for row in found] == [stored[1]]
    assert client.get("/v3/drift", query_string={"pair": name}, headers=admin_headers).status_code == 200
    if "*" not in name:
        assert client.get(f"/v3/pair/{name}").json["name"] == "MA-V"


@pytest.mark.parametrize("name", [*NAMES, *PAIRS])
def test_pages_take_the_same(client, stored, name):
    for address in ("/", "/signals"):
        assert client.get(address, query_string={"ticker": name}).status_code == 200


@pytest.mark.parametrize("name", ["A:B:AAPL", ":AAPL", "NASDAQ:", "NAS DAQ:AAPL:", "AAPL-"])
def test_what_is_no_name_is_refused_with_the_rule(client, admin_headers, name):
    response = client.get("/v3/signals", query_string={"ticker": name}, headers=admin_headers)
    assert response.status_code == 400
    assert set(response.json["message"]) == {"ticker"}
    response = client.get("/v3/orders", query_string={"symbol": name}, headers=admin_headers)
    assert set(response.json["message"]) == {"symbol"}


def test_a_check_is_cleared_by_what_its_address_names(client, admin_headers, stored):
    rule = {"check": "max_notional", "scope": "stock", "name": "NASDAQ:AAPL", "limit": 25000}
    assert client.put("/v3/checks", json=rule, headers=admin_headers).json["name"] == "AAPL"
    answer = client.delete("/v3/checks?check=max_notional&scope=stock&name=NASDAQ:AAPL", headers=admin_headers)
    assert answer.status_code == 200
    assert client.get("/v3/checks", headers=admin_headers).json["rows"] == []

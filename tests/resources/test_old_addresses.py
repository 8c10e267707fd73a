"""What v3's users have written down still works: addresses with a slash at the end, old pages, the old name of the template."""

from pathlib import Path

import pytest

from tests.support.factories import make_alert_body, make_stock

LOCAL = Path(__file__).resolve().parents[2] / "local"


def test_an_alert_to_the_address_with_a_slash_is_taken(app, client):
    make_stock(app, "LNT")
    response = client.post("/v3/webhook/", json=make_alert_body())
    assert response.status_code == 201
    assert client.post("/v3/webhook", json=make_alert_body()).json["rowid"] == response.json["rowid"]


@pytest.mark.parametrize(
    "address", ["stocks/0", "pairs/0", "signals/0", "signals/status/waiting/0", "openapi.json", "docs"]
)
def test_every_address_takes_a_slash_at_its_end(client, address):
    assert client.get(f"/v3/{address}/").status_code == client.get(f"/v3/{address}").status_code == 200


def test_a_refused_alert_to_it_is_on_record(client, admin_headers):
    client.post("/v3/webhook/", data="nonsense")
    assert len(client.get("/v3/refused", headers=admin_headers).json["refused"]) == 1


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("/dashboard", "/"),
        ("/setup", "/controls"),
        ("/list", "/signals"),
        (
            "/list?ticker_webhook=LNT&start_date=2022-06-01&end_date=2022-06-02.x",
            "/signals?ticker=LNT&from=2022-06-01&to=2022-06-02",
        ),
        ("/list?start_date=//evil&end_date=", "/signals"),
    ],
)
def test_an_old_page_leads_to_that_of_today(client, old, new):
    response = client.get(old)
    assert (response.status_code, response.headers["Location"]) == (301, new)


def test_the_template_is_there_under_its_old_name():
    assert (LOCAL / "webhook.json").read_text() == (LOCAL / "tradingview_alert.json").read_text()

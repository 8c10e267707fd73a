"""Characters that show nothing or turn the text around them never reach a page or an answer as they are."""

import pytest

from tests.support.factories import PASSPHRASE, get_signal, make_stock, post_alert, store_alert

HIDDEN = [
    "\u202a",
    "\u202e",
    "\u2066",
    "\u2069",
    "\u200f",
    "\u2028",
    "\u001b",
    "\u0007",
    "\u007f",
    "\u0085",
    "\ufeff",
    "\u200b",
]


@pytest.mark.parametrize("character", HIDDEN)
def test_an_alert_shows_them_as_what_they_are(app, client, character):
    make_stock(app, "LNT")
    text = f"Enter {character}gnoL"
    rowid = store_alert(client, order_comment=text, strategy=text, bar_time=text)
    signal, page = get_signal(client, rowid), client.get(f"/signals/{rowid}").text
    assert signal["order_comment"] == f"Enter \\u{ord(character):04x}gnoL"
    for shown in (client.get(f"/v3/signal/{rowid}").get_data(as_text=True), page, client.get("/signals").text):
        assert character not in shown
    assert f"\\u{ord(character):04x}" in page


def test_tabs_line_ends_and_joined_signs_stay(app, client):
    text = "one\ttwo\nthree \U0001f469\u200d\U0001f4bb नमस्ते שלום"
    assert get_signal(client, store_alert(client, order_comment=text))["order_comment"] == text


def test_what_an_executor_reports_and_people_note_is_shown_so_too(app, client, admin_headers):
    make_stock(app, "LNT", account="external")
    rowid = store_alert(client)
    body = {"passphrase": PASSPHRASE, "rowid": rowid, "order_status": "error", "error_msg": "no\u202e money"}
    assert client.put("/v3/webhook", json=body).json["error_msg"] == "no\\u202e money"
    pair = {"ticker1": "AAA", "ticker2": "BBB", "hedge": 1, "notes": "x\u2067y"}
    client.post("/v3/regpair", json=pair, headers=admin_headers)
    assert client.get("/v3/pair/AAA-BBB").json["notes"] == "x\\u2067y"


def test_what_was_stored_before_or_comes_from_a_broker_is_made_visible_on_pages(app, client):
    import sqlalchemy as sa

    from extensions import transaction
    from models import Signal

    make_stock(app, "LNT")
    rowid = store_alert(client)
    with app.app_context(), transaction() as session:
        session.execute(sa.update(Signal).values(comment="a\u202eb", error_text="c\u2066d"))
    for address in ("/", "/signals", f"/signals/{rowid}"):
        page = client.get(address).text
        assert "\u202e" not in page
        assert "\u2066" not in page
    assert "a\\u202eb" in client.get(f"/signals/{rowid}").text
    answer = client.get(f"/v3/signal/{rowid}").json
    assert (answer["order_comment"], answer["error_msg"]) == ("a\\u202eb", "c\\u2066d")


def test_a_ticker_with_them_is_refused_and_shown_harmlessly(client):
    response = post_alert(client, ticker="LNT\u202e")
    assert response.status_code == 201
    assert "\u202e" not in client.get(f"/v3/signal/{response.json['rowid']}").json["ticker"]

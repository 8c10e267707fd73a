"""The page of refused deliveries: for admins, with what was wrong, and nothing that opens anything."""

import json

import pytest

from tests.dashboard.support import log_in_page, plain_text
from tests.support.factories import PASSPHRASE, USER_PASSWORD, make_alert_body, make_user

DATA = json.dumps(make_alert_body(order_comment="<b>bold</b>\u202e"))[:-1] + ', "order_price": NaN}'


@pytest.fixture
def refused(client):
    assert client.post("/v3/webhook", data=DATA).status_code == 400


def test_an_admin_sees_what_was_wrong(member, refused):
    page = member.get("/refused")
    assert page.status_code == 200
    text = plain_text(page)
    assert "400 right The body is not valid JSON: order_price is no number" in text
    assert PASSPHRASE not in page.text
    assert "<b>bold</b>" not in page.text


def test_every_page_of_an_admin_points_it_out(member, refused):
    for address in ("/", "/controls"):
        assert "1 alert with the right passphrase refused in the last 24 hours." in plain_text(member.get(address))


def test_nothing_is_pointed_out_where_only_strangers_were_refused(member):
    member.post("/v3/webhook", data="nonsense")
    assert "with the right passphrase" not in plain_text(member.get("/"))
    assert "not known" in plain_text(member.get("/refused"))


def test_a_desk_without_any_says_so(member):
    assert "No delivery was refused so far." in plain_text(member.get("/refused"))
    assert member.get("/refused?after=x").status_code == 400


def test_others_do_not_see_it(app, client, refused):
    assert client.get("/refused").status_code == 303
    make_user(app)
    log_in_page(client, "reader", USER_PASSWORD)
    assert client.get("/refused").status_code == 403
    for address in ("/", "/controls"):
        assert "refused" not in plain_text(client.get(address))

"""/v3/accounts: opening accounts at the brokerage, and who sees which."""

import json
import re
import uuid

from services.account_opening import follow_accounts
from simulators.alpaca.keys import BROKER_KEY, BROKER_SECRET
from tests.services.account_opening.calls import BODY, LIST, SIGN_UP, sign_up
from tests.services.account_opening.desk import TAX_ID, let_pass
from tests.support.apps import closing_app
from tests.support.factories import bearer, dump_tables, exact, log_in, make_config

TAKEN = {"message": "Email already registered", "error": "exists"}
GONE = {"message": "item not found.", "error": "not_found"}


def test_the_sign_up_that_the_readme_shows_works_with_the_keys_that_it_names(pytestconfig, client, people):
    text = (pytestconfig.rootpath / "README.md").read_text(encoding="utf-8")
    assert f"APCA_BROKER_API_KEY={BROKER_KEY} APCA_BROKER_API_SECRET={BROKER_SECRET}\n" in text
    body = text.partition("/v3/accounts/signup -H")[2].partition("-d '")[2].partition("'")[0]
    answer = client.post(SIGN_UP, data=body, content_type="application/x-www-form-urlencoded", headers=people["anna"])
    assert answer.status_code == 201


def test_a_name_an_email_and_a_password_open_an_account(client, people, alpaca):
    response = sign_up(client, people["anna"])
    assert response.status_code == 201, response.text
    answer, (customer,) = response.json, alpaca.customers
    assert answer.pop("generated") == [
        *(f"contact.{name}" for name in ("phone_number", "street_address", "city", "country")),
        "identity.given_name",
        "identity.family_name",
        "identity.date_of_birth",
        "identity.tax_id_type",
        "identity.tax_id",
        "identity.country_of_citizenship",
        "identity.country_of_birth",
        "identity.country_of_tax_residence",
        "identity.funding_source",
        "disclosures.is_control_person",
        "disclosures.is_affiliated_exchange_or_finra",
        "disclosures.is_politically_exposed",
        "disclosures.immediate_family_exposed",
        "agreements",
        "contact.state",
        "contact.postal_code",
    ]
    for name in ("requested_at", "status_at"):
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", answer.pop(name))
    assert answer == {
        "id": customer.id,
        "rowid": 1,
        "name": "Ada Lovelace",
        "email": "ada@example.com",
        "status": "SUBMITTED",
        "status_text": "The application is being processed.",
        "reason": None,
        "is_active": False,
        "equity": None,
        "account_number": customer.number,
        "environment": "simulator",
        "created_at": f"{customer.created_at:%Y-%m-%dT%H:%M:%S.%f}Z",
        "owner": None,
    }
    shown = client.get(f"{LIST}/{customer.id}", headers=people["anna"])
    assert (shown.status_code, shown.json["id"]) == (200, customer.id)


def test_what_is_said_is_not_made_up(client, people, alpaca):
    said = {
        "contact": {"phone_number": "+39 (06) 555-0123", "country": "ita", "city": "Rome", "street_address": ["Via 1", "2"]},
        "identity": {"given_name": "Augusta", "tax_id": "RSSMRA85T10A562S", "country_of_tax_residence": "ITA"},
        "disclosures": {"is_control_person": True},
        "agreements": [{"agreement": "customer_agreement", "signed_at": "2026-01-05T10:00:00+01:00"}],
    }  # fmt: skip
    response = sign_up(client, people["anna"], **said)
    assert response.status_code == 201, response.text
    (customer,) = alpaca.customers
    assert customer.contact == {
        "email_address": "ada@example.com",
        "phone_number": "+39065550123",
        "country": "ITA",
        "city": "Rome",
        "street_address": ["Via 1", "2"],
    }
    assert (customer.identity["given_name"], customer.identity["tax_id_type"]) == ("Augusta", "OTHER_GOV_ID")
    assert customer.disclosures["is_control_person"] is True
    assert customer.agreements[0]["signed_at"] == "2026-01-05T09:00:00Z"
    assert "agreements.0.ip_address" in response.json["generated"]
    assert not {"identity.given_name", "contact.city", "disclosures.is_control_person"} & set(
        response.json["generated"]
    )


def test_made_up_people_are_not_all_the_same(client, people, alpaca):
    for number in range(3):
        assert sign_up(client, people["anna"], email=f"ada{number}@example.com").status_code == 201
    assert len({str(customer.contact["street_address"]) for customer in alpaca.customers}) == 3


def test_an_email_that_is_taken_is_shown_to_its_owner_only(client, people, alpaca):
    first = sign_up(client, people["anna"])
    again = sign_up(client, people["anna"], email=" ADA@example.COM ")
    assert again.status_code == 400
    account = {name: value for name, value in first.json.items() if name != "generated"}
    assert again.json == {**TAKEN, "account": account}
    for other in ("bert", "admin"):
        response = sign_up(client, people[other])
        assert (response.status_code, response.json) == (400, TAKEN)
    assert len(alpaca.customers) == 1


def test_each_user_sees_only_their_own_and_admins_see_all(client, people):
    ids = {
        name: sign_up(client, people[name], email=f"{name}@example.com").json["id"]
        for name in ("anna", "bert", "admin")
    }
    for viewer in ("anna", "bert"):
        shown = client.get(LIST, headers=people[viewer]).json["accounts"]
        assert [(account["id"], account["owner"]) for account in shown] == [(ids[viewer], None)]
        for owner, account_id in ids.items():
            response = client.get(f"{LIST}/{account_id}", headers=people[viewer])
            assert response.status_code == (200 if owner == viewer else 404)
            if owner != viewer:
                assert response.json == GONE
    shown = client.get(LIST, headers=people["admin"]).json["accounts"]
    assert [account["owner"] for account in shown] == ["admin", "bert", "anna"]
    assert client.get(f"{LIST}/{ids['anna']}", headers=people["admin"]).json["owner"] == "anna"


def test_what_is_not_there_is_not_found(client, people):
    account_id = sign_up(client, people["anna"]).json["id"]
    for name in (str(uuid.uuid4()), "2", "0", "-1", "1e0", "٣", "9" * 40, "signup", "x" * 500, "%00", f"{account_id}0"):
        response = client.get(f"{LIST}/{name}", headers=people["anna"])
        assert (response.status_code, response.json) == (404, GONE), name
    for name in ("1", account_id.upper()):
        assert client.get(f"{LIST}/{name}", headers=people["anna"]).json["id"] == account_id


def test_the_list_goes_page_by_page(client, people):
    for number in range(5):
        sign_up(client, people["anna"], email=f"ada{number}@example.com")
    seen, after = [], None
    while True:
        query = {"limit": 2} if after is None else {"limit": 2, "after": after}
        page = client.get(LIST, query_string=query, headers=people["anna"]).json
        seen.append([account["rowid"] for account in page["accounts"]])
        if (after := page["next_after"]) is None:
            break
    assert seen == [[5, 4], [3, 2], [1]]
    for query in ({"limit": 0}, {"limit": 501}, {"after": 0}, {"limit": "x"}):
        assert client.get(LIST, query_string=query, headers=people["anna"]).status_code == 400


def test_no_answer_tells_a_tax_id_or_a_password(app, client, people):
    said = {"identity": {"tax_id": TAX_ID, "tax_id_type": "USA_SSN"}}
    answers = [
        sign_up(client, people["anna"], **said),
        sign_up(client, people["anna"], **said),
        sign_up(client, people["anna"], email="b@example.com", identity={"tax_id": TAX_ID, "tax_id_type": "~"}),
        sign_up(client, people["anna"], email="b@example.com", identity={"tax_id": f"{TAX_ID}!", "date_of_birth": TAX_ID}),
        client.get(LIST, headers=people["admin"]),
        client.get(f"{LIST}/1", headers=people["anna"]),
    ]  # fmt: skip
    assert [answer.status_code for answer in answers] == [201, 400, 400, 400, 200, 200]
    everything = json.dumps([answer.text for answer in answers]) + repr(dump_tables(app))
    for secret in (TAX_ID, TAX_ID.replace("-", ""), BODY["password"]):
        assert secret not in everything


def test_an_account_whose_outcome_is_not_known_is_shown_as_such(client, people, alpaca):
    alpaca.tell("drop_before")
    response = sign_up(client, people["anna"])
    assert (response.status_code, response.json["error"]) == (503, "broker_away")
    again = sign_up(client, people["anna"])
    assert (again.status_code, again.json["account"]["status"]) == (400, "OPENING")
    shown = client.get(f"{LIST}/1", headers=people["anna"]).json
    assert (shown["id"], shown["is_active"], shown["created_at"]) == (None, False, None)
    assert shown["status_text"] == "It was asked for; whether it was opened is being found out."


def test_money_is_exact(app, client, people, alpaca):
    account_id = sign_up(client, people["anna"]).json["id"]
    alpaca.move(account_id, status="ACTIVE", equity="12345678901.23")
    with app.app_context():
        let_pass(61)
        assert follow_accounts.follow_next()
    shown = exact(client.get(f"{LIST}/{account_id}", headers=people["anna"]))
    assert (str(shown["equity"]), shown["is_active"]) == ("12345678901.23", True)


def test_the_eleventh_sign_up_of_an_hour_has_to_wait(client, people):
    for number in range(10):
        assert sign_up(client, people["anna"], email=f"ada{number}@example.com").status_code == 201
    response = sign_up(client, people["anna"], email="ada10@example.com")
    assert response.status_code == 429
    assert 0 < int(response.headers["Retry-After"]) <= 3601
    assert sign_up(client, people["bert"], email="bert@example.com").status_code == 201


def test_a_desk_without_a_key_says_which_settings_it_lacks(database_url, tmp_path):
    with closing_app(make_config(database_url, tmp_path)) as app:
        client = app.test_client()
        headers = log_in(client)["headers"]
        response = sign_up(client, headers)
        assert (response.status_code, response.json["error"]) == (409, "not_configured")
        assert "APCA_BROKER_API_KEY" in response.json["message"]
        assert client.get(LIST, headers=headers).json == {"accounts": [], "next_after": None}


def test_nobody_opens_or_sees_an_account_without_a_token(client, people):
    account_id = sign_up(client, people["anna"]).json["id"]
    for headers in ({}, bearer("nonsense")):
        assert sign_up(client, headers, email="b@example.com").status_code == 401
        assert client.get(LIST, headers=headers).status_code == 401
        assert client.get(f"{LIST}/{account_id}", headers=headers).status_code == 401


def test_the_command_lists_all(app, client, people):
    runner = app.test_cli_runner()
    assert runner.invoke(args=["brokerage", "list"]).output == "no accounts\n"
    account_id = sign_up(client, people["anna"]).json["id"]
    output = runner.invoke(args=["brokerage", "list"]).output
    assert f"1\tsimulator\tada@example.com\tanna\t{account_id}\tSUBMITTED" in output
    assert TAX_ID not in output

"""What /v3/accounts/signup takes and refuses."""

import uuid

from hypothesis import given, settings
from hypothesis import strategies as st
from limits import parse

from resources.schemas.brokerage import ContactIn, DisclosuresIn, IdentityIn
from services.identity import throttle
from tests.resources.test_random_bodies import VALUES
from tests.services.account_opening.calls import sign_up
from tests.support.factories import dump_tables

BAD = {
    "name": ({"name": " "}, {"name": 5}, {"name": None}, {"name": "x" * 129}, {"name": "a\nb"}),
    "email": (
        {"email": "ada"}, {"email": "ada@example"}, {"email": "a@b@c.de"}, {"email": "a b@example.com"}, {"email": None},
        {"email": "ada@example.com\r\nBcc: x@y.zz"}, {"email": "ada@-example.com"}, {"email": "a" * 65 + "@example.com"},
        {"email": ".a@example.com"}, {"email": "a..b@example.com"}, {"email": "ä@example.com"}, {"email": ["a@b.de"]},
    ),
    "password": ({"password": "123"}, {"password": ""}, {"password": 5}),
    "plan": ({"plan": "gold"},),
    "contact": ({"contact": []}, {"contact": "x"}),
    "contact.zip": ({"contact": {"zip": "1"}},),
    "contact.email_address": ({"contact": {"email_address": "x@y.zz"}},),
    "contact.phone_number": ({"contact": {"phone_number": "415-555-0123"}}, {"contact": {"phone_number": "+1٤155550123"}}),
    "contact.street_address": ({"contact": {"street_address": []}}, {"contact": {"street_address": ["a"] * 4}}),
    "contact.street_address.1": ({"contact": {"street_address": ["a", ""]}},),
    "contact.state": ({"contact": {"state": "XX"}}, {"contact": {"state": ""}}),
    "contact.postal_code": ({"contact": {"postal_code": "1"}}, {"contact": {"postal_code": "<b>"}}),
    "contact.country": ({"contact": {"country": "US"}}, {"contact": {"country": "GER"}}),
    "identity.date_of_birth": (
        {"identity": {"date_of_birth": "10.12.1990"}}, {"identity": {"date_of_birth": "1990-02-30"}},
        {"identity": {"date_of_birth": "2026-01-01"}}, {"identity": {"date_of_birth": 19901210}},
    ),
    "identity.tax_id": (
        {"identity": {"tax_id": "123", "tax_id_type": "USA_SSN"}}, {"identity": {"tax_id": 123456789}},
        {"identity": {"tax_id": "123-45-678", "tax_id_type": "USA_SSN"}}, {"identity": {"tax_id": "1234\n5678"}},
    ),
    "identity.funding_source": ({"identity": {"funding_source": []}}, {"identity": {"funding_source": "savings"}}),
    "identity.funding_source.0": ({"identity": {"funding_source": ["luck"]}},),
    "disclosures.is_control_person": (
        {"disclosures": {"is_control_person": "false"}}, {"disclosures": {"is_control_person": 0}},
    ),
    "agreements": ({"agreements": []}, {"agreements": {}}, {"agreements": [{"agreement": "crypto_agreement"}]}),
    "agreements.0.agreement": ({"agreements": [{}]}, {"agreements": [{"agreement": "x"}]}),
    "agreements.0.signed_at": (
        {"agreements": [{"agreement": "customer_agreement", "signed_at": "2999-01-01T00:00:00Z"}]},
        {"agreements": [{"agreement": "customer_agreement", "signed_at": "soon"}]},
    ),
    "agreements.0.ip_address": (
        {"agreements": [{"agreement": "customer_agreement", "ip_address": "::1"}]},
        {"agreements": [{"agreement": "customer_agreement", "ip_address": "1.2.3"}]},
    ),
    "identity.tax_id_type": ({"identity": {"tax_id_type": "USA SSN"}},),
}  # fmt: skip


def test_what_breaks_a_rule_is_named_and_sends_nothing(app, client, people, alpaca):
    before = dump_tables(app)
    for field, bodies in BAD.items():
        for body in bodies:
            response = sign_up(client, people["anna"], **body)
            assert response.status_code == 400, body
            assert list(response.json["message"]) == [field], body
    assert dump_tables(app) == before
    assert alpaca.asked() == 0


def test_whatever_a_form_holds_no_answer_is_a_server_error(client, people, monkeypatch):
    monkeypatch.setattr(throttle, "SIGN_UPS_PER_USER", parse("1000000/hour"))
    fields = [
        *(("contact", name) for name in ContactIn.model_fields),
        *(("identity", name) for name in IdentityIn.model_fields),
        *(("disclosures", name) for name in DisclosuresIn.model_fields),
        ("agreements", None),
    ]

    @settings(max_examples=40, derandomize=True, database=None, deadline=None)
    @given(changes=st.dictionaries(st.sampled_from(fields), VALUES, min_size=1, max_size=3))
    def run(changes):
        body = {}
        for (part, name), value in changes.items():
            if name is None:
                body[part] = value
            else:
                body.setdefault(part, {})[name] = value
        response = sign_up(client, people["anna"], email=f"{uuid.uuid4()}@example.com", **body)
        assert response.status_code in (201, 400), (body, response.text)

    run()

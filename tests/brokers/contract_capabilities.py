"""The contract of all brokers: what an account can do is said completely, and makes sense."""

import itertools
from dataclasses import MISSING, fields

from brokers.registry import SPECS
from domain.enums import AssetClass, OrderType, TimeInForce
from domain.venue.capabilities import AccountCapabilities, AssetRules, Grant, Kinds, Pace
from tests.brokers.contract_venue import BrokerVenue


def within(kinds: Kinds, all_kinds: Kinds) -> bool:
    return all(times <= all_kinds.get(kind, frozenset()) for kind, times in kinds.items())


class CapabilitiesContract:
    """What the desk goes by before anything is sent."""

    def test_nothing_about_an_account_goes_without_saying(self, broker_venue: BrokerVenue):
        able = broker_venue.broker.capabilities
        for kind in (AccountCapabilities, AssetRules, Pace):
            assert [each.name for each in fields(kind) if each.default is not MISSING] == []
        for named in (able, able.pace, *able.classes.values()):
            assert [each.name for each in fields(named) if getattr(named, each.name, None) is None] in (
                [],
                ["short_markup"],
            )
        assert able.classes.keys() <= set(AssetClass)
        assert AssetClass.STOCK in able.classes
        assert able.batch_size >= 1
        assert min(able.pace.settle, able.pace.poll, able.pace.state) > 0

    def test_every_class_of_assets_has_rules_that_agree_with_each_other(self, broker_venue: BrokerVenue):
        for rules in broker_venue.broker.capabilities.classes.values():
            assert OrderType.MARKET in rules.order_kinds
            assert all(times and times <= set(TimeInForce) for times in rules.order_kinds.values())
            assert within(rules.extended_kinds, rules.order_kinds)
            assert within(rules.fraction_kinds, rules.order_kinds)
            assert OrderType.MARKET not in rules.extended_kinds
            assert rules.extended_kinds or rules.extended_fractions is Grant.NONE
            assert rules.extended_kinds or rules.overnight is Grant.NONE
            assert 0 < rules.quantity_step <= 1
            assert min(rules.least_value, rules.least_fraction_value, rules.least_quantity, rules.fee_in_kind) >= 0
            assert rules.short_selling or rules.short_markup is None
            prices = [step.price for step in rules.price_steps]
            assert prices[0] == 0
            assert all(first < second for first, second in itertools.pairwise(prices))
            assert all(step.size > 0 for step in rules.price_steps)

    def test_it_is_known_without_a_connection(self, broker_venue: BrokerVenue):
        broker = broker_venue.broker
        if broker.name in SPECS:
            spec = SPECS[broker.name]
            told = [spec.capabilities(environment.value) for environment in spec.environments]
            assert broker.capabilities in told
            assert all(each.classes == broker.capabilities.classes for each in told)

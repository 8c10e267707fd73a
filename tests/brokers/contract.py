"""What the desk relies on, whatever the broker: every adapter is put through these tests.

A test class inherits BrokerContract and offers a fixture `broker_venue`, a BrokerVenue. What a venue cannot
be made to do skips by itself; what the adapter says it cannot do is skipped by its capabilities.
"""

from tests.brokers.contract_attached import AttachedContract
from tests.brokers.contract_capabilities import CapabilitiesContract
from tests.brokers.contract_market import MarketContract
from tests.brokers.contract_orders import OrderContract
from tests.brokers.contract_trailing import TrailingContract


class BrokerContract(OrderContract, MarketContract, AttachedContract, TrailingContract, CapabilitiesContract):
    """All tests of the contract."""

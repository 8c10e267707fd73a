"""The brokers that the desk knows, for pages, API and commands: what their accounts are opened with."""

from brokers.registry import SPECS, USUAL
from brokers.spec import BrokerSpec, CredentialField

__all__ = ["SPECS", "USUAL", "BrokerSpec", "CredentialField"]

"""Broker accounts: connections, keys, credentials at rest, and accounts out of reach."""

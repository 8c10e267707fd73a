"""The Broker API: accounts that are opened for people, their events and the keys to it."""

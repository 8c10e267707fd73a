"""Alerts in, signals stored; and signals that the desk makes itself."""

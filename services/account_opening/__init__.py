"""Accounts opened at the brokerage: sign-up exactly once, and what became of it."""

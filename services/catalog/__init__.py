"""Stocks, pairs and the limits of the checks; and what a process remembers of them."""

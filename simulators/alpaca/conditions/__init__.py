"""Alpaca's conditions for orders, each with the page of its documents that states it."""

"""Comparing the desk's records with the broker's, and asking for unknown outcomes."""

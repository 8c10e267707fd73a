"""Reads for the API and the pages."""

"""The checks before trading: what each does, which limits apply where, and the rules themselves."""

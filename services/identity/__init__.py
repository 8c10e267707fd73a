"""People, passwords, tokens, sessions, passphrases, and the throttle of wrong tries."""

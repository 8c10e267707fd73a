"""Orders from their claim to the broker's answer: send, record, cancel, follow, stop."""

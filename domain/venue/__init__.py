"""What an account can do at its broker, and whether an order keeps to it."""

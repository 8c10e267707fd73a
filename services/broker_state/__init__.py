"""What each broker said last of money, assets, sessions and quotes; and reservations on it."""

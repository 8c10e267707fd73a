"""What fills come to: positions, fees, and what there is to be closed."""

"""From a signal to the orders it asks for. Pure: the same function plans for real, in what-if and in tests."""

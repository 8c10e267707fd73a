"""From a waiting signal to its orders: gather, check, size, plan; what-if uses the same."""

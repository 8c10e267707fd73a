"""Benchmarks: programs that measure the desk against yardsticks of the same machine and minute."""

"""Keys that open the simulator without further ado. They open nothing else."""

KEY, SECRET = "PKSIMULATOR000000000", "simulator-secret"
BROKER_KEY, BROKER_SECRET = "CKSIMULATOR000000000", "simulator-secret"

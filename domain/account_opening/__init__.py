"""Opening accounts at the brokerage: what an application must say, and how it stands there."""

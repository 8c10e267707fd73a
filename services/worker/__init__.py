"""The loop of one worker, its background tasks, and its housekeeping."""

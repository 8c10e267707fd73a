"""What people and outside executors do by hand: heal, edit, report fills."""

"""What records and predictions say together: comparison, sweeps, the zoo."""

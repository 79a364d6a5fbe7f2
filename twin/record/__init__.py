"""What happened in a run of either world."""

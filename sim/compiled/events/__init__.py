"""What comes next: the queues of the compiled engine."""

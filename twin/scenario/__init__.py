"""What is asked: the one specification of a cluster and what happens to it, one module a room."""

"""What requests of clients make a node do, in the model."""

"""What the clients of the model send."""

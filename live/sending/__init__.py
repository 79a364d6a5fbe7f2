"""What the live clients send."""

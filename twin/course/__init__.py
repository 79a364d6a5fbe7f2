"""What the lab notebooks compute and check, so that they hold no logic themselves."""

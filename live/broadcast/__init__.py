"""Bus, publisher, nodes and subscribers as processes."""

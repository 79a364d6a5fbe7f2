"""Bus, publisher, nodes and subscribers of the model."""

"""The nodes of the model."""

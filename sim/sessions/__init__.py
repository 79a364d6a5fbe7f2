"""Sessions in the model."""

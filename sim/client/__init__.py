"""The clients of the model."""

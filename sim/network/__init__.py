"""What connects clients and nodes in the model."""

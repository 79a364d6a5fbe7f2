"""Registry, registrar and autoscaler of the model."""

"""The balancer of the model."""

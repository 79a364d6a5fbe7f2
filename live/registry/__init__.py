"""Registry, registrar and autoscaler as processes."""

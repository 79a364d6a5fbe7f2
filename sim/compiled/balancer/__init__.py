"""The compiled balancer."""

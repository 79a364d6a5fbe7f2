"""The network between balancer and nodes."""

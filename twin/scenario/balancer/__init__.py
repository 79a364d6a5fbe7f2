"""The balancer, one module a kind: its settings, and what follows from them."""

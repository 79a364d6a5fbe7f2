"""How much memory real nodes take, and the limit that ends one."""

"""The same model as numba kernels over arrays: for many replications, and for many clients."""

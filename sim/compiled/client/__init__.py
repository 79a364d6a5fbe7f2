"""The compiled clients."""

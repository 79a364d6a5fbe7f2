"""Sessions on real nodes and stores."""

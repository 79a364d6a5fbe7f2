"""What parts cost on a machine: the host profile, its curves, and the names of the parts."""

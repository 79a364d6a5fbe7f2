"""The configurations of real programs: HAProxy and nginx."""

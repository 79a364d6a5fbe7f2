"""HAProxy and nginx as processes."""

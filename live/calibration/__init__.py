"""What the parts cost on this machine, measured one by one."""

"""Several processes that listen on one port: what belongs to this runtime. Each is a node of the runtime asyncio."""

PROGRAM = "live.node.processes"
"""What the first process of a node runs; it starts the workers."""

"""Real WebSocket clients, many in one process."""

"""Real WebSocket servers."""

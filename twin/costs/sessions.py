"""What sessions cost: the parts of a host profile that `./lab calibrate` measures for them."""

SESSION_PARTS = {
    "node_session": "node: read a handshake, check the token, find the session in its memory, answer 101",
    "node_denied": "node: read a handshake with a bad token, answer 401 and close",
    "node_look_up": "node: read a handshake, check the token, and ask the shared server for the session",
    "node_found": "node: read the server's answer, and answer 101",
    "node_unknown": "node: read the server's answer, answer 401 and close",
    "node_hash": "node: 10,000 iterations of a password's hash",
    "bus_session": "bus: give a session to another node, and answer",
    "balancer_denied": "balancer: relay a 401 and close",
    "client_denied": "client: read a 401 and close",
}

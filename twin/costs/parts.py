"""The names of what a host profile knows: each part with what it is."""

from twin.costs.background import BACKGROUND_PARTS
from twin.costs.broadcast import BROADCAST_PARTS, DISK_PARTS
from twin.costs.codec import CONTEXT_BYTES, GATHER_PARTS, OF_CODECS
from twin.costs.handler import HANDLER_PARTS
from twin.costs.polls import POLL_PARTS
from twin.costs.pool import POOL_PARTS
from twin.costs.registry import REGISTRY_PARTS
from twin.costs.relay import RELAY_PARTS
from twin.costs.sessions import SESSION_PARTS
from twin.costs.starts import START_PARTS

LONE = ("node_stop", "check_overhead", "table_growth")

PARTS = {
    "client_dial": "client: open a TCP connection",
    "client_request": "client: send the handshake over it",
    "client_open": "client: read the 101 and hand over the connection",
    "client_refused": "client: read a 503 and close",
    "client_closed": "client: notice that the connection was closed",
    "balancer_accept": "balancer: accept a connection on which nothing has come yet",
    "balancer_request": "balancer: read the request, choose a node, connect to it",
    "balancer_response": "balancer: relay the 101",
    "balancer_refused": "balancer: accept, fail to connect to a node, answer 503",
    "balancer_close": "balancer: relay a close",
    "haproxy_cut": "HAProxy: close both sides of a tunnel by itself",
    "balancer_release": "balancer: read the client's end of a closed connection and forget it",
    "balancer_frame": "balancer: relay a frame through a tunnel",
    "balancer_abandoned": "balancer: read what the node still sent to a client that is gone, and the node's end",
    "node_accept": "node: accept a connection",
    "node_handshake": "node: read the handshake and answer 101",
    "exit_delay": "node: the kernel frees the memory of a killed process before it closes its connections",
    "node_exit": "node: the kernel closes one connection of a killed process",
    "node_goodbye": "node: send a close frame",
    "node_leave": "node: read the answer to a close frame and end its half of the connection",
    "node_forget": "node: see that both halves have ended, and end the connection's tasks",
    "node_abandoned": "node: read the ping and the end of a client that has given it up, answer, and end the tasks",
    "client_goodbye": "client: read a close frame and answer it",
}

PARTS |= BROADCAST_PARTS | SESSION_PARTS | START_PARTS | POLL_PARTS
OPTIONAL_PARTS = DISK_PARTS | REGISTRY_PARTS | RELAY_PARTS | BACKGROUND_PARTS | HANDLER_PARTS | POOL_PARTS
OPTIONAL_PARTS |= OF_CODECS | GATHER_PARTS
"""Parts that a profile need not know; what it does not know costs nothing, and a prediction says so."""
LONE_OF_BROADCAST = ("bus_start", "path_bytes", "path_bytes_large", "bus_path_bytes")
LONE_OF_DISK = ("disk_wait", "disk_wait_in_a_row")
LONE_OF_MEMORY = ("connection_bytes", "place_bytes", *CONTEXT_BYTES)

"""What the parts cost in the host profile of the tests: each its own prime number of microseconds, whatever the load.

So the model cannot take one part for another unnoticed, and a test says what it expects as the parts by their names.
"""

EXIT_DELAY = 0.0037
"""Seconds that the kernel takes to free a killed process: they depend on nothing."""

MICROSECONDS = {
    "client_dial": 61,
    "client_request": 73,
    "client_open": 131,
    "client_refused": 109,
    "client_closed": 97,
    "client_goodbye": 83,
    "client_denied": 113,
    "client_delivery": 269,
    "client_delivery_more": 23,
    "client_send": 271,
    "balancer_accept": 17,
    "balancer_request": 89,
    "balancer_response": 53,
    "balancer_refused": 167,
    "balancer_close": 71,
    "haproxy_cut": 79,
    "balancer_release": 43,
    "balancer_frame": 37,
    "balancer_abandoned": 47,
    "balancer_delivery": 67,
    "balancer_delivery_more": 29,
    "balancer_denied": 101,
    "node_accept": 59,
    "node_handshake": 157,
    "node_exit": 41,
    "node_goodbye": 127,
    "node_leave": 103,
    "node_forget": 151,
    "node_abandoned": 139,
    "node_receive": 107,
    "node_poll": 149,
    "node_ack": 163,
    "node_answer": 137,
    "node_fanout": 173,
    "node_fanout_more": 31,
    "node_read": 179,
    "node_session": 191,
    "node_denied": 181,
    "node_look_up": 193,
    "node_found": 197,
    "node_unknown": 199,
    "node_hash": 211,
    "publisher_send": 223,
    "publisher_answer": 227,
    "publisher_ack": 229,
    "bus_stamp": 233,
    "bus_publish": 239,
    "bus_command": 241,
    "bus_read": 251,
    "bus_session": 257,
    "client_get": 467,
    "client_got": 479,
    "client_got_more": 487,
    "balancer_get": 491,
    "balancer_got": 499,
    "balancer_got_more": 503,
    "node_get": 509,
    "node_get_more": 521,
    "node_hold": 523,
    "node_release": 541,
}

NGINX_MICROSECONDS = {
    "balancer_accept": 19,
    "balancer_request": 277,
    "balancer_response": 281,
    "balancer_refused": 379,
    "balancer_close": 307,
    "balancer_release": 293,
    "balancer_frame": 311,
    "balancer_abandoned": 313,
    "balancer_delivery": 317,
    "balancer_delivery_more": 13,
    "balancer_denied": 331,
    "balancer_get": 547,
    "balancer_got": 557,
    "balancer_got_more": 563,
}
"""The same of nginx; what is not here costs it what it costs HAProxy."""

ENVOY_MICROSECONDS = {
    "balancer_accept": 11,
    "balancer_request": 587,
    "balancer_response": 593,
    "balancer_refused": 1201,
    "balancer_close": 599,
    "balancer_release": 601,
    "balancer_frame": 607,
    "balancer_abandoned": 613,
    "balancer_delivery": 617,
    "balancer_delivery_more": 7,
    "balancer_denied": 619,
    "balancer_get": 631,
    "balancer_got": 641,
    "balancer_got_more": 643,
}
"""The same of Envoy."""

PAYLOAD_MICROSECONDS = {
    "publisher_send_bytes": (337, 2000),
    "bus_stamp_bytes": (347, 2100),
    "bus_publish_bytes": (349, 2200),
    "node_receive_bytes": (353, 2300),
    "node_fanout_bytes": (359, 2400),
    "balancer_delivery_bytes": (367, 2500),
    "client_delivery_bytes": (373, 2600),
}
"""What each of the larger payloads costs more."""

NGINX_PAYLOAD_MICROSECONDS = {"balancer_delivery_bytes": (383, 2700)}
ENVOY_PAYLOAD_MICROSECONDS = {"balancer_delivery_bytes": (647, 2800)}

OPTIONAL_MICROSECONDS = {
    "node_beat": 389,
    "bus_beat": 397,
    "bus_members": 401,
    "registrar_look": 409,
    "registrar_change": 419,
    "balancer_change": 421,
    "relay_frame": 431,
    "client_ping": 433,
    "balancer_ping": 439,
    "node_ping": 443,
    "client_pong": 449,
    "balancer_pong": 457,
    "node_pong": 461,
    "balancer_check": 463,
    "client_ping_rare": 557,
    "balancer_ping_rare": 563,
    "node_ping_rare": 569,
    "client_pong_rare": 571,
    "balancer_pong_rare": 577,
    "node_pong_rare": 587,
    "node_hand_over": 467,
    "node_pass_on": 479,
    "node_worker": 487,
    "node_redis_use": 2 * 467,
    "node_redis_connect": 2 * 479,
    "store_redis_use": 547,
    "store_redis_connect": 491,
    "node_postgresql_use": 2 * 499,
    "node_postgresql_connect": 2 * 503,
    "node_postgresql_check": 2 * 509,
    "store_postgresql_use": 521,
    "store_postgresql_connect": 523,
    "store_postgresql_check": 541,
    "publisher_jetstream_send": 569,
    "publisher_jetstream_answer": 571,
    "publisher_jetstream_ack": 577,
    "bus_jetstream_stamp": 587,
    "bus_jetstream_publish": 593,
    "bus_jetstream_word": 599,
    "bus_jetstream_command": 601,
    "bus_jetstream_ack": 607,
    "bus_jetstream_read": 613,
    "bus_jetstream_replicate": 617,
    "bus_jetstream_follow": 619,
    "node_jetstream_receive": 631,
    "node_jetstream_ack": 641,
    "node_jetstream_answer": 643,
}
"""The same of parts that a profile need not know, for all kinds of balancers."""

STARTS = {
    "start_node": 0.15,
    "start_broadcast": 0.163,
    "start_sends": 0.157,
    "start_sessions": 0.167,
    "start_polls": 0.173,
    "start_registry": 0.011,
}
"""Seconds that the start of a node takes; the last comes on top."""


AT_THE_CORE = ("balancer_accept", "balancer_request", "node_accept", "node_handshake", "balancer_response")
"""What a handshake costs balancer and node."""

LET_IN = ("client_request", "balancer_request", "node_accept", "node_handshake", "balancer_response", "client_open")
"""What it takes from the SYN to an open connection."""


GOODBYE = (
    *("node_goodbye", "balancer_frame", "client_goodbye", "balancer_frame"),
    *("node_leave", "balancer_close", "client_closed"),
)
"""What passes from the moment in which a node begins to close a connection until its client knows."""

GOODBYE_AT_THE_CORE = (
    *("node_goodbye", "balancer_frame", "balancer_frame", "node_leave"),
    *("balancer_close", "balancer_release", "node_forget"),
)
"""What such a close costs balancer and node in all."""


def cost_of(*names: str, balancer: str = "haproxy") -> float:
    """Return what these parts cost together, one of each name, in seconds."""
    own = {"nginx": NGINX_MICROSECONDS, "envoy": ENVOY_MICROSECONDS}
    whose = MICROSECONDS | OPTIONAL_MICROSECONDS | own.get(balancer, {})
    return sum(whose[name] for name in names) / 1e6

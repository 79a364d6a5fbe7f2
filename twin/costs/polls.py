"""What polls cost: the parts of a host profile that `./lab calibrate` measures for clients that ask.

Only a scenario whose clients poll needs them.
"""

POLL_PARTS = {
    "client_get": "client: send a request over a connection that is open",
    "client_got": "client: read an answer without messages",
    "client_got_more": "client: each message of an answer",
    "balancer_get": "balancer: read a request, choose a node, and forward it",
    "balancer_got": "balancer: relay an answer without messages",
    "balancer_got_more": "balancer: each message of an answer",
    "node_get": "node: read a request and answer it at once, without messages",
    "node_get_more": "node: each message of an answer",
    "node_hold": "node: read a request and hold it",
    "node_release": "node: answer a request that it held, without messages",
}
"""A message in an answer costs what one of the publisher's usual size does; of larger ones the copying is left out."""

POLL_START = "start_polls"
"""The part that the start of a node is that answers polls."""

OF_POLLS = frozenset({*POLL_PARTS, POLL_START})
"""All that a profile has to know for them."""

POLL_ROUNDS = {
    "node_get": "node_get",
    "node_hold": "node_get",
    "node_release": "node_release",
    "client_got": "client_got",
}
"""Part -> name under which a profile has the share of its first step."""

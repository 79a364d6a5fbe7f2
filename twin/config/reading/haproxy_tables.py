"""What the lab says of HAProxy's directives that set nothing in a scenario, by their first words."""

from collections.abc import Mapping, Sequence

NO_EFFECT = {
    ("log",): "logging",
    ("no", "log"): "logging",
    ("log-format",): "logging",
    ("log-tag",): "logging",
    ("capture",): "logging",
    ("stats",): "statistics and runtime socket",
    ("user",): "rights",
    ("group",): "rights",
    ("uid",): "rights",
    ("gid",): "rights",
    ("chroot",): "rights",
    ("daemon",): "how it is started",
    ("master-worker",): "how it is started",
    ("pidfile",): "how it is started",
    ("description",): "a text",
    ("node",): "a text",
    ("id",): "a number",
    ("errorfile",): "the text of an error",
    ("bind",): "where it listens",
    ("monitor-uri",): "a check of the balancer itself",
    ("server-state-file",): "kept over a reload",
    ("load-server-state-from-file",): "kept over a reload",
    ("timeout", "http-request"): "clients send their request in one go",
    ("timeout", "http-keep-alive"): "between requests, not within a WebSocket",
    ("option", "httplog"): "logging",
    ("option", "tcplog"): "logging",
    ("option", "dontlognull"): "logging",
    ("option", "dontlog-normal"): "logging",
    ("option", "log-health-checks"): "logging",
    ("option", "forwardfor"): "a header",
    ("option", "http-server-close"): "between requests, not within a WebSocket",
    ("option", "http-keep-alive"): "between requests, not within a WebSocket",
    ("option", "httpchk"): "what a check asks for",
    ("http-check",): "what a check asks for",
    ("http-request", "set-header"): "a header",
    ("http-request", "add-header"): "a header",
    ("http-request", "del-header"): "a header",
    ("http-response", "set-header"): "a header",
    ("http-response", "add-header"): "a header",
    ("http-response", "del-header"): "a header",
    ("acl",): "a condition by itself does nothing",
    ("default_backend",): "leads to a backend",
}
NOT_MODELLED = {
    ("maxconn",): "connections above it wait, and are refused after timeout queue",
    ("fullconn",): "a limit of servers that moves with the load",
    ("timeout", "queue"): "how long a connection above maxconn waits",
    ("timeout", "client-fin"): "half-closed connections end earlier",
    ("timeout", "server-fin"): "half-closed connections end earlier",
    ("timeout", "tarpit"): "clients are held on purpose",
    ("rate-limit",): "connections above a rate wait",
    ("maxconnrate",): "connections above a rate wait",
    ("maxsessrate",): "connections above a rate wait",
    ("maxsslrate",): "connections above a rate wait",
    ("stick-table",): "clients may be bound to nodes, or counted and refused",
    ("stick",): "clients are bound to nodes",
    ("cookie",): "clients are bound to nodes",
    ("appsession",): "clients are bound to nodes",
    ("http-request",): "a rule may refuse, hold or redirect clients",
    ("tcp-request",): "a rule may refuse or hold clients",
    ("http-response",): "a rule may change answers",
    ("redirect",): "clients may be sent elsewhere",
    ("use_backend",): "only some clients go to a backend",
    ("use-server",): "only some clients go to a server",
    ("filter",): "a filter may change or hold what passes",
    ("compression",): "it costs CPU time",
    ("nbproc",): "processes do not share what they know of servers",
    ("nbthread",): "with several threads more passes at once, and counts are shared loosely",
    ("cpu-map",): "where it runs",
    ("tune.",): "buffers and polls",
    ("option", "independent-streams"): "only one direction keeps a connection",
    ("option", "abortonclose"): "clients that leave a queue",
    ("option", "allbackups"): "backup servers",
    ("option", "external-check"): "who decides whether a server is up",
    ("option", "tcp-check"): "what a check asks for",
    ("http-reuse",): "connections to servers that are used again",
    ("source",): "several addresses have more ports to a node",
    ("email-alert",): "",
    ("ssl-",): "TLS: handshakes cost more CPU time and round trips",
}


def known(words: Sequence[str], table: Mapping[tuple[str, ...], str]) -> str | None:
    """Return what a table says of a directive: by its first two words, or by the first, which may be a prefix that ends
    with a point or a hyphen; None if nothing.
    """
    found = table.get(tuple(words[:2])) if len(words) > 1 else None
    if found is None:
        found = table.get((words[0],))
    if found is None:
        prefixes = (key[0] for key in table if key[0][-1] in ".-")
        found = next((table[prefix,] for prefix in prefixes if words[0].startswith(prefix)), None)
    return found

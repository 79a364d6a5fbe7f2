"""The retries of a route of Istio, as Envoy's retry policy.

Sources: Istio, pilot/pkg/networking/core/route/retry/retry.go (`ConvertPolicy`, `parseRetryOn`); API reference of
VirtualService, `HTTPRetry`.
"""

import re
from typing import Any

from twin.config.reading.durations import go_time
from twin.config.reading.istio_tables import ATTEMPTS, HOST_ATTEMPTS, NEVER, RETRIED_STATUS, without
from twin.config.reading.report import Imported
from twin.config.reading.yaml_nodes import YamlNode

KNOWN = ("5xx", "gateway-error", "connect-failure", "reset")
STATUSES = "retriable-status-codes"
UNSENT = "reset-before-request"
"""Of a request that is not sent yet, which for a dial is a connect in vain."""


def retries(imported: Imported, node: YamlNode | None, hashes: bool) -> dict[str, Any]:
    """Return the retry policy of a route, and say what became of each field.

    Args:
        imported: takes what is said.
        node: the table `retries` of the route; None: Istio's default counts.
        hashes: whether a key is hashed, so that a retry goes to the same node.
    """
    policy: dict[str, Any] = {
        "num_retries": ATTEMPTS,
        "retry_on": ["connect-failure", STATUSES],
        "retriable_status_codes": [RETRIED_STATUS],
        "previous_hosts": not hashes,
        "host_selection_retry_max_attempts": HOST_ATTEMPTS,
    }
    for name, inner in node.fields.items() if node is not None else ():
        path = f"retries.{name}"
        if name == "attempts":
            policy["num_retries"] = inner.whole(path)
        elif name == "perTryTimeout":
            policy["per_try_timeout"] = go_time(inner.text, f"{inner.place}: {path}")
        elif name == "backoff":
            policy["base_interval"] = go_time(inner.text, f"{inner.place}: {path}")
        elif name == "retryIgnorePreviousHosts":
            policy["previous_hosts"] = inner.text == "true"
        elif name == "retryOn":
            policy["retry_on"], policy["retriable_status_codes"] = conditions(imported, inner)
        else:
            imported.say(inner.place, f"{path}: {inner.text}", *without(path))
            continue
        imported.say(inner.place, f"{path}: {inner.text}", "used", "balancer.retry_policy, which ends with the 101")
    return policy if policy["num_retries"] and policy["retry_on"] else {"num_retries": 0}


def conditions(imported: Imported, node: YamlNode) -> tuple[list[str], list[int]]:
    """Return those conditions of a retry that the dial of a WebSocket can meet, and the statuses among them."""
    words = [word for part in node.text.split(",") if (word := part.strip())]
    codes = [int(word) for word in words if re.fullmatch("[1-5][0-9]{2}", word)]
    found = [word for word in KNOWN if word in words]
    if UNSENT in words and not found:
        found = ["connect-failure"]
    never = [word for word in words if word in NEVER]
    unknown = [w for w in words if w not in (*KNOWN, *NEVER, UNSENT, STATUSES) and not re.fullmatch("[1-5][0-9]{2}", w)]
    if never:
        imported.say(node.place, f"... {','.join(never)}", "no effect", "no dial of a WebSocket meets it")
    if unknown:
        imported.say(node.place, f"... {','.join(unknown)}", "not modelled", "the lab does not know it")
    return found + [STATUSES] * bool(codes or (STATUSES in words)), codes

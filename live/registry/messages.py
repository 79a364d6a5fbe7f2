"""What the lab orders members and the registrar to do, and what the registrar says; times by the monotonic clock."""

from live.control.messages import ControlMessage


class SignAt(ControlMessage):
    """An order to a member: give a sign of life at `at`, and one each heartbeat before and after that."""

    at: float


class LookAt(ControlMessage):
    """An order to the registrar: look at the registry at `at`, and each `registry.sync` before and after that."""

    at: float


class Synced(ControlMessage):
    """As many nodes as were expected are in rotation since `at`."""

    at: float

"""The machine that carries all processes of a run, and what is noted of them."""

from typing import Annotated, Literal

from pydantic import Field

from twin.scenario.fields import Table


class HostSettings(Table):
    """The machine that carries all processes."""

    placement: Literal["pinned", "free", "separate"] = Field(
        "pinned",
        description="pinned: clients on the upper half of the cores, cluster on the lower; free: the kernel chooses; "
        "separate: balancer, nodes, clients, bus and publisher on machines of their own, whatever `cores` (in "
        "predictions only).",
    )
    cores: Annotated[int, Field(ge=1, le=64)] = Field(
        2, description="Cores to use; pinned uses the first half for the cluster."
    )
    accounts: bool = Field(
        False,
        description="true: the CPU time that nodes, balancer and clients use in a run is noted; where clients poll, it "
        "always is.",
    )
    memory: bool = Field(
        False,
        description="true: the memory of the nodes is noted at the end of a run; with `nodes.memory_limit`, or where "
        "something decides how messages travel, it always is.",
    )
    profile: str = Field(
        "calibrated", description="`calibrated` for this machine's own profile, `reference`, or a path of a profile."
    )

"""The errors of the lab, all in one tree.

* `LabError`
    * `ScenarioError`: the scenario, an override or a record file is not usable (exit status 2).
    * `HostError`: this machine cannot run what was asked (a missing program, too few file descriptors).
    * `ClusterError`: a part of the live cluster did not start, or stopped by itself.
"""


class LabError(Exception):
    """Base of every error that a user of the lab can cause or mend; its text is one sentence."""


class ScenarioError(LabError):
    """Bad input: the sentence names the field, the value and what is allowed."""


class HostError(LabError):
    """This machine lacks something that the run needs; nothing was started."""


class ClusterError(LabError):
    """A process of the live cluster failed; everything was stopped."""

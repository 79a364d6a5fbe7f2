import warnings

import pytest

from twin.costs.profile import HostProfile
from twin.course.profiles import OF_THE_RUNS, profile_for
from twin.errors import ProfileWarning


def test_recorded_runs_are_predicted_with_their_machines_profile_and_in_silence():
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        assert profile_for(False, "broadcast") == HostProfile.load("reference")
        warnings.warn("This host profile does not know what pings cost.", ProfileWarning, stacklevel=1)
        warnings.warn("This machine has no profile yet.", ProfileWarning, stacklevel=1)
    assert [str(one.message) for one in said] == ["This machine has no profile yet."]


def test_the_machine_of_the_later_runs_has_a_profile_that_knows_what_they_need():
    profile = profile_for(False, host=OF_THE_RUNS)
    assert profile.knows_polls()
    assert profile.knows_broadcast()
    assert profile.knows_parts(["node_hand_over", "node_pass_on", "node_worker"])
    assert set(profile.of("node", "go")) >= {"node_read", "node_fanout", "node_handshake"}
    assert profile.machine["cpu"] == "AMD EPYC"


def test_a_measurement_is_predicted_with_the_profile_of_this_machine(monkeypatch):
    asked = []
    monkeypatch.setattr(HostProfile, "for_this_machine", lambda *needs: asked.append(needs) or "own")
    assert profile_for(True, "broadcast") == "own"
    assert asked == [("broadcast",)]
    with warnings.catch_warnings(), pytest.warns(ProfileWarning):
        warnings.warn("This host profile does not know what pings cost.", ProfileWarning, stacklevel=1)

"""Every configuration that is made of a shipped scenario is, byte for byte, the one that it was."""

from tests.live.balancer import configurations


def test_every_shipped_scenario_has_the_configurations_that_it_ever_had():
    wrong = "if that is meant: python -m tests.live.balancer.configurations"
    assert configurations.digests() == configurations.stored(), wrong


def test_the_digests_are_of_both_kinds_and_of_scenarios_with_a_registry():
    kinds = [kind for known in configurations.stored().values() for kind in known]
    assert min(kinds.count("haproxy"), kinds.count("nginx")) > 50
    assert len({one for known in configurations.stored().values() for one in known.values()}) == len(kinds)


def test_a_digest_sees_each_text_and_where_one_ends():
    texts = ["a", "b", "c"]
    for changed in (["a", "b"], ["ab", "", "c"], ["a", "c", "b"]):
        assert configurations.digest(changed) != configurations.digest(texts)

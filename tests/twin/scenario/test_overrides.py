import tomllib

from hypothesis import given
from hypothesis import strategies as st

from twin.scenario.overrides import merge, nested, to_toml

keys = st.text("abcdef_", min_size=1, max_size=5)
leaves = st.booleans() | st.integers(-(2**60), 2**60) | st.floats(allow_nan=False, allow_infinity=False) | st.text()
trees = st.recursive(
    st.dictionaries(keys, leaves, max_size=4),
    lambda inner: st.dictionaries(keys, leaves | inner | st.lists(inner, min_size=1, max_size=3), max_size=4),
    max_leaves=12,
)


@given(trees)
def test_any_tree_of_settings_survives_being_written_as_toml(tree):
    assert tomllib.loads(to_toml(tree)) == tree


@given(trees)
def test_merging_nothing_or_itself_changes_nothing(tree):
    assert merge(tree, {}) == tree
    assert merge({}, tree) == tree
    assert merge(tree, tree) == tree


def test_merge_lays_dict_into_dict_and_leaves_both_alone():
    base, changes = {"a": {"b": 1, "c": 2}, "d": 3}, {"a": {"c": 5}, "e": 6}
    assert merge(base, changes) == {"a": {"b": 1, "c": 5}, "d": 3, "e": 6}
    assert base == {"a": {"b": 1, "c": 2}, "d": 3}
    assert changes == {"a": {"c": 5}, "e": 6}


def test_a_path_becomes_nested_dicts():
    assert nested("clients. count", 5) == {"clients": {"count": 5}}
    assert nested("seed", {"a": 1}) == {"seed": {"a": 1}}


def test_merge_changes_a_list_by_index_and_appends_beyond_its_end():
    base = {"faults": [{"at": 1, "node": 1}, {"at": 2, "node": 2}]}
    assert merge(base, {"faults": {"1": {"at": 5}}}) == {"faults": [{"at": 1, "node": 1}, {"at": 5, "node": 2}]}
    assert merge(base, {"faults": {"2": {"at": 9}}})["faults"][2] == {"at": 9}
    assert merge(base, {"faults": []}) == {"faults": []}
    assert base["faults"][1] == {"at": 2, "node": 2}


def test_merge_drops_the_settings_of_another_kind():
    base = {"balancer": {"kind": "haproxy", "retries": 3}}
    assert merge(base, {"balancer": {"kind": "nginx"}}) == {"balancer": {"kind": "nginx"}}
    assert merge(base, {"balancer": {"kind": "haproxy"}}) == base

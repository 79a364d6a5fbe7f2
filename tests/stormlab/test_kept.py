"""What `./lab compare --resume` keeps, what of it is used again, and why the rest is not."""

import json
from dataclasses import replace

import pytest

import sim
from stormlab.kept import Kept, check_names, same_calibration
from tests.strategies import small
from twin.errors import ScenarioError

SMALL = small(duration=2.0, host={"profile": "reference"})
OWN = small(duration=2.0)


def measured(profile, settings=SMALL, number=0, changes=()):
    """Return a record as a live run leaves it."""
    record = sim.simulate(settings, number, profile)
    found = record.provenance | {"world": "live", "profile": profile.named} | dict(changes)
    return replace(record, provenance=found)


@pytest.fixture
def said():
    return []


@pytest.fixture
def kept(tmp_path, said):
    return Kept(tmp_path / "kept", None, said.append)


def put(kept, record, replication=0):
    record.save(kept.folder / f"small-{replication}.parquet")


def test_a_record_that_fits_is_used_and_nothing_is_said(kept, said, profile):
    put(kept, measured(profile))
    put(kept, measured(profile, number=2), 2)
    found = kept.records(SMALL, 2, profile)
    assert (list(found), said) == ([0], [])
    assert found[0].digest() == measured(profile).digest()
    assert list(kept.records(SMALL, 3, profile)) == [0, 2]


UNFIT = {
    "is of other settings than small has now": {"scenario": small(seed=9).model_dump(exclude_none=True)},
    "is of replication 1, not of 0": {"replication": 1},
    "does not count, for the lab stood still": {"disturbed": "the lab stood still"},
    "does not count, for it was on a starved host (others took 0.5 cores)": {
        "host": {"starved": "others took 0.5 cores"}
    },
    "is no record of a live run": {"world": "sim"},
    "was measured with another Redis than this command names": {"bus": {"command": [], "configuration": {}}},
    "was measured with another host profile than reference is now": {"profile": None},
}


@pytest.mark.parametrize("why", UNFIT)
def test_what_does_not_fit_is_measured_anew_with_one_sentence_why(why, kept, said, profile):
    put(kept, measured(profile, changes=UNFIT[why]))
    assert kept.records(SMALL, 1, profile) == {}
    (sentence,) = said
    assert sentence.startswith(f"{kept.folder}/small-0.parquet: {why}")
    assert sentence.endswith("; the run is measured anew.")


@pytest.mark.parametrize("content", [b"", b"PAR1 and then nothing", b"\xff" * 5000])
def test_a_corrupt_file_is_measured_anew(content, kept, said, profile):
    put(kept, measured(profile))
    (kept.folder / "small-0.parquet").write_bytes(content)
    assert kept.records(SMALL, 1, profile) == {}
    assert said == [f"{kept.folder}/small-0.parquet: is not a Parquet record of this lab; the run is measured anew."]


def test_a_truncated_record_is_measured_anew(kept, said, profile):
    put(kept, measured(profile))
    path = kept.folder / "small-0.parquet"
    path.write_bytes(path.read_bytes()[:-50])
    assert kept.records(SMALL, 1, profile) == {}
    assert len(said) == 1


def test_an_own_profile_with_more_looks_is_the_same_calibration(kept, said, profile):
    put(kept, measured(profile, OWN))
    assert list(kept.records(OWN, 1, profile.with_look([[0.001]]))) == [0]
    assert said == []
    again = type(profile).model_validate(profile.model_dump() | {"made": "2030-01-01T00:00:00"})
    assert kept.records(OWN, 1, again) == {}
    assert "another host profile than calibrated is now (2030-01-01T00:00:00)" in said[0]


def test_a_profile_of_a_file_is_the_same_to_the_bit_or_another(profile):
    looked = profile.with_look([[0.001]]).named
    assert same_calibration(profile.named, profile.named, "host.json")
    assert not same_calibration(looked, profile.named, "host.json")
    assert same_calibration(looked, profile.named, "calibrated")
    assert not same_calibration(None, profile.named, "calibrated")


def test_the_profile_of_when_the_runs_began_is_kept(kept, said, profile):
    kept.keep(OWN, profile)
    later = profile.with_look([[0.001]])
    assert kept.profile(OWN, later) == profile
    assert said == []


def test_without_a_file_the_profile_is_the_one_of_now(kept, said, profile):
    assert kept.profile(OWN, profile) is profile
    assert said == []


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "is no file of this lab"),
        ("[1, 2]", "is no file of this lab"),
        ('{"profile": 3, "scenario": {}}', "is no file of this lab"),
        ("[" * 100, "is no file of this lab"),
        ({"scenario": {"name": "small", "seed": 7}}, "is of other settings than small has now"),
        ({"made": "2030-01-01"}, "has another host profile than calibrated is now"),
    ],
)
def test_a_kept_profile_that_does_not_fit_is_not_used(text, why, kept, said, profile):
    kept.keep(OWN, profile)
    path = kept.folder / "small.json"
    if isinstance(text, dict):
        data = json.loads(path.read_text())
        data["scenario"] = text.get("scenario", data["scenario"])
        data["profile"]["made"] = text.get("made", data["profile"]["made"])
        text = json.dumps(data)
    path.write_text(text)
    assert kept.profile(OWN, profile) is profile
    (sentence,) = said
    assert sentence.startswith(f"{path}: {why}")
    assert sentence.endswith("; small is predicted by the profile of now.")


def test_two_scenarios_of_one_name_are_refused():
    check_names([SMALL, small(name="other")])
    with pytest.raises(ScenarioError, match="name is 'small' of two scenarios"):
        check_names([SMALL, OWN])

"""What several commands do."""

from contextlib import contextmanager

import live
from tests.strategies import small
from twin import steps
from twin.profile import CALIBRATED, HostProfile


def test_a_calibration_writes_the_file_that_it_is_told_and_no_other(tmp_path, profile, monkeypatch):
    own = tmp_path / "host.json"
    monkeypatch.setattr(steps, "CALIBRATED", own)
    monkeypatch.setattr(live, "calibrate", lambda *args, **options: profile)
    before = CALIBRATED.read_bytes() if CALIBRATED.exists() else b""
    steps.calibrate_machine(output=tmp_path / "deep" / "other.json")
    assert HostProfile.load(str(tmp_path / "deep" / "other.json")) == profile
    assert not own.exists()
    assert (CALIBRATED.read_bytes() if CALIBRATED.exists() else b"") == before


def test_the_look_at_the_cores_shows_how_far_it_is(tmp_path, profile, monkeypatch):
    def trace(scenario, progress):
        for share in (0.0, 0.5, 0.9):
            progress(share)
        return [[0.001]]

    shown = []

    @contextmanager
    def bar():
        yield lambda text, share: shown.append((text, share))

    monkeypatch.setattr(live, "trace", trace)
    monkeypatch.setattr(steps, "progress", bar)
    monkeypatch.setattr(steps, "profile_of", lambda scenario: profile)
    monkeypatch.setattr(HostProfile, "save", lambda self: None)
    steps.look_at_cores(small(host={"profile": "calibrated"}))
    assert [share for _, share in shown] == [0.0, 0.5, 0.9]

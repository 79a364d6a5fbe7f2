"""What several commands do."""

import live
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

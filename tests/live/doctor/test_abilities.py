"""What the system lets this user do is tried, and nothing is left behind."""

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import psutil
import pytest

from live.doctor import abilities
from live.doctor.trying import tried

LINKS = Path("/sys/class/net")


def state():
    """What a probe could leave behind: links of the network, processes, folders for temporary files."""
    links = sorted(one.name for one in LINKS.iterdir()) if LINKS.exists() else []
    children = {child.pid for child in psutil.Process().children(recursive=True)}
    return links, children, sorted(Path(tempfile.gettempdir()).glob("stormlab-*"))


def test_all_abilities_are_tried_and_nothing_is_left_behind(monkeypatch, tmp_path):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    before, cores = state(), os.sched_getaffinity(0)
    found = abilities.examined()
    assert set(found) == {*abilities.ATTEMPTS, *abilities.IN_NAMESPACE}
    assert all(one.said for one in found.values())
    assert state() == before
    assert os.sched_getaffinity(0) == cores


@pytest.mark.skipif(sys.platform != "linux", reason="Linux has them all")
def test_what_a_run_on_linux_needs_works_for_every_user():
    for name in ("signals", "source addresses", "shared port", "clock"):
        works, said = abilities.ATTEMPTS[name]()
        assert works, said


def test_what_needs_a_namespace_is_not_tried_without_one(monkeypatch):
    monkeypatch.setattr(abilities, "inside", lambda script: ["false", script])
    found = abilities.examined()
    assert not found["network namespace"].works
    assert {found[name].said for name in abilities.IN_NAMESPACE} == {"there is no network namespace"}


def test_a_command_says_why_it_does_not_work():
    assert tried(["/no/such/program"]) == (False, "/no/such/program: No such file or directory")
    assert tried(["sh", "-c", "echo first; echo last; exit 3"]) == (False, "last")
    assert tried(["sh", "-c", "exit 3"]) == (False, "sh ended with 3")
    assert tried(["sh", "-c", "echo first; echo last"]) == (True, "first")


def test_a_command_that_hangs_ends_with_all_that_it_started():
    works, said = tried(["sh", "-c", "sleep 61.5 & sleep 61.5"], within=0.2)
    assert (works, said) == (False, "sh did not end within 0.2 s")
    left = [one for one in psutil.process_iter(["cmdline"]) if one.info["cmdline"] == ["sleep", "61.5"]]
    psutil.wait_procs(left, timeout=5)
    assert not any(one.is_running() and one.status() != psutil.STATUS_ZOMBIE for one in left)


@pytest.mark.skipif(os.geteuid() != 0 or shutil.which("setpriv") is None, reason="only root becomes another user")
def test_a_user_without_rights_gets_answers_too(tmp_path):
    tmp_path.chmod(0o777)
    code = "from live.doctor.abilities import examined; print({n: a.works for n, a in examined().items()}['signals'])"
    reads = ["--inh-caps=+dac_read_search", "--ambient-caps=+dac_read_search"]  # this checkout, wherever it is
    words = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", *reads, "--", sys.executable, "-c", code]
    surroundings = os.environ | {"TMPDIR": tempfile.gettempdir(), "HOME": "/"}
    done = subprocess.run(
        words, capture_output=True, text=True, check=False, env=surroundings, cwd=Path(__file__).parents[3], timeout=60
    )
    if "setpriv" in done.stderr:
        pytest.skip("the system does not give such a right away")
    assert (done.stdout, done.returncode) == ("True\n", 0), done.stderr

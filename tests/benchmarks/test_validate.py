"""How long it takes from a configuration to a verdict for 10,000 clients, in a process of its own. Run with `-s`."""

import subprocess
import sys
import time

from tests.docs.test_operators import CONFIGURATION

MOST_SECONDS = 10.0


def test_a_configuration_gets_its_verdict_in_ten_seconds(tmp_path):
    """With reason, levers and findings; the compiled code is there from the first of two."""
    (tmp_path / "haproxy.cfg").write_text(CONFIGURATION)
    words = ["validate", "haproxy.cfg", "--set", "clients.count=10000", "--set", "host.profile=reference"]
    command = [sys.executable, "-P", "-m", "stormlab.app", *words]
    took = []
    for _ in range(2):
        began = time.perf_counter()
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=300, check=False)
        took.append(time.perf_counter() - began)
        assert done.stdout.startswith("haproxy: "), done.stderr
    sys.stdout.write(f"\n{done.stdout.splitlines()[0]}, {took[0]:.1f} s, and again {took[1]:.1f} s\n")
    assert took[1] < MOST_SECONDS

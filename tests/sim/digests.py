"""Digests of what the model makes of each shipped scenario: a change that should change no event changes none of them.

`python -m tests.sim.digests` runs every shipped scenario at two seeds, in the SimPy model and, where it covers the
scenario, in the compiled one, and names the runs whose digest is not that of `digests.json`. After a change of the
model that is meant, `--write` writes the file anew, for the difference to be looked at and committed.
"""

import argparse
import functools
import hashlib
import json
import sys
from pathlib import Path

from joblib import Parallel, delayed

from sim import simulate
from sim.engines import uncovered
from twin.costs.profile import HostProfile
from twin.scenario.scenario import Scenario

FOLDER = Path(__file__).parents[2] / "scenarios"
FILE = Path(__file__).with_name("digests.json")
SEEDS = (1, 2)
COLUMNS = ("t", "event", "client", "node", "attempt", "version", "detail")
"""The columns that are digested, in this order, whatever else a record has got since."""

RENAMED: dict[str, str] = {}
"""Words of events and details as the digests know them -> as they are called today."""

SMALLER = {"million": {"clients": {"count": 5000, "connect_rate": 5000.0}}}
"""What is changed in scenarios that are too large for the SimPy model."""


def names():
    """Return the names of the shipped scenarios, in order."""
    return sorted(path.stem for path in FOLDER.glob("*.toml"))


def scenario(name, seed):
    """Return a shipped scenario with another seed, on the reference host."""
    shipped = Scenario.load(FOLDER / f"{name}.toml")
    return shipped.vary(seed=seed, host={"profile": "reference"}, **SMALLER.get(name, {}))


def canonical(record):
    """Return a record's events as text: one a line, times to the last bit, words as the digests know them."""
    old = {new: word for word, new in RENAMED.items()}
    columns = [record.events[name].tolist() for name in COLUMNS]
    lines = []
    for t, event, client, node, attempt, version, detail in zip(*columns, strict=True):
        said = " ".join(old.get(word, word) for word in detail.split(" "))
        lines.append(f"{t!r},{old.get(event, event)},{client},{node},{attempt},{version},{said}\n")
    return "".join(lines)


def digest(record):
    """Return the SHA-256 of a record's canonical text."""
    return hashlib.sha256(canonical(record).encode()).hexdigest()


def run(name, seed, engine="simpy"):
    """Return the record of one run of a shipped scenario on the reference host, whatever was calibrated here."""
    return simulate(scenario(name, seed), profile=HostProfile.load("reference"), engine=engine)


def engines(name):
    """Return the engines that run a shipped scenario."""
    return ("simpy",) if uncovered(scenario(name, SEEDS[0])) else ("simpy", "compiled")


@functools.cache
def stored():
    """Return the digests of the file: scenario -> {"events": how many at the first seed, seed: digest}."""
    return json.loads(FILE.read_text(encoding="utf-8"))


def write():
    """Write the digests of the SimPy model."""
    runs = [(name, seed) for name in names() for seed in SEEDS]
    found = Parallel(n_jobs=-1)(delayed(_counted)(*one) for one in runs)
    table = {name: {} for name in names()}
    for (name, seed), (events, text) in zip(runs, found, strict=True):
        table[name].setdefault("events", events)
        table[name][str(seed)] = text
    FILE.write_text(json.dumps(table, indent=1) + "\n", encoding="utf-8")


def _counted(name, seed):
    record = run(name, seed)
    return len(record.events), digest(record)


def differing():
    """Return the runs (scenario, seed, engine) whose digest is not the stored one."""
    runs = [(name, seed, engine) for name in names() for seed in SEEDS for engine in engines(name)]
    found = Parallel(n_jobs=-1)(delayed(lambda *one: digest(run(*one)))(*one) for one in runs)
    return [one for one, text in zip(runs, found, strict=True) if stored().get(one[0], {}).get(str(one[1])) != text]


def main():
    """Compare all digests with the file, or write it."""
    parser = argparse.ArgumentParser(prog="python -m tests.sim.digests", description=__doc__.split("\n")[0])
    parser.add_argument("--write", action="store_true", help="write the digests anew")
    if parser.parse_args().write:
        return write()
    return "\n".join(f"{name}: another record at seed {seed} ({engine})." for name, seed, engine in differing()) or None


if __name__ == "__main__":
    sys.exit(main())

"""`./lab mutants`: change the code at random, one small change at a time, and see whether the tests notice.

Exit status 1 when fewer than `BAR` of the mutants that change anything are caught, 2 for bad arguments.
"""

import argparse
import json
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from live.control.process import Stage
from tests.mutants.areas import AREAS, area_of, sample
from tests.mutants.changes import Mutant
from tests.mutants.judged import judgements, outdated, reason_of
from tests.mutants.trial import Verdict, copies, try_all

ROOT = Path(__file__).parents[2]
BAR = 0.92
AT_ONCE = 2


def main(words: Sequence[str]) -> int:
    """Try a sample and print what came of it."""
    asked = arguments(words)
    mutants = sample(ROOT, asked.sample, asked.seed, asked.area or tuple(AREAS))
    known = judgements()
    for one in outdated(ROOT, known):
        say(f"equivalent.toml: {one.path} has no line '{one.before}' any more; remove the judgement.")
    reasons = {i: why for i, one in enumerate(mutants) if (why := reason_of(one, known)) is not None}
    chosen = [i for i in range(len(mutants)) if i not in reasons and (not asked.only or i + 1 in asked.only)]
    if asked.list:
        for i, mutant in enumerate(mutants):
            sys.stdout.write(f"{i + 1:3d} {described(mutant)}{'  (equivalent)' if i in reasons else ''}\n")
        return 0
    began, found = time.monotonic(), dict[int, Verdict]()

    def tell(place: int, verdict: Verdict) -> None:
        i = chosen[place]
        found[i] = verdict
        what = f"caught by {verdict.by}" if verdict.caught else "SURVIVED"
        passed = f"{len(found)}/{len(chosen)} after {(time.monotonic() - began) / 60:.1f} min"
        say(f"{passed}, {i + 1} {described(mutants[i])}\n    {what}, {verdict.seconds:.0f} s")

    with Stage() as stage:
        try_all([mutants[i] for i in chosen], copies(ROOT, stage, asked.jobs), tell)
    report = result(mutants, found, reasons)
    report |= {"seed": asked.seed, "minutes": round((time.monotonic() - began) / 60, 1)}
    sys.stdout.write((json.dumps(report, indent=2) if asked.json else table(report)) + "\n")
    return int(report["share"] is not None and report["share"] < BAR)


def arguments(words: Sequence[str]) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        prog="./lab mutants",
        description="Change the code at random, one small change at a time, in a copy of the checkout, and see whether "
        "the mirrored tests notice. Those of compiled and of live code take minutes each, the others seconds.",
    )
    parser.add_argument("--sample", type=at_least_one, default=60, help="how many mutants (default 60)")
    parser.add_argument("--seed", type=int, default=1, help="of the sample (default 1)")
    parser.add_argument("--area", action="append", choices=list(AREAS), help="only this area; may be given repeatedly")
    parser.add_argument("--jobs", type=int, choices=range(1, AT_ONCE + 1), default=AT_ONCE, help="how many at a time")
    parser.add_argument("--only", type=numbers, default=set(), help="of the sample only these, as in 3,17")
    parser.add_argument("--list", action="store_true", help="print the sample and try nothing")
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of a table")
    return parser.parse_args(words)


def at_least_one(text: str) -> int:
    """Read how many mutants to try."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"is '{text}'; allowed is a whole number from 1.")
    return int(text)


def numbers(text: str) -> set[int]:
    """Read numbers with commas between them."""
    return {int(one) for one in text.split(",")}


def described(mutant: Mutant) -> str:
    """Return a mutant in one line, or in two where it changes a long one."""
    return f"{mutant.path}:{mutant.line} {mutant.kind}: {short(mutant.before)}  ->  {short(mutant.after)}"


def short(text: str) -> str:
    """Return some lines of code as one."""
    return " ".join(text.split())


def result(mutants: Sequence[Mutant], found: dict[int, Verdict], reasons: dict[int, str]) -> dict:
    """Return the counts of each area and of all, and every mutant with what came of it."""
    rows, areas = [], {}
    for i, mutant in enumerate(mutants):
        if i not in found and i not in reasons:
            continue
        verdict = found.get(i)
        outcome = "equivalent" if verdict is None else "caught" if verdict.caught else "survived"
        row = {"number": i + 1, "outcome": outcome, "reason": reasons.get(i, "")}
        rows.append(row | asdict(mutant) | (asdict(verdict) if verdict else {}))
        counts = areas.setdefault(area_of(mutant.path), dict.fromkeys(("equivalent", "own", "caught", "survived"), 0))
        counts[outcome] += 1
        counts["own"] += bool(verdict and verdict.caught and verdict.own)
    total = {
        name: sum(counts[name] for counts in areas.values()) for name in ("equivalent", "own", "caught", "survived")
    }
    return {"areas": areas, "total": total, "share": share(total), "mutants": rows}


def share(counts: dict[str, int]) -> float | None:
    """Return the share of the mutants that change anything that were caught; None without any."""
    changing = counts["caught"] + counts["survived"]
    return counts["caught"] / changing if changing else None


def table(report: dict) -> str:
    """Return the counts as text, and below them what survived."""
    lines = [
        f"{'area':<18}{'mutants':>8}{'equivalent':>12}{'caught':>8}{'by own test':>13}{'survived':>10}{'share':>8}"
    ]
    for area, counts in [*report["areas"].items(), ("all", report["total"])]:
        mutants = counts["equivalent"] + counts["caught"] + counts["survived"]
        part = share(counts)
        lines.append(
            f"{area:<18}{mutants:>8}{counts['equivalent']:>12}{counts['caught']:>8}{counts['own']:>13}"
            f"{counts['survived']:>10}{'-' if part is None else f'{part:.0%}':>8}"
        )
    for row in report["mutants"]:
        if row["outcome"] == "survived":
            lines += [
                "",
                f"{row['number']} {row['path']}:{row['line']} in {row['scope'] or 'the module'} ({row['kind']})",
            ]
            lines += [f"- {line}" for line in row["before"].splitlines()] + [
                f"+ {line}" for line in row["after"].splitlines()
            ]
    lines += ["", f"seed {report['seed']}, {report['minutes']} minutes"]
    return "\n".join(lines)


def say(text: str) -> None:
    """Tell whoever waits."""
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except KeyboardInterrupt:
        say("Interrupted; everything that was started has been stopped, and the copies are gone.")
        sys.exit(130)

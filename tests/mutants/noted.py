"""A plugin of pytest for a run under a mutant: it writes down what began and what failed."""

import os

NOTES = os.environ.get("MUTANT_NOTES", os.devnull)


def note(word, test):
    with open(NOTES, "a", encoding="utf-8") as notes:
        notes.write(f"{word} {test}\n")


def pytest_runtest_logstart(nodeid):
    note("began", nodeid)


def pytest_runtest_logreport(report):
    if report.failed:
        note("failed", report.nodeid)


def pytest_collectreport(report):
    if report.failed:
        note("failed", report.nodeid)

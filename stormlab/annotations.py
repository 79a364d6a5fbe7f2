"""What a pipeline reads of a validation: a JUnit file, and workflow commands by which GitHub marks lines of files.

Sources: the XML schema of Apache Ant's JUnit task, as CI servers read it (testsuites, testsuite, testcase, failure,
error, system-out); GitHub Docs, "Workflow commands for GitHub Actions" (`::error file=...,line=...,title=...::`, with
%, CR and LF escaped, in properties `:` and `,`, too).
"""

import xml.etree.ElementTree as ET
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal

from stormlab.terminal import shown
from twin.analysis.objectives import named
from twin.analysis.verdicts import ObjectiveVerdict, Validation
from twin.config.reading.report import FilePlace


@dataclass(frozen=True)
class Judged:
    """What was judged, and where its settings stand.

    Attributes:
        file: that the user named.
        validation: what is said of it.
        places: of settings in configuration files, by their paths.
        seconds: how long it took.
    """

    file: str
    validation: Validation
    places: Mapping[str, FilePlace] = field(default_factory=dict)
    seconds: float = 0.0


def junit(judged: Judged) -> str:
    """Return a JUnit file: one test case an objective; what is unknown is an error."""
    validation, every = judged.validation, judged.validation.objectives
    counts = {
        "tests": str(len(every)),
        "failures": str(sum(one.verdict == "fail" for one in every)),
        "errors": str(sum(one.verdict == "unknown" for one in every)),
        "time": f"{judged.seconds:.3f}",
    }
    root = ET.Element("testsuites", counts)
    suite = ET.SubElement(root, "testsuite", {"name": validation.scenario.name, **counts})
    for one in every:
        case = ET.SubElement(
            suite,
            "testcase",
            {"classname": validation.scenario.name, "name": named(one.objective), "file": judged.file},
        )
        if one.verdict != "pass":
            kind = "failure" if one.verdict == "fail" else "error"
            said = ET.SubElement(case, kind, {"message": _plain(str(one)), "type": one.objective.measure})
            said.text = _plain(str(validation))
    out = ET.SubElement(suite, "system-out")
    out.text = _plain("\n".join(f"{one.level} {one.rule}: {one.text}" for one in validation.findings))
    ET.indent(root)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ET.tostring(root, encoding="unicode") + "\n"


def _plain(text: str) -> str:
    """Return a text without characters that XML 1.0 does not allow."""
    return shown(text)


def github(judged: Judged) -> Iterator[str]:
    """Yield workflow commands: an error for each objective that is not held, a warning for each warning of the check.

    An error stands at the line of the setting that helps most, of those that stand in the file.
    """
    validation = judged.validation
    helps = next((one.step.setting for one in validation.best if one.step.setting in judged.places), "")
    for one in validation.objectives:
        level: Literal["error", "notice"] = "notice" if one.verdict == "pass" else "error"
        setting = "" if one.verdict == "pass" else helps
        yield _command(judged, level, setting, f"{validation.scenario.name}: {one.verdict}", _message(validation, one))
    for finding in validation.findings:
        if finding.level == "warning":
            yield _command(judged, "warning", finding.field, finding.rule, finding.text)


def _message(validation: Validation, one: ObjectiveVerdict) -> str:
    if one.verdict == "pass":
        return str(one)
    _, *rest = str(validation).split("\n")
    return "\n".join([str(one), *(line.strip() for line in rest[len(validation.objectives) :])])


def _command(judged: Judged, level: str, setting: str, title: str, message: str) -> str:
    place = judged.places.get(setting)
    properties = {"file": place.file if place else judged.file}
    if place:
        properties["line"] = str(place.line)
    properties["title"] = title
    said = ",".join(f"{name}={_escaped(value, ':,')}" for name, value in properties.items())
    return f"::{level} {said}::{_escaped(message)}"


def _escaped(text: str, more: str = "") -> str:
    for one in f"%\r\n{more}":  # % first, as the others become some
        text = text.replace(one, f"%{ord(one):02X}")
    return text

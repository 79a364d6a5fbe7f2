"""Text of others is shown and never obeyed."""

import io
import os
import re
import subprocess
import sys

import pytest
from rich.progress import Progress
from rich.table import Table

from stormlab import steps
from stormlab.tables import print_audit
from stormlab.terminal import Terminal, shown
from tests import commands
from tests.commands import FAILOVER, REFERENCE, ROOT, without_the_profiles_warning
from tests.messages import good_end, good_rows, record
from tests.stormlab.test_missing import lab  # noqa: F401 - a fixture
from twin.errors import ClusterError
from twin.invariants import audit
from twin.record.record import row

CLEARS, TITLE, BACKWARDS = "\x1b[2J", "\x1b]0;owned\x07", "\u202e"


@pytest.mark.parametrize(
    ("text", "left"),
    [
        (f"a{CLEARS}b", "a[2Jb"),
        (f"{TITLE}x", "]0;ownedx"),
        (f"a{BACKWARDS}b\u2066c\x9bd\re\x00\x08f", "abcdef"),
        ("two\nlines, a no-break\xa0space, µs and │", "two\nlines, a no-break\xa0space, µs and │"),
    ],
)
def test_control_characters_and_invisible_ones_are_left_out_of_a_text(text, left):
    assert shown(text) == left


def console(**options):
    found = Terminal(file=io.StringIO(), width=80, **options)
    return found, found.file


def test_an_escape_sequence_in_a_detail_does_not_reach_the_terminal():
    twice = row(5.0, "delivered", 2, 1, version=2, detail=f"1 2 {CLEARS}{TITLE}{BACKWARDS}")
    found = audit(record([*good_rows(), twice, *good_end()]))
    assert found.violations
    terminal, file = console()
    print_audit(terminal, f"{CLEARS}.parquet", found)
    assert "detail 1 2 [2J]0;owned" in file.getvalue()
    assert file.getvalue().isascii()
    assert all(line.isprintable() for line in file.getvalue().splitlines())


def test_a_cell_or_a_title_of_a_table_has_no_control_characters():
    terminal, file = console()
    table = Table(title=f"t{CLEARS}")
    table.add_column(f"c{TITLE}")
    table.add_row(f"r\x9b{BACKWARDS}")
    terminal.print(table)
    assert all(line.isprintable() for line in file.getvalue().splitlines())


def test_the_labs_own_colours_and_its_bar_still_work():
    terminal, file = console(force_terminal=True, color_system="standard")
    terminal.print("broken", style="red")
    assert file.getvalue() == "\x1b[31mbroken\x1b[0m\n"
    with Progress(console=terminal, transient=True) as bar:
        bar.add_task("measuring", total=1.0)
    assert "\x1b[?25l" in file.getvalue()  # the cursor is hidden


def test_what_a_process_said_last_is_shown_without_its_control_characters(lab, monkeypatch):  # noqa: F811
    def broken(*_):
        raise ClusterError(f"node 2 stopped: {CLEARS}bye.")

    monkeypatch.setattr("stormlab.app.glob.glob", broken)
    status, _, said = lab("compare", "--all")
    assert (status, said) == (2, ["node 2 stopped: [2Jbye."])


PREDICT = ["predict", FAILOVER, *REFERENCE, "--replications", "2", "--set", "clients.count=5"]
AUDIT = ["audit", str(ROOT / "records" / "failover-0.parquet")]


@pytest.mark.parametrize("words", [PREDICT, AUDIT], ids=["predict", "audit"])
def test_a_narrow_terminal_or_one_without_utf_8_loses_no_number(words, monkeypatch):
    def printed(**settings):
        with monkeypatch.context() as here:
            for name, value in settings.items():
                here.setenv(name, value)
            done = commands.lab(*words)
        assert done.returncode == 0, done.stderr
        assert "Traceback" not in done.stderr
        return done.stdout

    wide, narrow = printed(COLUMNS="80"), printed(COLUMNS="40")
    plain = printed(COLUMNS="40", PYTHONIOENCODING="ascii", LC_ALL="C", PYTHONUTF8="0")
    assert narrow == wide
    assert plain.isascii()
    assert re.findall(r"[\d.]+", plain) == re.findall(r"[\d.]+", wide)


@pytest.mark.parametrize("words", [PREDICT, AUDIT, ["schema"]], ids=["predict", "audit", "schema"])
def test_a_full_disk_behind_standard_output_gets_one_sentence(words):
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "stormlab", *words],
            cwd=ROOT,
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
            env={name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"},
        )
    assert done.returncode == 2
    assert without_the_profiles_warning(done.stderr) == "Something could not be written (No space left on device).\n"


def test_all_commands_print_through_such_a_terminal():
    assert isinstance(steps.out, Terminal)
    assert isinstance(steps.err, Terminal)


@pytest.mark.parametrize("command", [["predict"], ["audit"], ["sweep", "--vary", f"x{CLEARS}=1"], [f"x{CLEARS}"]])
def test_no_name_that_a_user_gives_reaches_the_terminal_as_it_is(command, tmp_path):
    odd = tmp_path / f"odd{CLEARS}{TITLE}.toml"
    odd.write_text('name = "\\u001b[2J"\n')
    for path in (odd, f"{tmp_path}/none{CLEARS}"):
        done = commands.lab(*command, str(path))
        assert done.returncode == 2
        assert done.stdout == ""
        assert len(done.stderr.splitlines()) == 1
        assert done.stderr[:-1].isprintable()

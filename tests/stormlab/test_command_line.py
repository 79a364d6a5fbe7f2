"""What the command line says: helps with all their words, bad words in one sentence, and where pictures go."""

import inspect
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.request

import pytest
from typer.main import get_command

from stormlab import app, steps
from tests.commands import FAILOVER, REFERENCE, ROOT, lab
from twin.costs.profile import CALIBRATED
from twin.files.places import OUTPUT

COMMANDS = get_command(app.app).commands


def words(text):
    """Return the words of a help, without the lines and corners of its boxes."""
    return re.findall(r"[\w\[\]/.<>=]+", re.sub("[│╭╮╰╯─]", " ", text))


@pytest.mark.parametrize("command", [name for name, one in COMMANDS.items() if one.add_help_option])
def test_no_help_loses_a_word_in_brackets_to_the_markup(command, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    shown = words(lab(command, "--help").stdout)
    helps = [COMMANDS[command].help, *(getattr(one, "help", None) for one in COMMANDS[command].params)]
    told = [inspect.cleandoc(text).replace("\\[", "[") for text in helps if text]
    assert told
    missing = [word for text in told for word in words(text) if word not in shown]
    assert missing == []


def test_a_help_that_names_a_table_of_a_scenario_shows_its_brackets():
    assert "[publisher]" in lab("serve", "--help").stdout
    assert "[balancer]" in lab("nginx", "--help").stdout


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (["predict", FAILOVER, "--replications", "0"], "--replications is '0'; allowed is at least 1."),
        (["predict", FAILOVER, "--replications", "٣"], "--replications is '٣'; allowed is a whole number."),
        (["predict", FAILOVER, "--replications", "9" * 30], "--replications is '999"),
        (["measure", FAILOVER, "--runs", "-1"], "--runs is '-1'; allowed is at least 1."),
        (["audit", "x.parquet", "--within", "nan"], "--within is "),
        (["audit", "x.parquet", "--within", "inf"], "--within is "),
        (["audit", "x.parquet", "--within", "-5"], "--within is '-5'; allowed is at least 0"),
        (["sweep", FAILOVER, "--vary", "seed=1", "--target", "inf"], "--target is inf; allowed is a finite number."),
        (["predict"], "./lab predict: Missing argument 'scenario'; ./lab predict --help lists what there is."),
        (["predict", FAILOVER, "--foo"], "./lab predict: No such option: --foo; "),
        (["frobnicate"], "./lab: No such command 'frobnicate'; "),
        (["predict", "a\nb[/]"], r"a\nb[/]: there is no such scenario file."),
        (["predict", "/dev/zero"], "/dev/zero: is no regular file; a scenario file is a file."),
    ],
)
def test_bad_words_of_a_command_get_one_sentence_and_exit_status_2(given, said):
    done = lab(*given)
    assert done.returncode == 2
    assert done.stdout == ""
    (line,) = done.stderr.splitlines()
    assert line.startswith(said)
    assert line.endswith(".")


def test_no_option_takes_a_number_that_is_not_finite():
    numbers = [
        (name, one.opts[-1])
        for name, command in COMMANDS.items()
        for one in command.params
        if "float" in str(one.type_descriptor.annotation)
    ]
    assert numbers
    for name, option in numbers:
        for value in ("nan", "inf", "-inf"):
            needed = [FAILOVER] + (["--vary", "seed=1"] if name == "sweep" else [])
            done = lab(name, *needed, f"{option}={value}")
            assert (done.returncode, len(done.stderr.splitlines())) == (2, 1), done.stderr
            assert done.stderr.startswith(f"{option} is ")


def test_a_file_whose_name_is_no_text_is_read_and_named(tmp_path):
    path = str(tmp_path).encode() + b"/\xff.toml"
    with open(path, "w") as file:
        file.write("name = 5\n")
    done = subprocess.run(
        [sys.executable, "-m", "stormlab.app", "predict", path], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert done.stderr.endswith("\\udcff.toml: name is 5; allowed is a text in quotes.\n")


def test_a_prediction_calibrates_nothing_and_says_whose_profile_it_takes(tmp_path, monkeypatch, capsys):
    def calibrated(*_, **__):
        raise AssertionError("a prediction started a calibration")

    monkeypatch.setattr("twin.costs.profile.CALIBRATED", tmp_path / "none.json")
    monkeypatch.setattr(steps, "CALIBRATED", tmp_path / "none.json")
    monkeypatch.setattr(steps, "calibrate_machine", calibrated)
    for name in ("failover", "nginx-failover", "sessions-memory", "broadcast-100"):
        scenario = ROOT / "scenarios" / f"{name}.toml"
        scenario = scenario if scenario.exists() else FAILOVER
        with pytest.warns(UserWarning, match=r"has no profile yet, so the reference .*; run \./lab calibrate\."):
            app.predict(str(scenario), replications=1, overrides=["clients.count=20"], engine="simpy", as_json=True)
    assert '"replications": 1' in capsys.readouterr().out


@pytest.mark.live
@pytest.mark.timeout(150)
def test_the_notebooks_open_for_everybody_also_for_root(tmp_path):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    own = {f"JUPYTER_{name}_DIR": str(tmp_path) for name in ("CONFIG", "DATA", "RUNTIME")}
    words = [
        sys.executable,
        "-m",
        "stormlab.app",
        "notebook",
        "--no-browser",
        f"--port={port}",
        "--ServerApp.port_retries=0",
    ]
    with (
        (tmp_path / "said").open("w") as said,
        subprocess.Popen(
            words, cwd=ROOT, env=os.environ | own, stderr=said, stdout=said, start_new_session=True
        ) as lab,
    ):
        try:
            version = asked(f"http://127.0.0.1:{port}/api", lab)
        finally:
            os.killpg(lab.pid, signal.SIGKILL)
    assert "version" in version, (tmp_path / "said").read_text()
    assert ("started with --allow-root" in (tmp_path / "said").read_text()) == (os.geteuid() == 0)


def asked(url, process):
    """Return what a server answers once it does; nothing if its process ends before."""
    for _ in range(600):
        try:
            with urllib.request.urlopen(url, timeout=5) as answer:
                return json.load(answer)
        except OSError:
            if process.poll() is not None:
                return {}
            time.sleep(0.2)
    return {}


def test_only_root_gets_the_option_that_jupyter_wants_of_root():
    assert app.jupyter_words(["--port=1"], root=False) == ["lab", "notebooks", "--ip=127.0.0.1", "--port=1"]
    assert "--allow-root" in app.jupyter_words([], root=True)


def test_what_commands_draw_by_default_is_ignored_by_git():
    ignored = subprocess.run(
        ["git", "check-ignore", OUTPUT / "failover.png", OUTPUT / "zoo.png", "sweeps/failover/table.parquet"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert len(ignored.stdout.split()) == 3, ignored
    defaults = {
        one.default
        for command in COMMANDS.values()
        for one in command.params
        if one.name in ("figure", "folder", "output") and one.default is not None
    }
    assert defaults == {OUTPUT, OUTPUT / "zoo.png", CALIBRATED}


def test_the_zoo_leaves_the_checkout_as_it_was():
    before = subprocess.run(["git", "status", "--porcelain"], cwd=ROOT, capture_output=True, text=True, check=True)
    done = lab("zoo", "--replications", "1", "--jobs", "1", "--set", "clients.count=20", *REFERENCE)
    assert done.returncode == 0, done.stderr
    assert "Figure: output/zoo.png" in done.stdout
    after = subprocess.run(["git", "status", "--porcelain"], cwd=ROOT, capture_output=True, text=True, check=True)
    assert after.stdout == before.stdout

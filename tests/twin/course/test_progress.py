import pytest

from twin.course import progress as module
from twin.course.progress import counted, progress


class Line:
    """A display that remembers what it showed."""

    def __init__(self):
        self.texts = []

    def update(self, data, *, raw):
        assert raw
        self.texts.append(data["text/plain"])


@pytest.fixture
def line(monkeypatch):
    shown = Line()

    def show(text):
        shown.texts.append(text)
        return shown

    monkeypatch.setattr(module, "_show", show)
    return shown


def test_the_line_says_how_many_are_done(line):
    note = progress("replications")
    note(1, 3)
    note(3, 3)
    assert line.texts == ["replications: begun", "replications: 1 of 3", "replications: 3 of 3"]


def test_a_line_can_vanish_when_all_are_done(line):
    note = progress("replications", stays=False)
    note(2, 3)
    note(3, 3)
    assert line.texts == ["replications: begun", "replications: 2 of 3", ""]


def test_a_loop_is_counted_as_its_items_are_done(line):
    seen = []
    for item in counted("variants", {"a": 1, "b": 2}.items()):
        seen.append((item, line.texts[-1]))
    assert seen == [(("a", 1), "variants: 0 of 2"), (("b", 2), "variants: 1 of 2")]
    assert line.texts[-1] == "variants: 2 of 2"
    assert list(counted("runs", iter("xyz"))) == ["x", "y", "z"]


def test_outside_of_a_notebook_nothing_is_shown(capsys):
    assert module._show("variants: begun") is None
    progress("replications")(1, 2)
    assert list(counted("variants", [1, 2])) == [1, 2]
    assert capsys.readouterr().out == ""

"""The errors of the lab, all in one tree, and those of its warnings.

* `LabError`
    * `InputError`: a base of two.
        * `ScenarioError`: the scenario, an override or a record file is not usable (exit status 2).
        * `HostError`: this machine cannot run what was asked (a missing program, too few file descriptors).
    * `ClusterError`: a part of the live cluster did not start, or failed.
        * `VoidError`: something outside the schedule disturbed the run: a part ended that no fault had ordered to.
* `LabWarning`
    * `EngineWarning`: another engine than the fast one is used, or it will take long.
    * `ProfileWarning`: another machine's host profile is used.
    * `live.runs.VoidWarning`: a run does not count and is made anew.
    * `live.machine.placement.BusyHostWarning`: other programs use this machine.
    * `WorkersWarning`: one process does all the work, as no others can be started.
    * `ScenarioWarning`: a setting will bite, in the run or after it, or a limit is near (`twin.advice`).
"""

import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from errno import EACCES, EISDIR
from pathlib import Path
from tempfile import TemporaryFile


class LabError(Exception):
    """Base of every error that a user of the lab can cause or mend; its text is one sentence."""


class InputError(LabError):
    """Base of those that repeat what a user gave: line breaks and other control characters are written as in Python."""

    def __init__(self, text: str) -> None:
        super().__init__("".join(one if one.isprintable() else repr(one)[1:-1] for one in text))


class ScenarioError(InputError):
    """Bad input: the sentence names the field or the file, the value and what is allowed."""


class HostError(InputError):
    """This machine lacks something that the run needs; nothing was started."""


class ClusterError(LabError):
    """A process of the live cluster failed; everything was stopped."""


class VoidError(ClusterError):
    """Something outside the schedule disturbed the run, which does not count and is made anew."""


class LateError(VoidError):
    """The clients had not connected when the run was to begin; nothing was measured."""


class LabWarning(UserWarning):
    """Base of the lab's own warnings; the text is one sentence or two.

    It is shown as that and nothing else: it is about a scenario or this machine and not about a line of code, and a
    notebook would name a temporary file.
    """


_usual_format = warnings.formatwarning


def _format(
    message: Warning | str, category: type[Warning], filename: str, lineno: int, line: str | None = None
) -> str:
    """Return how a warning is shown: one of the lab's own without the place in the code."""
    if issubclass(category, LabWarning):
        return f"Warning: {message}\n"
    return _usual_format(message, category, filename, lineno, line)


warnings.formatwarning = _format


class ProfileWarning(LabWarning):
    """This machine has no host profile that knows what is asked; the text says which one is used."""


class EngineWarning(LabWarning):
    """The SimPy model is used where the compiled engine was preferred; the text says why."""


class WorkersWarning(LabWarning):
    """No worker processes can be started on this machine; the text says why."""


class ScenarioWarning(LabWarning):
    """Something about a scenario that its run may not show; the text is one sentence that names field and value."""


@contextmanager
def writing(path: str | Path) -> Iterator[None]:
    """Turn what the system refuses while a file or folder is written into one sentence that names it.

    Raises:
        ScenarioError: it cannot be written.
    """
    try:
        yield
    except UnicodeEncodeError:
        raise ScenarioError(f"{path}: cannot be written (its name is not text in UTF-8).") from None
    except (FileExistsError, NotADirectoryError):
        raise ScenarioError(f"{path}: cannot be written (a file is where a folder should be).") from None
    except OSError as error:
        raise ScenarioError(f"{path}: cannot be written ({error.strerror or error}).") from None


def check_output(option: str, path: Path | None, folder: bool = False) -> None:
    """Make the folder of an output before the work that is to end there, so that nothing is computed for nothing.

    Args:
        option: the option that names it, as in `--save`.
        path: file, or the folder itself; None is no output.
        folder: whether `path` is a folder.

    Raises:
        ScenarioError: it cannot be written.
    """
    if path is None:
        return
    with writing(f"{option} {path}"):
        if not folder and path.is_dir():
            raise IsADirectoryError(EISDIR, "it is a folder")
        str(path).encode()
        (path if folder else path.parent).mkdir(parents=True, exist_ok=True)
        if not folder and path.exists() and not os.access(path, os.W_OK):
            raise PermissionError(EACCES, "permission denied")
        if folder or path.is_file() or not path.exists():  # `twin.files.writing` needs room for another file beside it
            with TemporaryFile(dir=path if folder else Path(os.path.realpath(path)).parent):
                pass  # the rights alone say little to root

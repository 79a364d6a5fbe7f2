"""What is wrong with the words of a command, in one sentence that names the option, its value and what is allowed."""

from math import isfinite

import typer
from pydantic import ValidationError

from twin.errors import ScenarioError
from twin.scenario.fields import show
from twin.scenario.overrides import allowed_by


def finite(param: typer.CallbackParam, value: float | None) -> float | None:
    """Return the value of an option that is a number; `inf` and `nan` are none that anybody means.

    Raises:
        ScenarioError: it is one of these.
    """
    if value is not None and not isfinite(value):
        raise ScenarioError(f"{param.opts[-1]} is {value}; allowed is a finite number.")
    return value


def usage_error(error: typer.TyperException) -> str:
    """Return one sentence about words that the command line does not know, or values that it does not take."""
    cause, param = error.__cause__, getattr(error, "param", None)
    if isinstance(cause, ValidationError) and param is not None:
        first = cause.errors()[0]
        return f"{max(param.opts, key=len)} is {show(first['input'])}; allowed is {allowed_by(first)}."
    context = getattr(error, "ctx", None)
    command = context.command_path if context is not None else "./lab"
    said = " ".join(error.format_message().split()).rstrip(".")
    return f"{command}: {said}; {command} --help lists what there is."

"""What a command was asked for and could not do: it shows what there is first, and ends with what is missing."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from twin.errors import LabError, ScenarioError

T = TypeVar("T")


class MissingError(LabError):
    """A command has shown what there is; the text says what is missing, and why (exit status 2)."""


class UnsavedError(ScenarioError):
    """What was asked for is done and could not be written.

    Attributes:
        done: it.
    """

    def __init__(self, text: str, done: Any) -> None:
        super().__init__(text)
        self.done = done


class Missing:
    """What is missing of one command.

    Attributes:
        said: what, and why, one part each.
        interrupted: whether Ctrl-C is why.
    """

    def __init__(self, *kinds: type[BaseException]) -> None:
        """Begin with nothing; `kinds` are the errors after which there is something to show."""
        self.said: list[str] = []
        self.interrupted = False
        self._kinds = kinds

    @contextmanager
    def noted(self, what: str) -> Iterator[None]:
        """Note an error of one of the kinds in this block, which leaves something out, and go on."""
        try:
            yield
        except self._kinds as error:
            self.add(what, error)

    def add(self, what: str, error: BaseException) -> None:
        """Note that something is missing because of an error; one of another kind is raised."""
        if not isinstance(error, self._kinds):
            raise error
        self.interrupted |= isinstance(error, KeyboardInterrupt)
        self.said.append(f"{what} is missing: {str(error).removesuffix('.') or 'interrupted'}")

    def made(self, what: str, make: Callable[[], T]) -> T:
        """Return what is made; if all is done but could not be written, note that."""
        try:
            return make()
        except UnsavedError as error:
            self.add(what, error)
            done: T = error.done
            return done

    def end(self) -> None:
        """Do nothing if nothing is missing; it is called when all is shown that there is.

        Raises:
            MissingError: something is missing.
            KeyboardInterrupt: that is why.
        """
        if self.interrupted:
            raise KeyboardInterrupt
        if self.said:
            raise MissingError("; ".join(self.said) + ".")

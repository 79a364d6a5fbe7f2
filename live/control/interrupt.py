"""Ctrl-C that cannot get lost, and the end of a session or a polite kill (SIGHUP, SIGTERM) that is heard as Ctrl-C is.

Python raises KeyboardInterrupt wherever the main thread happens to be. Inside a callback whose errors Python drops
(after a fork, in a finalizer) the exception is printed and forgotten. So the handler also remembers it, and the lab
asks after each process it starts and at each step of a run.
"""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

_seen = threading.Event()


def _handle(number: int, frame: FrameType | None) -> None:
    _seen.set()
    raise KeyboardInterrupt


@contextmanager
def remembered() -> Iterator[None]:
    """Remember Ctrl-C inside this block; a handler of the user's own and threads but the main one are left alone.

    SIGTERM and SIGHUP do the same unless they are handled or ignored, as under nohup.
    """
    main = threading.current_thread() is threading.main_thread()
    if not main or signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        yield
        return
    others = [one for one in (signal.SIGTERM, signal.SIGHUP) if signal.getsignal(one) is signal.SIG_DFL]
    for one in (signal.SIGINT, *others):
        signal.signal(one, _handle)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        for one in others:
            signal.signal(one, signal.SIG_DFL)
        _seen.clear()


def check() -> None:
    """Raise the KeyboardInterrupt that got lost, if one did.

    Raises:
        KeyboardInterrupt: Ctrl-C came since `remembered` began.
    """
    if _seen.is_set():
        raise KeyboardInterrupt

"""`python -m stormlab` is `./lab`: also while its modules are loaded, Ctrl-C ends it with a sentence."""

import sys
from typing import NoReturn

from stormlab.exhausted import sentence, too_small


def end(error: BaseException) -> NoReturn:
    """End with one sentence if the system has no more of something, and with the error otherwise."""
    said = sentence(error)
    if not said:
        raise error
    sys.stderr.write(f"{said}\n")
    raise SystemExit(2) from None


if said := too_small():
    sys.stderr.write(f"{said}\n")
    raise SystemExit(2)

try:
    from stormlab.app import main
except KeyboardInterrupt:
    sys.stderr.write("Interrupted; nothing was started.\n")
    raise SystemExit(130) from None
except (ImportError, MemoryError, OSError, RuntimeError) as error:
    end(error)

if __name__ == "__main__":
    try:
        main()
    except (ImportError, MemoryError, OSError, RuntimeError) as error:
        end(error)

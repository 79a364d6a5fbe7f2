"""`python -m twin` is `./lab`: also while its modules are loaded, Ctrl-C ends it with a sentence."""

import sys

try:
    from twin.cli import main
except KeyboardInterrupt:
    sys.stderr.write("Interrupted; nothing was started.\n")
    raise SystemExit(130) from None

if __name__ == "__main__":
    main()

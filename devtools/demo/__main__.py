"""`python -m devtools.demo`: exit code 0 only if every step succeeded."""

import sys

from devtools.demo.narrator import DemoFailed, Narrator
from devtools.demo.story import Story
from devtools.embedded import CHECKOUT
from devtools.stack import AlreadyRunning, ProgramFailed, Stack

VAR = CHECKOUT / "var" / "demo"


def main() -> int:
    narrator = Narrator()
    print("Starting PostgreSQL, Valkey, web, worker, beat and the Stripe sandbox …", flush=True)
    try:
        with Stack(VAR, afresh=True) as stack:
            print(f"Ready. Logs: {VAR / 'log'}", flush=True)
            Story(stack, narrator).play()
    except (DemoFailed, LookupError, AlreadyRunning, ProgramFailed) as error:
        print(f"\n{error}\nLogs: {VAR / 'log'}", file=sys.stderr, flush=True)
        return 1
    except KeyboardInterrupt:
        print("\nStopped.", file=sys.stderr)
        return 130
    narrator.end()
    return 0


if __name__ == "__main__":
    sys.exit(main())

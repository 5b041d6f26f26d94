"""`python -m devtools.stack up | down | erase`: the commands of `make up`, `down` and `clean`."""

import sys
import time
from pathlib import Path

from devtools.embedded import CHECKOUT
from devtools.embedded.place import home_of
from devtools.embedded.servers import Servers
from devtools.processes import end
from devtools.stack import AlreadyRunning, ProgramFailed, Stack
from devtools.stack.lock import holder
from devtools.stack.mark import sweep

VAR = CHECKOUT / "var"
WEB_PORT, SANDBOX_PORT, RPC_PORT = 8000, 8010, 50051


def main(arguments: list[str]) -> int:
    match arguments:
        case ["up"]:
            return up(VAR)
        case ["down"]:
            return down(VAR)
        case ["erase"]:
            return erase(VAR)
    return say("Usage: python -m devtools.stack up | down | erase", code=2)


def up(var: Path) -> int:
    """Run the stack until Ctrl-C, or until one of its processes has ended too often."""
    say("Starting PostgreSQL, Valkey, web, worker, beat, deliver, rpc and the sandbox …")
    try:
        with Stack(var, web_port=WEB_PORT, sandbox_port=SANDBOX_PORT, rpc_port=RPC_PORT) as stack:
            seeded = stack.manage("seed_demo", "--key-file", str(var / "demo-key"))
            say(welcome(stack, seeded))
            while True:
                stack.supervise(say)
                time.sleep(0.5)
    except KeyboardInterrupt:
        return say("Stopped. The data stays in var/; make up continues with it.")
    except (AlreadyRunning, ProgramFailed) as error:
        return say(str(error), code=1)


def down(var: Path) -> int:
    """Stop the stack wherever it runs, and anything that a killed one left running."""
    _end_stack(var)
    servers = Servers(home_of(var), durable=True)
    if servers.are_abandoned():
        servers.stop()
    return say("Stopped.")


def erase(var: Path) -> int:
    """Stop everything and delete the servers' data."""
    _end_stack(var)
    Servers(home_of(var), durable=True).discard()
    return say("Stopped, and the data is deleted.")


def _end_stack(var: Path) -> None:
    running = holder(var)
    process = running.process() if running else None
    if process is not None:
        end(process, patience=30)
    sweep(var, patience=10)


def welcome(stack: Stack, seeded: str) -> str:
    return f"""
Tollgate is running. Ctrl-C stops it.

  API docs        {stack.web_url}/api/docs
  Console         {stack.web_url}/admin/
  Stripe sandbox  {stack.sandbox_url}
  gRPC            {stack.rpc_address} (docs/grpc.md)
  Logs            {stack.var / "log"}
  Mails           {stack.mail_folder or "sent by the server of EMAIL_URL"}
  Deliveries      {stack.web_url}/admin/delivery/webhookendpoint/

{seeded.rstrip()}
"""


def say(text: str, *, code: int = 0) -> int:
    """Print the text; return the exit code."""
    print(text, file=sys.stderr if code else sys.stdout, flush=True)
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

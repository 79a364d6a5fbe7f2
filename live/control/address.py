"""Where a Redis or Valkey server is and how to get in: all that a URL says, for every client, or a refusal.

Source: redis-py, `redis.connection.parse_url`, for the URLs; what it drops in silence (an option that nobody knows, a
database that is no number) is refused here, because a setting that is lost on the way to a part would let it speak to
another server, or in clear.
"""

import functools
import os
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

from live.control.messages import Struct
from twin.errors import HostError

if TYPE_CHECKING:
    import ssl

PASSWORD_VARIABLE = "STORMLAB_REDIS_PASSWORD"
"""Environment variable with the password of the user's own server; no process that is started inherits it."""
MOST_PASSWORD = 4096
"""Bytes that a password may have."""
VERIFY = ("required", "optional", "none")
"""How the server's certificate is looked at, see `ssl.SSLContext.verify_mode`."""
ANYWHERE = ("db", "username", "password")
FILES = {"ssl_ca_certs": "authorities", "ssl_certfile": "certificate", "ssl_keyfile": "key"}
OPTIONS = (*ANYWHERE, "ssl_cert_reqs", "ssl_check_hostname", *FILES)
"""Options of a URL that are carried to every client."""


class Way(Struct):
    """Where a relay connects: host and port, or the path of a Unix socket."""

    host: str
    port: int
    path: str = ""


@dataclass(frozen=True)
class Address:
    """Where the server is, and as whom to log in.

    Attributes:
        path: of a Unix socket; host and port do not count then.
        tls: whether to speak TLS.
        server_name: name in the server's certificate; the host's by default.
        verify: one of `VERIFY`.
        check_name: whether the certificate must be for `server_name`.
        authorities: file of certificates that are trusted beside the system's.
        certificate, key: files of a client that shows who it is.
    """

    host: str = "localhost"
    port: int = 6379
    username: str = ""
    password: str = field(default="", repr=False)
    db: int = 0
    path: str = ""
    tls: bool = False
    server_name: str = ""
    verify: str = "required"
    check_name: bool = True
    authorities: str = ""
    certificate: str = ""
    key: str = ""

    def __str__(self) -> str:
        """Return the URL without password and options: what messages show."""
        user = f"{self.username}{':***' if self.password else ''}@" if self.username or self.password else ""
        if self.path:
            return f"unix://{user}{self.path}?db={self.db}"
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{'rediss' if self.tls else 'redis'}://{user}{host}:{self.port}/{self.db}"

    @property
    def login(self) -> tuple[str, ...]:
        """The arguments of AUTH; none when nobody has to log in."""
        if self.username:
            return (self.username, self.password)
        return (self.password,) if self.password else ()

    @property
    def way(self) -> Way:
        """Where a relay connects, which passes on whatever is said, TLS included."""
        return Way(self.host, self.port, self.path)

    def through(self, port: int) -> "Address":
        """Return the same server behind a relay on this machine."""
        everything = {**vars(self), "host": "127.0.0.1", "port": port, "path": ""}
        return Address(**everything | {"server_name": self.server_name or self.host})


@functools.cache
def tls_context(address: Address) -> "ssl.SSLContext":
    """Return the TLS settings of an address: made once a process, as it takes milliseconds to read all certificates.

    Raises:
        OSError: a file of certificates cannot be read, or is none (`ssl.SSLError`).
    """
    import ssl

    context = ssl.create_default_context()
    context.check_hostname = address.check_name and address.verify != "none"
    context.verify_mode = ssl.VerifyMode[f"CERT_{address.verify.upper()}"]
    if address.authorities:
        context.load_verify_locations(address.authorities)
    if address.certificate:
        context.load_cert_chain(address.certificate, address.key or None)
    return context


def redacted(url: str) -> str:
    """Return a URL, or what was meant to be one, without what may be a password."""
    head, at, tail = url.rpartition("@")
    if at:
        scheme, slashes, user = head.rpartition("//")
        name, colon, _ = user.partition(":")
        head = f"{scheme}{slashes}{name if colon else ''}{':' if name and colon else ''}***"
    else:  # the end of the host is missing, or what begins it
        tail = re.sub(r"^((?:\w+://)?[^/?#\[]*:)(?!//|\d+(?:[/?#]|$))[^?]*", r"\1***", tail)
    return re.sub(r"([?&]password=)[^&]*", r"\1***", f"{head}{at}{tail}")


def address_of(url: "str | Address", password_file: Path | None = None) -> Address:
    """Return all that a URL says of the user's own server; an address is returned as it is.

    The password is that of the URL, or else that of the file, or else that of `PASSWORD_VARIABLE`.

    Args:
        url: redis://, rediss:// (TLS) or unix://, with the options of `OPTIONS`.
        password_file: its first line is the password.

    Raises:
        HostError: the URL says what cannot be carried to every client, or the file holds no password.
    """
    if isinstance(url, Address):
        return url
    try:
        found = _parsed(url)
    except ValueError as problem:
        raise HostError(f"--redis-url {redacted(url)}: {problem}.") from None
    if password_file is not None:
        if found.get("password"):
            raise HostError(
                "--redis-password-file is given, and --redis-url has a password, too; leave one of them out."
            )
        found["password"] = _password_in(password_file)
    found.setdefault("password", os.environ.get(PASSWORD_VARIABLE, ""))
    return Address(**found)


def _password_in(path: Path) -> str:
    where = f"--redis-password-file {path}"
    try:
        with path.open("rb") as file:
            data = file.read(MOST_PASSWORD + 1)
        password = data.split(b"\n")[0].rstrip(b"\r").decode()
    except OSError as error:
        raise HostError(f"{where}: it cannot be read ({error.strerror}).") from None
    except UnicodeDecodeError:
        raise HostError(f"{where}: its first line is no text in UTF-8.") from None
    if not 0 < len(password.encode()) <= MOST_PASSWORD:
        raise HostError(f"{where}: its first line must be the password, of 1 to {MOST_PASSWORD} bytes.")
    return password


def _parsed(url: str) -> dict[str, Any]:
    """Return the fields of an `Address` that a URL names.

    Raises:
        ValueError: a problem, in words that show nothing of a password.
    """
    scheme = url.partition("://")[0]
    if scheme not in ("redis", "rediss", "unix") or "://" not in url:
        raise ValueError("it must begin with redis://, rediss:// (TLS) or unix://")
    try:
        parts = urlsplit(url)
    except ValueError:
        raise ValueError("it is not a URL") from None
    if parts.fragment:
        raise ValueError("it has a '#', which is written %23 in a password")
    options = _options(parts)
    found: dict[str, Any] = {}
    for name in ("username", "password"):
        value = unquote(getattr(parts, name) or "") or options.get(name, "")
        if value:
            found[name] = value
    place = _unix(parts) if scheme == "unix" else _network(parts)
    if "db" in options:
        if "db" in place:
            raise ValueError("it names a database twice, in its path and as db")
        place["db"] = _database(options["db"])
    return found | place | _tls(scheme, options)


def _options(parts: SplitResult) -> dict[str, str]:
    options = dict(parse_qsl(parts.query, keep_blank_values=True))
    unknown = [name for name in options if name not in OPTIONS]
    if unknown:
        first = f"its option {unknown[0]}" if unknown[0].isidentifier() else "one of its options"  # else of a password
        raise ValueError(f"{first} is not carried to every client; allowed are {', '.join(OPTIONS)}")
    return options


def _unix(parts: SplitResult) -> dict[str, Any]:
    path = unquote(parts.path)
    if parts.netloc.rpartition("@")[2] or len(path) < 2:
        raise ValueError("unix:// is followed by the absolute path of a socket, as in unix:///run/valkey.sock")
    return {"path": path}


def _network(parts: SplitResult) -> dict[str, Any]:
    try:
        port = parts.port
    except ValueError:
        port = 0
    if port == 0:
        raise ValueError(
            "its port must be from 1 to 65535; a '/', '?', '@' or ':' in a password is written %2F and so on"
        )
    host = unquote(parts.hostname or "localhost")
    database = unquote(parts.path).strip("/")
    return {"host": host, "port": port or 6379} | ({"db": _database(database)} if database else {})


def _database(text: str) -> int:
    if not re.fullmatch(r"[0-9]{1,6}", text):
        raise ValueError("its database must be a whole number from 0")
    return int(text)


def _tls(scheme: str, options: dict[str, str]) -> dict[str, Any]:
    wanted = {name: value for name, value in options.items() if name not in ANYWHERE}
    if scheme != "rediss":
        if wanted:
            raise ValueError(f"its option {min(wanted)!r} needs rediss://")
        return {}
    found: dict[str, Any] = {"tls": True}
    for option, name in FILES.items():
        if option in wanted:
            path = Path(wanted[option])
            if not (path.is_file() and os.access(path, os.R_OK)):
                raise ValueError(f"{option} is {str(path)!r}, which is no file that can be read")
            found[name] = str(path.absolute())
    if "key" in found and "certificate" not in found:
        raise ValueError("ssl_keyfile needs ssl_certfile")
    found["verify"] = wanted.get("ssl_cert_reqs", "required")
    if found["verify"] not in VERIFY:
        raise ValueError(f"ssl_cert_reqs is {found['verify']!r}; allowed is {', '.join(VERIFY)}")
    checked = wanted.get("ssl_check_hostname", "true").lower()
    if checked not in ("true", "false", "1", "0", "yes", "no"):
        raise ValueError(f"ssl_check_hostname is {checked!r}; allowed is true or false")
    return found | {"check_name": checked in ("true", "1", "yes")}

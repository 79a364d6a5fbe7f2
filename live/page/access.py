"""Who may use the page of `./lab serve`: whoever has its link, as in Jupyter.

Other users of the machine reach every port on loopback. So the link that is printed holds a secret; a browser trades it
for a cookie, and a script shows it in `Authorization: Bearer` (or `token`). Secret and cookie are made for one server
and are kept in its memory only. A browser sends a cookie to every port of an address (RFC 6265, section 8.5), so the
cookie's name contains the port and two servers do not overwrite each other's. Sources: RFC 6265 and the draft that
follows it (SameSite); Jupyter Server, "Security".
"""

import secrets
from collections.abc import Sequence
from typing import Literal

from twin.rules.credentials import same, shown_credentials

Way = Literal["", "cookie", "header"]
"""How a request shows that it may: not at all, as a browser, as a script."""
SECRET_BYTES = 32
WHERE = "open the link that ./lab serve printed on its terminal"
"""What somebody is told who is not let in."""


class PageAccess:
    """The secret of one server's link, and its cookie.

    Args:
        port: of the server.
    """

    def __init__(self, port: int) -> None:
        self.key = secrets.token_urlsafe(SECRET_BYTES)
        self.cookie_name = f"stormlab-{port}"
        self._cookie = secrets.token_urlsafe(SECRET_BYTES)

    @property
    def set_cookie(self) -> str:
        """The value of `Set-Cookie` for a browser that has shown the link's secret; it forgets it when it ends."""
        return f"{self.cookie_name}={self._cookie}; Path=/; HttpOnly; SameSite=Strict"

    def opens(self, shown: Sequence[str]) -> bool:
        """Tell whether the `token`s of a link are the secret, once."""
        return len(shown) == 1 and same(self.key, shown[0])

    def way(self, authorization: Sequence[str], cookies: Sequence[str]) -> Way:
        """Return how a request shows that it may use the page.

        Args:
            authorization: its `Authorization` headers.
            cookies: its `Cookie` headers. Programs on other ports of this machine may have set some of the same name,
                so one good one is enough.

        Raises:
            ValueError: an `Authorization` header cannot be read.
        """
        scheme, shown = shown_credentials(authorization)
        if scheme in ("bearer", "token"):
            return "header" if same(self.key, shown) else ""
        pairs = [pair.strip().partition("=") for header in cookies for pair in header.split(";")]
        good = [same(self._cookie, value) for name, _, value in pairs if name == self.cookie_name]
        return "cookie" if any(good) else ""

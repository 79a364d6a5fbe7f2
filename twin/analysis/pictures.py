"""How a comparison or a sweep is drawn, although it knows no picture: the pictures know it, not the other way round.

`twin` says who draws what as soon as it is imported. Who draws is loaded at the first picture: most commands draw none.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Kind = Literal["comparison", "scatter", "sweep"]

_artists: dict[Kind, Callable[..., "Figure"]] = {}


def drawn_by(kind: Kind, artist: Callable[..., "Figure"]) -> None:
    """Let `artist` draw all pictures of a kind; it gets what `draw` gets."""
    _artists[kind] = artist


def draw(kind: Kind, *what: Any) -> "Figure":
    """Return a picture of a kind."""
    return _artists[kind](*what)

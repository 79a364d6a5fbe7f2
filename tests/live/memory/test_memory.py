"""Real nodes with a limit of their memory: the kernel holds them to it, and both worlds see the same end."""

import pytest

pytestmark = pytest.mark.live

import sys

import pytest

from twin.lazy import loader


def test_a_name_is_loaded_once_from_its_home_and_others_are_none_of_the_package():
    package = {"__name__": "hall"}
    load = loader(package, {"sqrt": "math"})
    assert "sqrt" not in package
    assert load("sqrt") is package["sqrt"] is sys.modules["math"].sqrt
    with pytest.raises(AttributeError, match=r"^module 'hall' has no attribute 'cbrt'$"):
        load("cbrt")

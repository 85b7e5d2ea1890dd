import pytest

from tfbert.errors import InputError
from tfbert.layers.arguments import check_rates, check_sizes


def test_all_wrong_sizes_are_named():
    with pytest.raises(InputError, match=r"Layer: .* a=0, b=2\.0, c=True"):
        check_sizes("Layer", a=0, b=2.0, c=True, d=1)
    check_sizes("Layer", d=1)


def test_all_wrong_rates_are_named():
    with pytest.raises(InputError, match=r"Layer: .* a=1\.0, b=-0\.1"):
        check_rates("Layer", a=1.0, b=-0.1, c=0)
    check_rates("Layer", c=0.0)

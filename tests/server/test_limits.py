import dataclasses

import pytest

from tfbert.errors import InputError
from tfbert.server import Limits


@pytest.mark.parametrize("name", [field.name for field in dataclasses.fields(Limits)])
def test_each_bound_is_above_zero(name):
    with pytest.raises(InputError, match=f"{name}=0"):
        Limits(**{name: 0})
    with pytest.raises(InputError, match=f"{name}=nan"):
        Limits(**{name: float("nan")})

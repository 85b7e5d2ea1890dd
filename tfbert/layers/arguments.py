"""What every layer's constructor checks of its arguments."""

from tfbert.errors import InputError


def check_sizes(layer: str, **sizes: int) -> None:
    """Refuse sizes that are not positive integers, all of them at once."""
    wrong = [f"{name}={value!r}" for name, value in sizes.items() if type(value) is not int or value < 1]
    if wrong:
        raise InputError(f"{layer}: sizes must be positive integers, received {', '.join(wrong)}.")


def check_rates(layer: str, **rates: float) -> None:
    """Refuse dropout rates outside [0, 1), all of them at once."""
    wrong = [f"{name}={value!r}" for name, value in rates.items() if not 0 <= value < 1]
    if wrong:
        raise InputError(f"{layer}: dropout rates must be at least 0 and below 1, received {', '.join(wrong)}.")

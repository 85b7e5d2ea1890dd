"""How long something takes, in words."""


def duration(seconds: float) -> str:
    """Return a number of seconds as a person reads it.

    >>> duration(59.6), duration(8.2)
    ('1 min 00 s', '8 s')
    """
    seconds = round(seconds)
    return f"{seconds // 60} min {seconds % 60:02d} s" if seconds >= 60 else f"{seconds} s"

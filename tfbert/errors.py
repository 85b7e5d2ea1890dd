"""The one error that says: what the user supplied cannot be used."""


class InputError(ValueError):
    """A file, row, flag or setting supplied by the user breaks a rule.

    The message states the rule, what was received (file, row, field, value, shape or dtype) and what to do. Recipes
    print it as one line and exit with status 2; anything else that is raised is a defect of ours and keeps its
    traceback.
    """

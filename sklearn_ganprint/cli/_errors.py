"""What the commands raise."""


class CommandError(Exception):
    """Wrong use of the command line; the message says what to do."""

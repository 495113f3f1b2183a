"""The one exception for what a user can cause."""


class UserError(Exception):
    """Something a user can cause and put right.

    Its message is one line that names the file or the flag and what to do. Scripts end on it with exit code 2
    (see :mod:`tools.command_line`); anything else keeps its traceback.
    """


class Stopped(Exception):
    """Work ended early because it was asked to, with what is done kept; shown as one line.

    Parameters
    ----------
    message : str
    code : int
        What the process exits with.
    """

    def __init__(self, message, code):
        super().__init__(message)
        self.code = code

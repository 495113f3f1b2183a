"""The one exception for what a user can cause."""

_LONGEST_QUOTE, _LONGEST_WORD, _LONGEST = 120, 200, 2000
_LONGEST_NAME, _LONGEST_PATH = 255, 800  # of a file, in bytes on most systems; longer ones exist and may be shortened


class UserError(Exception):
    """Something a user can cause and put right.

    Its message is one line that names the file or the flag and what to do. Scripts end on it with exit code 2
    (see :mod:`tools.command_line`); anything else keeps its traceback. What a damaged file holds may be long: the message
    is kept as `shortened` returns it.
    """

    def __init__(self, message=""):
        super().__init__(shortened(str(message)))


class Stopped(Exception):
    """Work ended early because it was asked to, with what is done kept; shown as one line.

    Parameters
    ----------
    message : str
    code : int
        What the process exits with.
    """

    def __init__(self, message, code):
        super().__init__(shortened(message))
        self.code = code

    def __reduce__(self):
        return type(self), (self.args[0], self.code)


def quoted(value):
    """Write a value that came from outside for a message: str, at most 120 characters.

    Examples
    --------
    >>> quoted("M1.0"), len(quoted("x" * 10_000))
    ("'M1.0'", 120)
    """
    if isinstance(value, str | bytes):
        value = value[: 2 * _LONGEST_QUOTE]
    try:
        text = repr(value)
    except (ValueError, RecursionError):  # an integer of thousands of digits, a structure of thousands of levels
        text = f"a {type(value).__name__}"
    return _cut(text, _LONGEST_QUOTE)


def shortened(text):
    """Write a message without the length that a value from outside may have given it: str.

    Words of more than 200 characters that are no paths, and messages of more than 2000, lose their middle.

    Examples
    --------
    >>> shortened("flares.csv: no flare") == "flares.csv: no flare", len(shortened("x" * 10_000))
    (True, 200)
    """
    if len(text) > _LONGEST_WORD:
        text = " ".join(word if _is_path(word) else _cut(word, _LONGEST_WORD) for word in text.split(" "))
    return _cut(text, _LONGEST)


def _is_path(word):
    return "/" in word and len(word) <= _LONGEST_PATH and all(len(part) <= _LONGEST_NAME for part in word.split("/"))


def _cut(text, most):
    if len(text) <= most:
        return text
    tail = most // 4
    return f"{text[: most - tail - 5]} ... {text[-tail:]}"

"""Digests of files, to compare their content."""

import hashlib


def of_file(path):
    """Compute the SHA-256 of a file's bytes.

    Parameters
    ----------
    path : str or pathlib.Path

    Returns
    -------
    str
        64 hexadecimal digits.

    Raises
    ------
    OSError
        The file cannot be read.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = pathlib.Path(folder) / "empty.txt"
    ...     _ = path.write_bytes(b"")
    ...     of_file(path)[:12]
    'e3b0c44298fc'
    """
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()

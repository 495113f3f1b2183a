"""Header cards as archives write them: numbers, words of bits, texts and times, or one line that names file and card.

AIA, HMI and JPEG 2000 readers share this. Cards may be missing, blank, ``nan`` (quoted or not), text where numbers belong,
or hexadecimal text. A value that the result needs and that is no finite number is an error; one that only describes
(`Keywords.described`) is left out.
"""

import datetime
import math
import re

import numpy

from tools.errors import UserError

# First times (UTC) at which TAI is ahead by so many seconds, from the Bulletin C of the IERS; SOHO began in 1996.
_TAI_MINUS_UTC = (
    ("1996-01-01", 30),
    ("1997-07-01", 31),
    ("1999-01-01", 32),
    ("2006-01-01", 33),
    ("2009-01-01", 34),
    ("2012-07-01", 35),
    ("2015-07-01", 36),
    ("2017-01-01", 37),
)
_STEPS = numpy.array([day for day, _ in _TAI_MINUS_UTC], "datetime64[ms]")
_SECONDS = numpy.array([seconds for _, seconds in _TAI_MINUS_UTC]) * numpy.timedelta64(1000, "ms")
_TIME = re.compile(
    r"(\d{4})[-./](\d\d)[-./](\d\d)(?:[T _](\d\d):(\d\d)(?::(\d\d)(\.\d*)?)?)? ?(Z|UTC|_UTC|TAI|_TAI|\+00:00)?", re.IGNORECASE
)
_CLOCK = re.compile(r"\d\d:\d\d(:\d\d(\.\d*)?)?")
_TIME_CARDS = (("DATE-OBS", "TIME-OBS"), ("DATE_OBS", "TIME_OBS"), ("T_OBS", None), ("DATE-AVG", None), ("DATE-BEG", None))
_REQUIRED = object()


class Keywords:
    """Header cards of one file.

    Parameters
    ----------
    cards : mapping of str to value
        An `astropy.io.fits.Header`, or the texts of a JPEG 2000 file's XML (see
        `dataset_models.images.jpeg2000.stored_header`).
    path : str or pathlib.Path
        Named in errors.

    Examples
    --------
    >>> cards = Keywords({"CRPIX1": "2048.50", "RSUN_LF": "nan", "QUALITY": "0x40000000"}, "sun.jp2")
    >>> cards.number("CRPIX1"), cards.described("RSUN_LF"), cards.bits("QUALITY")
    (2048.5, None, 1073741824)
    """

    def __init__(self, cards, path):
        self._cards, self.path = cards, path

    def __contains__(self, card):
        return card in self._cards

    def text(self, card):
        """Read a card as text without surrounding blanks, empty where it is missing or blank: str."""
        value = self._value(card)
        return "" if value is None else str(value).strip()

    def described(self, card):
        """Read a number that only describes: float, or None where the card holds no finite number."""
        value = _number(self._value(card))
        return value if value is not None and math.isfinite(value) else None

    def number(self, card, default=_REQUIRED, *, purpose="number"):
        """Read a number that the result needs.

        Parameters
        ----------
        card : str
        default : float, optional
            Taken where there is no such card. Required when not given.
        purpose : str
            What the card gives, as in "its header gives no pointing".

        Returns
        -------
        float

        Raises
        ------
        UserError
            No such card (and no default), or it is blank, not finite, or no number.
        """
        if card not in self and default is not _REQUIRED:
            return default
        value = self.described(card)
        if value is None:
            raise self.refusal(card, purpose)
        return value

    def bits(self, card):
        """Read a word of bits, as QUALITY is: int from 0, 0 where there is no such card.

        Raises
        ------
        UserError
            The card is no whole number, in decimal or (as JSOC writes it in texts) hexadecimal digits.
        """
        if card not in self:
            return 0
        value = self._value(card)
        try:
            word = int(value, 16) if isinstance(value, str) and re.match(r"\s*[+-]?0x", value, re.IGNORECASE) else None
        except ValueError:
            word = None
        if word is None:
            number = _number(value)
            word = int(number) if number is not None and math.isfinite(number) and number == int(number) else None
        if word is None or not -(2**31) <= word < 2**32:
            raise self.refusal(card, "QUALITY word")
        return word & 0xFFFFFFFF

    def time(self):
        """Read when the observation was made: ``datetime64[ms]``, UTC.

        The first of DATE-OBS (with TIME-OBS where it holds a day only), DATE_OBS, T_OBS, DATE-AVG and DATE-BEG that
        holds it. Times in TAI are converted; a leap second, 23:59:60, is the first of the next day.

        Raises
        ------
        UserError
            No card does.
        """
        time = self._clock_time()
        if time is None:
            raise self.refusal(next((card for card, _ in _TIME_CARDS if card in self), "DATE-OBS"), "time")
        return time

    def day(self):
        """Read the day of an observation whose cards give a date and no clock time: ``datetime64[D]``; None for any other."""
        days = [match for card, _ in _TIME_CARDS if (match := _TIME.fullmatch(self.text(card))) and _is_date(match)]
        if not days or self._clock_time() is not None:
            return None
        return numpy.datetime64("-".join(days[0].groups()[:3]), "D")

    def refusal(self, card, purpose):
        """Make the error for a card that lacks what is needed: `UserError`."""
        value = self.text(card)[:40]
        shown = f"= {value}" if value else "is blank" if card in self else "is missing"
        return UserError(f"{self.path}: its header gives no {purpose} ({card} {shown}); leave it out or fetch it again")

    def _clock_time(self):
        for card, clock in _TIME_CARDS:
            text = self.text(card)
            if clock and _CLOCK.fullmatch(self.text(clock)) and ":" not in text:
                text = f"{text}T{self.text(clock)}"
            time = parse_time(text, is_tai=self.text("TIMESYS").upper() == "TAI")
            if time is not None:
                return time
        return None

    def _value(self, card):
        """Look up what a card holds; None where it is missing or blank."""
        try:
            value = self._cards.get(card)
        except Exception:  # astropy's VerifyError for a card that it cannot repair
            return None
        if isinstance(value, str):
            return value.strip().strip("'\"").strip() or None
        return value if isinstance(value, (int, float, numpy.number)) else None  # blank cards are Undefined objects


def _number(value):
    """Convert a header's value to a number, possibly not finite: float; None for texts and flags."""
    if value is None or isinstance(value, bool):
        return None
    try:
        return float(value.lower().replace("d", "e") if isinstance(value, str) else value)
    except (ValueError, OverflowError):
        return None


def _is_date(match):
    try:
        datetime.date(int(match[1]), int(match[2]), int(match[3]))
    except ValueError:
        return False
    return True


def parse_time(text, *, is_tai=False):
    """Read a time as archives write it.

    Parameters
    ----------
    text : str
        ``2014-06-06T00:00:02.57Z``, ``2014/06/06 00:00:02``, ``2014.06.06_00:00:02_TAI``; a text without a clock time is
        none, nor is ``MISSING``.
    is_tai : bool
        The time is in TAI also where the text does not end in ``TAI``.

    Returns
    -------
    numpy.datetime64 or None
        ``datetime64[ms]``, UTC. A leap second counts as the first second of the next day.

    Examples
    --------
    >>> parse_time("2016-12-31T23:59:60.5Z"), parse_time("2011.02.15_02:00:00_TAI")
    (np.datetime64('2017-01-01T00:00:00.500'), np.datetime64('2011-02-15T01:59:26.000'))
    """
    match = _TIME.fullmatch(text.strip())
    if match is None or match[4] is None or not _is_date(match):
        return None
    year, month, day, hour, minute, second, fraction, scale = match.groups()
    if int(hour) > 23 or int(minute) > 59 or int(second or 0) > 60:
        return None
    time = numpy.datetime64(f"{year}-{month}-{day}T{hour}:{minute}", "ms") + numpy.timedelta64(int(second or 0), "s")
    time += numpy.timedelta64(int(((fraction or ".0")[1:] + "000")[:3]), "ms")
    is_tai = is_tai or (scale or "").strip("_").upper() == "TAI"
    return utc_from_tai(time) if is_tai else time


def utc_from_tai(time):
    """Convert TAI to UTC, from 1996 on: ``datetime64`` of the same unit."""
    seconds = _SECONDS[max(int(numpy.searchsorted(_STEPS + _SECONDS, time.astype("datetime64[ms]"), "right")) - 1, 0)]
    return (time.astype("datetime64[ms]") - seconds).astype(time.dtype)

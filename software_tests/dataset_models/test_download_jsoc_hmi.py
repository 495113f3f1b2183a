"""HMI magnetograms of JSOC through the downloader, against a server on loopback that answers as JSOC's programs do."""

import importlib.util
import io
import json
import pathlib
import re
import urllib.parse

import numpy
import pytest
from astropy.io import fits

from dataset_models.download import checks, fetcher, jsoc_client, jsoc_hmi, manifest
from dataset_models.images.headers import utc_from_tai
from dataset_models.SDO.HMI import magnetogram_images
from tools.errors import UserError

_place = pathlib.Path(__file__).with_name("archive_server.py")
_spec = importlib.util.spec_from_file_location("archive_server", _place)
archive_server = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(archive_server)

QUICK = fetcher.Limits(connections=4, rate=0, connect=2.0, stall=0.4, total=1.5, tries=6, pause=0.01, longest_pause=0.2)
SIZE = 32
ADDRESS = "somebody+flares@example.org"
BAD = 0x80000000  # QUALITY of a record without data
FITS = "/SUM90/D1/S00000"


def magnetogram(record, seconds=720, *, size=SIZE, pixels=None, rice=True, **cards):
    """A small magnetogram with JSOC's cards: bytes."""
    scale = 2457.6 / size
    row, column = (numpy.mgrid[:size, :size] - (size - 1) / 2) * scale
    seed = int.from_bytes(record.encode(), "big") % 2**32
    gauss = numpy.random.default_rng(seed).normal(0, 80, (size, size)).round(1) if pixels is None else pixels
    gauss = numpy.where(row**2 + column**2 > 950**2, numpy.nan, gauss).astype("float32")
    date, clock = record.removesuffix("_TAI").split("_")
    begun = utc_from_tai(numpy.datetime64(f"{date.replace('.', '-')}T{clock}", "ms")) - numpy.timedelta64(500 * seconds, "ms")
    header = fits.Header()
    header.update({"CTYPE1": "HPLN-TAN", "CTYPE2": "HPLT-TAN", "CUNIT1": "arcsec", "CUNIT2": "arcsec", "CROTA2": 179.93})
    header.update({"CDELT1": scale, "CDELT2": scale, "CRPIX1": (size + 1) / 2, "CRPIX2": (size + 1) / 2, "CRVAL1": 0.0})
    header.update({"CRVAL2": 0.0, "RSUN_OBS": 945.0, "BUNIT": "Gauss", "TELESCOP": "SDO/HMI", "INSTRUME": "HMI_SIDE1"})
    header.update({"CONTENT": "MAGNETOGRAM", "WAVELNTH": 6173.0, "QUALITY": 0, "T_REC": record, "CADENCE": float(seconds)})
    header.update({"DATE-OBS": str(begun), "DSUN_OBS": 1.519e11, "HGLN_OBS": 0.0, "HGLT_OBS": 1.2})
    for card, value in cards.items():
        header[card.replace("_OBS", "-OBS") if card.startswith("DATE") else card] = value
    stream = io.BytesIO()
    unit = (
        fits.CompImageHDU(gauss, header, compression_type="RICE_1", quantize_level=-0.1)
        if rice
        else fits.ImageHDU(gauss, header)
    )
    fits.HDUList([fits.PrimaryHDU(), unit]).writeto(stream, checksum=True)
    return stream.getvalue()


class Jsoc(archive_server.ArchiveServer):
    """A server with records of magnetograms, which it exports when it is asked to.

    Attributes
    ----------
    records : dict of str to int
        QUALITY by T_REC.
    ready_after : int
        Questions until an export is ready.
    exports : dict of str to list
        Records by the export's number.
    refusal : dict or None
        The answer to each request for an export.
    empty : set of str
        Records of which an export has no file.
    """

    def __init__(self, faults=None, *, series="hmi.M_720s", seconds=720):
        super().__init__(faults)
        self.records, self.exports, self.asked, self.empty = {}, {}, {}, set()
        self.ready_after, self.refusal, self.series, self.seconds = 1, None, series, seconds
        for name, answer in (("jsoc_info", self.info), ("jsoc_fetch", self.fetch), ("checkAddress.sh", self.check)):
            self.add(f"/cgi-bin/ajax/{name}", answer)

    def day(self, day, clocks):
        """Have records of a day, such as ``("2014.06.17", {"00:00:00": 0})``."""
        self.records |= {f"{day}_{clock}_TAI": word for clock, word in clocks.items()}

    def info(self, query):
        assert query["op"] == "rs_list"
        series, day = re.fullmatch(r"([\w.]+)\[(\d{4}\.\d\d\.\d\d)_00:00:00_TAI/1d\]", query["ds"]).groups()
        if series != self.series:
            return json.dumps({"status": 1, "error": f"Series {series} does not exist"}).encode()
        found = sorted(record for record in self.records if record.startswith(day))
        answer = {"status": 0, "count": len(found), "runtime": 0.01}
        if found:
            words = [f"0x{self.records[record]:08X}" for record in found]
            answer["keywords"] = [{"name": "T_REC", "values": found}, {"name": "QUALITY", "values": words}]
        return json.dumps(answer).encode()

    def fetch(self, query):
        if query["op"] == "exp_request":
            if self.refusal:
                return json.dumps(self.refusal).encode()
            assert query["notify"] == ADDRESS
            assert (query["method"], query["protocol"]) == ("url", "fits")
            series, records = re.fullmatch(r"([\w.]+)\[(.*)\]\{magnetogram\}", query["ds"]).groups()
            assert series == self.series
            number = f"JSOC_20140617_{len(self.exports) + 1:03d}"
            self.exports[number] = records.split(",")
            self.asked[number] = 0
            return json.dumps({"status": 2, "requestid": number, "method": "url", "protocol": "fits", "wait": 9}).encode()
        number = query["requestid"]
        if number not in self.exports:
            return json.dumps({"status": 6, "requestid": number, "error": "RequestID not found"}).encode()
        self.asked[number] += 1
        if self.asked[number] < self.ready_after:
            return json.dumps({"status": 1, "requestid": number, "method": "url", "protocol": "fits", "wait": 9}).encode()
        data = []
        for place, record in enumerate(self.exports[number]):
            name = "NoDataFile" if record in self.empty else f"{number}_{place}.magnetogram.fits"
            data.append({"record": f"{self.series}[{record}][3]{{magnetogram}}", "filename": name})
            if record not in self.empty:
                self.files.setdefault(f"{FITS}/{name}", magnetogram(record, self.seconds))
        answer = {"status": 0, "requestid": number, "method": "url", "protocol": "fits", "dir": FITS, "count": len(data)}
        return json.dumps(answer | {"data": data}).encode()

    def check(self, query):
        known = urllib.parse.unquote_plus(query["address"]) == ADDRESS
        return json.dumps({"status": 2 if known else 4, "msg": "known" if known else "unknown"}).encode()


@pytest.fixture(autouse=True)
def small(monkeypatch):
    monkeypatch.setattr(jsoc_hmi, "SIZE", SIZE)
    monkeypatch.setattr(jsoc_hmi, "PAUSE", 0.01)
    monkeypatch.delenv("JSOC_EMAIL", raising=False)


HOURS = {f"{hour:02d}:00:00": 0 for hour in range(24)}
DAY = ["--start", "2014-06-17", "--end", "2014-06-17T04:00", "--cadence", "60"]


def run(server, out, *arguments):
    with pytest.raises(SystemExit) as ended:
        jsoc_hmi.main(["--out", str(out), "--url", server.url, "--rate", "0", "--tries", "1", *map(str, arguments)])
    return ended.value.code


def wanted_of(server, book, times, **others):
    """What is wanted at some times (text), with a client whose limits are quick: (wanted, missing, summary), fetch, client."""
    fetch = fetcher.Fetcher(QUICK, seed=1)
    client = jsoc_client.open_client(server.url, fetch)
    keywords = {"url": server.url, "tolerance": numpy.timedelta64(720, "s")} | others
    return jsoc_hmi.find(numpy.array(times, "datetime64[s]"), "M_720s", book, client, **keywords), fetch, client


def test_a_day_is_listed_exported_fetched_and_read(tmp_path, capsys, monkeypatch):
    tree = tmp_path / "tree"
    with Jsoc() as server:
        server.day("2014.06.16", HOURS)
        server.day("2014.06.17", HOURS)
        jsoc_hmi.main(["--out", str(tree), "--url", server.url, "--dry-run", "--list", str(tmp_path / "list.csv"), *DAY])
        printed = capsys.readouterr().out
        assert "4 files wanted, 0 of them seem to be there, 0 times without an image at the source" in printed
        assert "hmi.M_720s[2014.06.17_01:00:00_TAI]{magnetogram} -> 2014/06/17/hmi.M_720s.20140617_010000_TAI" in printed
        assert not server.exports
        assert not tree.exists()
        assert run(server, tree, *DAY, "--email", ADDRESS) == 0
        assert "4 fetched" in capsys.readouterr().out
        assert list(server.exports.values()) == [[f"2014.06.17_0{hour}:00:00_TAI" for hour in range(4)]]
        images = magnetogram_images.scan(tree)
        assert [str(time) for time in images][:2] == ["2014-06-16T23:59:25", "2014-06-17T00:59:25"], "TAI is 35 s ahead"
        image = magnetogram_images.read(next(iter(images.values())), size=16).image
        assert image.shape == (16, 16, 1)
        assert 0.4 < image[6:10, 6:10].mean() < 0.6
        before = server.requests.copy()
        monkeypatch.setenv("JSOC_EMAIL", ADDRESS)
        assert run(server, tree, *DAY) == 0
        assert "4 already there" in capsys.readouterr().out
        assert server.requests == before, "settled days are remembered, files are there"
        assert run(server, tree, "--verify") == 0
        damaged, gone = sorted(tree.rglob("*.fits"))[:2]
        damaged.write_bytes(damaged.read_bytes()[:-1])
        gone.unlink()
        assert run(server, tree, "--verify") == 1
        server.files = {path: content for path, content in server.files.items() if not path.startswith(FITS)}  # has expired
        assert run(server, tree, "--repair") == 0
        assert len(server.exports) == 2
        assert run(server, tree, "--verify") == 0
    for path in tree.rglob("*"):
        if path.is_file():
            assert b"example.org" not in path.read_bytes(), path


FAULTS = [fault for fault in archive_server.FAULTS if fault not in ("429", "408", "json error")]


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.long
def test_each_fault_of_each_answer_once_then_fine(tmp_path, fault):
    """Listing, address, export, its status and the files: whatever is asked for fails at first."""
    with (
        Jsoc(lambda path, attempt: fault if attempt == 1 else None) as server,
        manifest.Manifest(tmp_path / "t", "test") as book,
    ):
        server.day("2014.06.17", HOURS)
        (wanted, missing, unlisted), fetch, client = wanted_of(server, book, ["2014-06-17T01:00", "2014-06-17T02:00"])
        assert (len(wanted), missing, unlisted.troubles) == (2, {}, {})
        keywords = {"url": server.url, "address": ADDRESS, "patience": 10.0}
        summary = jsoc_hmi.fetch_exported(wanted, book, fetch, client, **keywords)
        assert summary.counts["fetched"] == 2, summary
        assert server.faulty[fault] >= 5
        assert manifest.verify(book, progress=False).intact == 2
    assert not list(tmp_path.rglob("*.part"))


PERMANENT = {
    "html": "rejected: is an HTML page",
    "cut": "rejected: was cut short",
    "drip": "not fetched: took longer than 1 s",
    "drop": "not fetched: ",
    "other image": "rejected: expected an SDO/HMI magnetogram",
    "bit flip": "rejected: ",
    "503": "not fetched: answers 503",
    "404": "missing at the source: answers 404",
}


@pytest.mark.parametrize("fault", PERMANENT)
@pytest.mark.long
def test_a_file_whose_fault_stays_is_named_and_asked_for_again(tmp_path, monkeypatch, fault):
    monkeypatch.setattr(f"{__name__}.QUICK", fetcher.Limits(rate=0, stall=0.6, total=1.0, tries=2, pause=0.01))
    faulty = [True]
    with (
        Jsoc(lambda path, attempt: fault if faulty and path.startswith(FITS) else None) as server,
        manifest.Manifest(tmp_path / "t", "test") as book,
    ):
        server.day("2014.06.17", HOURS)
        (wanted, _, _), fetch, client = wanted_of(server, book, ["2014-06-17T01:00"])
        keywords = {"url": server.url, "address": ADDRESS, "patience": 10.0}
        summary = jsoc_hmi.fetch_exported(wanted, book, fetch, client, **keywords)
        assert [why[: len(PERMANENT[fault])] for why in summary.troubles.values()] == [PERMANENT[fault]]
        assert summary.exit_code == (3 if fault == "404" else 4)
        assert not list(manifest.data_files(tmp_path / "t"))
        assert not list(tmp_path.rglob("*.part"))
        faulty.clear()
        assert jsoc_hmi.fetch_exported(wanted, book, fetch, client, **keywords).counts["fetched"] == 1


def test_an_export_that_was_begun_is_taken_up(tmp_path, capsys):
    tree = tmp_path / "tree"
    arguments = [*DAY, "--email", ADDRESS]
    with Jsoc() as server:
        server.day("2014.06.17", HOURS)
        server.ready_after = 10**6
        assert run(server, tree, *arguments, "--export_wait", "0") == 4
        words = "not fetched: JSOC's export JSOC_20140617_001 is not ready after 0 minutes; run it again to go on"
        assert words in capsys.readouterr().out
        server.ready_after = 1
        assert run(server, tree, *arguments) == 0
        assert len(server.exports) == 1
        # One that has expired is asked for anew.
        server.ready_after = 10**6
        later = ["--start", "2014-06-17T08:00", "--end", "2014-06-17T09:00", "--email", ADDRESS]
        assert run(server, tree, *later, "--export_wait", "0") == 4
        server.ready_after, expired = 1, server.exports.pop("JSOC_20140617_002")
        server.exports["JSOC_20140617_000"] = []
        assert run(server, tree, *later) == 0
        assert list(server.exports.values())[-1] == expired


def test_many_records_are_several_exports_and_what_one_lacks_is_missing(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(jsoc_hmi, "BATCH", 3)
    with Jsoc() as server:
        server.day("2014.06.17", HOURS)
        server.empty = {"2014.06.17_01:00:00_TAI"}
        assert run(server, tmp_path / "tree", *DAY, "--email", ADDRESS) == 3
        assert list(map(len, server.exports.values())) == [3, 1]
    printed = capsys.readouterr().out
    assert "3 fetched, 1 missing at the source" in printed
    assert "20140617_010000_TAI.magnetogram.fits: missing at the source: JSOC's export has no file of it" in printed


def test_the_nearest_sound_record_of_neighbouring_days(tmp_path):
    with Jsoc() as server, manifest.Manifest(tmp_path / "t", "test") as book:
        server.day("2014.06.17", {"00:00:00": 0, "06:00:00": BAD, "06:12:00": 0, "12:00:00": BAD, "23:48:00": 0})
        server.day("2014.06.18", {"00:00:00": BAD})
        times = ["2014-06-16T23:59", "2014-06-17T06:00", "2014-06-17T12:00", "2014-06-17T18:00", "2014-06-17T23:58"]
        (wanted, missing, unlisted), _, _ = wanted_of(server, book, times)
        records = [one.expected["record"] for one in wanted]
        assert records == [f"2014.06.17_{clock}:00_TAI" for clock in ("00:00", "06:12", "23:48")]
        assert wanted[0].expected["time"] == "2014-06-16T23:59:25Z"
        assert [str(time) for time in missing] == ["2014-06-17T12:00:00", "2014-06-17T18:00:00"]
        damaged, absent = missing.values()
        assert damaged.startswith("no sound record, by QUALITY: ")
        assert absent == "no record within 12 minutes"
        assert not unlisted.troubles


def test_a_mistake_ends_in_a_line(tmp_path, monkeypatch):
    tree = tmp_path / "tree"
    with Jsoc() as server:
        server.day("2014.06.17", HOURS)
        with pytest.raises(UserError, match=r"^--email: is needed, .*register yours at http://jsoc"):
            run(server, tree, *DAY)
        with pytest.raises(
            UserError, match=r"^--email nobody@example\.org: is not registered with JSOC; register it at http://"
        ):
            run(server, tree, *DAY, "--email", "nobody@example.org")
        with pytest.raises(UserError, match=r"^1 days could not be listed, .* Series hmi\.M_45s does not exist"):
            run(
                server,
                tree,
                *DAY[:3],
                "2014-06-17T23:00",
                "--start",
                "2014-06-17T01:00",
                "--series",
                "M_45s",
                "--email",
                ADDRESS,
            )
        assert not list(tree.rglob("*.fits"))
        with pytest.raises(UserError, match=r"mistyped: has no files; download something first"):
            run(server, tmp_path / "mistyped", "--verify")


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (
            {"status": 7, "error": "User has 1 pending export request"},
            r"JSOC answers: User has 1 pending export request \[status=7\]",
        ),
        (
            {"status": 3, "requestid": "", "error": "Request exceeds max byte limit"},
            r"JSOC answers: Request exceeds max byte limit",
        ),
        ({"status": 0, "requestid": None, "method": "url"}, r"missing at the source: JSOC's export has no file of it"),
        ({"status": 0, "method": "url", "dir": 7, "data": [1, 2]}, r"JSOC answers what cannot be understood"),
        ({"status": 0, "method": "url", "dir": "/a", "data": [{"record": None}]}, r"JSOC"),
        ({"error": "no status"}, r"which holds no status"),
        ([1], r"which holds no status"),
    ],
)
def test_an_export_that_is_refused_or_nonsense_is_named(tmp_path, capsys, answer, words):
    with Jsoc() as server:
        server.day("2014.06.17", HOURS)
        server.refusal = answer
        assert run(server, tmp_path / "tree", *DAY, "--email", ADDRESS) in (3, 4)
    printed = capsys.readouterr().out
    assert re.search(words, printed), printed
    assert not list((tmp_path / "tree").rglob("*.fits"))


def listing(**keywords):
    """The answer of jsoc_info that lists values of keywords: bytes."""
    parts = [{"name": name, "values": values} for name, values in keywords.items()]
    return json.dumps({"status": 0, "count": 1, "keywords": parts}).encode()


@pytest.mark.parametrize(
    "answer",
    [
        listing(T_REC=["soon"], QUALITY=["0x0"]),
        listing(T_REC=["2014.99.17_00:00:00_TAI"], QUALITY=["0x0"]),
        listing(T_REC=["2014.06.17_00:00:00_TAI"], QUALITY=["none"]),
        listing(T_REC=["2014.06.17_00:00:00_TAI"], QUALITY=[]),
        listing(T_REC=["2014.06.17_00:00:00_TAI"]),
        b'{"status": 0, "count": 1, "keywords": 3}',
        b'{"status": "many"}',
        b"[]",
    ],
)
def test_a_listing_that_is_nonsense_is_named(tmp_path, answer):
    with Jsoc() as server:
        server.add("/cgi-bin/ajax/jsoc_info", answer)
        with pytest.raises(UserError, match=r"^2 days could not be listed, the first because of .*answers") as caught:
            run(server, tmp_path / "tree", *DAY, "--email", ADDRESS)
        assert "\n" not in str(caught.value)


RECORD = "2014.06.17_01:00:00_TAI"
EXPECTED = {"series": "hmi.M_720s", "record": RECORD, "size": SIZE, "time": "2014-06-17T00:59:25Z", "tolerance": 720.0}
HOLES = numpy.full((SIZE, SIZE), 10.0)
HOLES[10:20, 10:20] = numpy.nan


@pytest.mark.parametrize("rice", [True, False])
def test_a_sound_file_passes(tmp_path, rice):
    (tmp_path / "x.part").write_bytes(magnetogram(RECORD, rice=rice))
    assert checks.check("hmi", tmp_path / "x.part", EXPECTED) == numpy.datetime64("2014-06-17T00:53:25", "ms")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (magnetogram("2014.06.17_01:12:00_TAI"), r"^is of T_REC 2014\.06\.17_01:12:00_TAI, not of 2014\.06\.17_01:00:00_TAI"),
        (magnetogram(RECORD, 45), r"^is of a series of 45 s, not of hmi\.M_720s"),
        (magnetogram(RECORD, DATE_OBS="2014-06-17T03:00:00"), r"^observed 2014-06-17T03:00:00\.000Z, 7235 s away"),
        (magnetogram(RECORD, size=64), r"^expected 32 x 32 pixels, received 64 x 64"),
        (magnetogram(RECORD, QUALITY=-2147483648), r"^rejected by its QUALITY: "),
        (magnetogram(RECORD, BUNIT="DN"), r"^expected a magnetogram in gauss"),
        (magnetogram(RECORD, CONTENT="DOPPLERGRAM"), r"^expected an SDO/HMI magnetogram, but its header gives "),
        (magnetogram(RECORD, INSTRUME="AIA_1"), r"^expected an SDO/HMI magnetogram, but its header gives "),
        (magnetogram(RECORD, CDELT1=20.0, CDELT2=20.0), r"^expected the full disk"),
        (magnetogram(RECORD, pixels=HOLES, rice=False), r"of the disk is missing"),
        (magnetogram(RECORD, pixels=numpy.full((SIZE, SIZE), 10.0), rice=False), r"^every pixel is 10"),
        (magnetogram(RECORD)[:-2880], r"."),
        (b"SIMPLE  =", r"."),
    ],
)
def test_what_is_wrong_is_rejected_and_why_is_said(tmp_path, content, words):
    path = tmp_path / "x.part"
    path.write_bytes(content)
    with pytest.raises(checks.Rejected, match=words) as caught:
        checks.check("hmi", path, EXPECTED)
    assert "\n" not in str(caught.value)


@pytest.mark.remote_data
def test_jsoc_on_line():
    client = jsoc_client.open_client("http://jsoc.stanford.edu", fetcher.Fetcher())
    rows = jsoc_client.records(client, "hmi.M_720s[2014.06.17_00:00:00_TAI/1d]", ("T_REC", "QUALITY"))
    assert len(rows) == 120

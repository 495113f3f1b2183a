"""The simulated Sun as files, in the names and formats of the real archives. None of them are observations.

    python dataset_models/simulated/archive.py --out simulated_archive [--start 2014-01-01 --days 2 --cadence_minutes 180]
    python dataset_models/simulated/archive.py --out . --image validation

The first command writes, from one and the same state, without further flags a month with an image a day, 14 M flares or
stronger and 120 MB, in three minutes on one core. It lies on both sides of a New Year, so that the published folds and
splits in time have windows with and without a flare in training and in validation.

    aia/2014/01/01/H0000/AIA20140101_0000_0094.fits ...      JSOC synoptic, Rice-compressed, one file per channel
    aia_legacy/20140101_0000_AIA_08_1024_1024.dat            FlareNet's arrays (with --products legacy)
    aia_browse/2014/01/01/20140101_000000_1024_0304.jpg      as SDO's browse pictures (with --products browse)
    hmi_jpg/2014/01/01/HMI.m2014.01.01_00.00.00.jpg          grey levels, -256 to 256 G
    hmi_fits/hmi.m_720s.20140101_000035_TAI.1.magnetogram.fits
    goes/go1520140101.fits                                   daily X-ray flux
    flares.csv                  start_time, goes_class, fl_lon, fl_lat, peak_time, end_time, noaa_active_region, simulated
    hek.csv donki.json          the same flares as HEK and DONKI answer (with --products hek donki)
    sharp.csv                   parameters of each region, as JSOC's SHARP keywords (with --products sharp)

and the second one image that `SimulatedSun.read_image` reads. Every file is marked as simulated, in the way of its kind:
see `dataset_models.simulation_mark`.
"""

import argparse
import json
import pathlib

import numpy

from dataset_models import simulation_mark
from dataset_models.images import picture_tree
from dataset_models.images.geometry import SOLAR_RADIUS
from dataset_models.observation_times import given_time
from dataset_models.SDO.AIA.degradation import degradation
from dataset_models.simulated import browse_pictures
from dataset_models.simulated.rendering import AIA_CHANNELS, Renderer
from dataset_models.simulated.sun import SimulatedSun, image_header
from tools import atomic_files, command_line, goes_class, options
from tools.errors import UserError
from tools.options import add_number

PRODUCTS = ("aia", "legacy", "browse", "hmi_jpg", "hmi_fits", "goes", "flares", "hek", "donki", "sharp")
USUAL = ("aia", "hmi_jpg", "hmi_fits", "goes", "flares")  # without further flags
_LISTS = {"flares": "flares.csv", "hek": "hek.csv", "donki": "donki.json"}
JPG_CLIP = 256.0  # Gauss, as in the published jpg trees
EXPOSURES = dict.fromkeys(AIA_CHANNELS, 2.9) | {"171": 2.0, "193": 2.0}  # seconds
GOES_CADENCE = 2.048  # seconds
MONTH = {"start": "2013-12-17", "days": 31, "cadence_minutes": 1440}  # an archive without further flags
R_UNIT = 2.2e16  # Mx, of a pixel of MDI with 1 G: Schrijver 2007, ApJ 655, L117
_SATELLITE = 15
_README = "Simulated data: none of these files is an observation. Made by dataset_models/simulated/archive.py.\n"


def write_archive(
    folder, sun, *, products=(*USUAL, "legacy"), aia_size=1024, hmi_size=512, degraded=True, least_class="B1.0", progress=False
):
    """Write the images, the X-ray flux and the flares of a simulated Sun.

    Parameters
    ----------
    folder : str or pathlib.Path
    sun : dataset_models.simulated.sun.SimulatedSun
        Its `image_times` are written; the sizes of its own images do not matter.
    products : sequence of str
        Of `PRODUCTS`.
    aia_size, hmi_size : int
        Pixels on a side; the archives have 1024 and the jpg tree 512.
    degraded : bool
        Lower counts in AIA's FITS files by its degradation since launch, which readers take out again. False: as at launch.
    least_class : str
        The weakest flare listed.
    progress : bool
        Show a bar.

    Returns
    -------
    dict of str to int
        Files written, by product.

    Raises
    ------
    UserError
        No degradation is known for a time; nothing is written then. Or the folder cannot be made.
    """
    from tqdm import tqdm

    times = sun.image_times()
    if degraded and "aia" in products:
        _require_degradation(times)
    folder = pathlib.Path(_made(folder))
    written = dict.fromkeys(products, 0)
    atomic_files.write_text(folder / "README.txt", _README)
    aia = Renderer(aia_size, sun.sun_seed) if {"aia", "legacy", "browse"} & set(products) else None
    hmi = Renderer(hmi_size, sun.sun_seed) if {"hmi_jpg", "hmi_fits"} & set(products) else None
    for time in tqdm(times, desc="write images", unit="time", disable=not progress):
        regions = sun.regions(time)
        if aia is not None:
            image = aia.aia(regions, time, flaring=sun.xrays.flaring(regions.number, time))
            _write_aia(folder, image, time, written, degraded=degraded)
        if hmi is not None:
            _write_hmi(folder, hmi.magnetogram(regions, time), time, written)
    # Forecast windows reach a day beyond the last image, and a persistence forecast looks back a day before the first.
    first = times[0].astype("datetime64[D]") - 1
    days = numpy.arange(first, times[-1].astype("datetime64[D]") + 2)
    if "goes" in products:
        for day in days:
            write_goes_fits(folder / "goes", sun.flux_series, day)
            written["goes"] += 1
    if "sharp" in products:
        write_patches(folder / "sharp.csv", sun, times)
        written["sharp"] = 1
    writers = {"flares": write_flare_list, "hek": write_hek, "donki": write_donki}
    for product in writers.keys() & set(products):
        writers[product](folder / _LISTS[product], sun, days[0], days[-1] + 1, least_class=least_class)
        written[product] = 1
    return written


def _write_aia(folder, image, time, written, *, degraded):
    """Write an image in the products of AIA among the keys of `written`, and count the files there."""
    if "aia" in written:
        write_aia_fits(folder / "aia", image, time, degraded=degraded)
        written["aia"] += image.shape[-1]
    if "legacy" in written:
        write_legacy(folder / "aia_legacy", image, time)
        written["legacy"] += 1
    if "browse" in written:
        browse_pictures.write(folder / "aia_browse", image, time)
        written["browse"] += 1


def _write_hmi(folder, field, time, written):
    """Write a magnetogram in the products of HMI among the keys of `written`, and count the files there."""
    if "hmi_jpg" in written:
        write_hmi_jpg(folder / "hmi_jpg", field, time)
        written["hmi_jpg"] += 1
    if "hmi_fits" in written:
        write_hmi_fits(folder / "hmi_fits", field, time)
        written["hmi_fits"] += 1


def _require_degradation(times):
    for day in numpy.unique(times.astype("datetime64[D]")):
        try:
            for channel in AIA_CHANNELS:
                degradation(int(channel), day)
        except UserError as error:
            reason = str(error).split(";")[0]
            raise UserError(f"{reason}; simulate earlier days, or AIA as at launch (--no-degraded)") from error


def write_image(folder, sun, time):
    """Write one image of a simulated Sun as `SimulatedSun.read_image` reads it.

    Parameters
    ----------
    folder : str or pathlib.Path
    sun : dataset_models.simulated.sun.SimulatedSun
    time : datetime64
        A whole minute.

    Returns
    -------
    pathlib.Path
        An array (height * width, channel) float32 saved by numpy, row 0 southernmost as FlareNet saved its own;
        magnetograms in Gauss, whatever the unit of `sun`.
    """
    path = pathlib.Path(folder) / sun.image_name(time)
    return _write_flat(path, sun.drawn(sun.regions(time), time))


def write_legacy(folder, image, time):
    """Write an AIA image (size, size, 8), row 0 north, as FlareNet's flat array, and its mark beside it; returns its path."""
    stamp = str(numpy.datetime64(time, "m")).replace("-", "").replace("T", "_").replace(":", "")
    size = image.shape[0]
    path = pathlib.Path(folder) / f"{stamp}_AIA_08_{size}_{size}.dat"
    atomic_files.write_text(picture_tree.header_path(path), json.dumps({simulation_mark.KEYWORD: True}))
    return _write_flat(path, image)


def _write_flat(path, image):
    with atomic_files.replacing(path) as temporary, open(temporary, "wb") as file:
        numpy.save(file, image[::-1].reshape(-1, image.shape[-1]), allow_pickle=False)
    return path


def write_aia_fits(folder, image, time, *, degraded=True):
    """Write an AIA image as eight synoptic FITS files.

    Parameters
    ----------
    folder : str or pathlib.Path
        Gets ``YYYY/MM/DD/HHH00/AIAYYYYMMDD_HHMM_CCCC.fits``.
    image : numpy.ndarray
        float32 (size, size, 8), DN/s, row 0 north.
    time : datetime64
    degraded : bool
        See `write_archive`.

    Returns
    -------
    list of pathlib.Path

    Notes
    -----
    Counts are rounded to whole numbers, as the real ones are.
    """
    from astropy.io import fits

    time = numpy.datetime64(time, "s")
    day, clock = str(time).split("T")
    digits, clock = day.replace("-", ""), clock.replace(":", "")
    written = []
    for index, channel in enumerate(AIA_CHANNELS):
        exposure = EXPOSURES[channel]
        left = degradation(int(channel), time) if degraded else 1.0
        counts = numpy.rint(image[::-1, :, index] * (exposure * left)).clip(0, 32767).astype("int16")
        header = _instrument_header(image.shape[0], time, telescope="SDO/AIA", instrument=f"AIA_{_TELESCOPES[channel]}")
        header["LVL_NUM"] = 1.5
        header["WAVELNTH"] = int(channel)
        header["WAVEUNIT"] = "angstrom"
        header["WAVE_STR"] = f"{channel}_THIN" if channel != "1600" else channel
        header["EXPTIME"] = (exposure, "s")
        header["BUNIT"] = "DN"
        name = pathlib.Path(day.replace("-", "/"), f"H{clock[:2]}00", f"AIA{digits}_{clock[:4]}_{int(channel):04d}.fits")
        written.append(pathlib.Path(folder) / name)
        compressed = fits.CompImageHDU(counts, header, compression_type="RICE_1")
        _write_fits(written[-1], fits.HDUList([fits.PrimaryHDU(), compressed]))
    return written


_TELESCOPES = {"94": 4, "131": 1, "171": 3, "193": 2, "211": 2, "304": 4, "335": 1, "1600": 3}


def write_hmi_fits(folder, field, time):
    """Write a magnetogram (size, size), Gauss, row 0 north, NaN off the disk, as HMI does; returns its path.

    Like HMI's own, the file is named by atomic time, turned by 180 degrees (CROTA2), and has NaN off the disk.
    """
    from astropy.io import fits

    header = _instrument_header(field.shape[0], time, telescope="SDO/HMI", instrument="HMI_SIDE1")
    header["CROTA2"] = 180.0
    header["CONTENT"] = "MAGNETOGRAM"
    header["WAVELNTH"] = 6173
    header["BUNIT"] = "Gauss"
    stamp = _atomic_time(time).strftime("%Y%m%d_%H%M%S")
    path = pathlib.Path(folder) / f"hmi.m_720s.{stamp}_TAI.1.magnetogram.fits"
    # Turned by 180 degrees and counted from the south: rows as they are, columns reversed.
    pixels = numpy.ascontiguousarray(field[:, ::-1], "float32")
    compressed = fits.CompImageHDU(pixels, header, compression_type="RICE_1", quantize_level=-0.1)  # steps of 0.1 G
    _write_fits(path, fits.HDUList([fits.PrimaryHDU(), compressed]))
    return path


def write_hmi_jpg(folder, field, time):
    """Write a magnetogram (size, size), Gauss, row 0 north, as an 8-bit jpg of the published tree; returns its path.

    Its comment holds the FITS keywords, as those of converted pictures do.
    """
    from PIL import Image

    time = numpy.datetime64(time, "s")
    path = pathlib.Path(folder, picture_tree.relative_path(picture_tree.MAGNETOGRAM, time, "jpg"))
    grey = numpy.rint((numpy.clip(field, -JPG_CLIP, JPG_CLIP) + JPG_CLIP) * (255 / (2 * JPG_CLIP)))
    picture = Image.fromarray(numpy.nan_to_num(grey, nan=0.0).astype("uint8"))
    header = _instrument_header(field.shape[0], time, telescope="SDO/HMI", instrument="HMI_SIDE1")
    keywords = {key: header[key] for key in header if key != "COMMENT"}
    with atomic_files.replacing(path) as temporary:
        picture.save(temporary, "JPEG", quality=95, comment=picture_tree.comment(keywords))
    return path


def write_goes_fits(folder, series, day):
    """Write one day of X-ray flux like the daily FITS files of GOES-15.

    Parameters
    ----------
    folder : str or pathlib.Path
        Gets ``go15YYYYMMDD.fits``.
    series : dataset_models.flux_series.FluxSeries
        Covers the day.
    day : datetime64[D]

    Returns
    -------
    pathlib.Path

    Notes
    -----
    The flux is constant within each minute, so that means over minutes give back the series (in single precision). The
    0.5-4 Angstrom channel is made up from the other one: it is harder the stronger the flux.
    """
    from astropy.io import fits

    day = numpy.datetime64(day, "D")
    seconds = numpy.arange(GOES_CADENCE / 2, 86400, GOES_CADENCE)
    first = int((day.astype("datetime64[m]") - series.start) // numpy.timedelta64(1, "m"))
    long = series.flux[first + (seconds // 60).astype("int64")]
    short = numpy.maximum(1e-9, 0.05 * long * (long / 1e-6) ** 0.3)
    fluxes = numpy.stack([long, short], -1).astype("float32")[None]
    year, month, date = str(day).split("-")
    primary = fits.PrimaryHDU()
    primary.header["NUMEXT"] = 3
    primary.header["TELESCOP"] = f"GOES {_SATELLITE}"
    primary.header["INSTRUME"] = "X-ray Detector"
    primary.header["OBJECT"] = "Sun"
    primary.header["ORIGIN"] = "simulated Sun"
    primary.header[simulation_mark.KEYWORD] = (True, simulation_mark.WORDS)
    for keyword, clock in (("OBS", seconds[0]), ("END", seconds[-1])):
        primary.header[f"DATE-{keyword}"] = f"{date}/{month}/{year}"
        primary.header[f"TIME-{keyword}"] = f"{int(clock) // 3600:02d}:{int(clock) // 60 % 60:02d}:{clock % 60:06.3f}"
    primary.header.add_comment("Simulated data: not an observation of the Sun.")
    count = len(seconds)
    edges = fits.Column("EDGES", "4E", "angstrom", dim="(2,2)", array=numpy.array([[[1, 8], [0.5, 4]]], "float32"))
    columns = [
        fits.Column("TIME", f"{count}D", "s", array=seconds[None]),
        fits.Column("FLUX", f"{2 * count}E", "W /m**2", dim=f"(2,{count})", array=fluxes),
    ]
    status = [fits.Column("TIME", "1E", "s", array=[seconds[0]]), fits.Column("STATUS", "2E", array=numpy.zeros((1, 2)))]
    tables = [
        fits.BinTableHDU.from_columns(content, name=name)
        for name, content in (("EDGES", [edges]), ("FLUXES", columns), ("STATUS", status))
    ]
    tables[1].header["TIMEZERO"] = (int((day - numpy.datetime64("1979-01-01")).astype("int64")) + 43874, "MJD")
    path = pathlib.Path(folder) / f"go{_SATELLITE}{year}{month}{date}.fits"
    _write_fits(path, fits.HDUList([primary, *tables]))
    return path


def write_flare_list(path, sun, start, end, *, least_class="B1.0"):
    """Write the flares that peak in [start, end) as the integrated list of the full-disk studies; returns their number.

    Left out are flares weaker than `least_class` and those that drown in the decay of another or in the background: less
    than half of the flux at their peak is their own.
    """
    table = _listed(sun, start, end, least_class)
    listed = table[["start", "goes_class"]].rename(columns={"start": "start_time"})
    listed["fl_lon"] = table["longitude"].round(1)
    listed["fl_lat"] = table["latitude"].round(1)
    listed["peak_time"] = table["peak"]
    listed["end_time"] = table["end"]
    listed["noaa_active_region"] = table["region"]
    listed[simulation_mark.COLUMN] = 1
    atomic_files.write_table(path, listed)
    return len(listed)


def write_hek(path, sun, start, end, *, least_class="B1.0"):
    """Write the flares of `write_flare_list` as the CSV that `dataset_models.download.hek` makes of HEK's answers."""
    table = _listed(sun, start, end, least_class)
    listed = table[["start", "peak", "end", "goes_class"]]
    listed.columns = ["event_starttime", "event_peaktime", "event_endtime", "fl_goescls"]
    place = {"hgs_x": table["longitude"].round(1), "hgs_y": table["latitude"].round(1)}
    listed = simulation_mark.marked(listed.assign(ar_noaanum=table["region"], **place, frm_name="SWPC"), True)
    atomic_files.write_table(path, listed)
    return len(listed)


def write_donki(path, sun, start, end, *, least_class="B1.0"):
    """Write the flares of `write_flare_list` as DONKI answers them, C1.0 and above as there: JSON."""
    table = _listed(sun, start, end, least_class)
    records = []
    for row in table[table["flux"] >= goes_class.to_flux("C1.0")].itertuples():
        moments = {name: f"{getattr(row, name):%Y-%m-%dT%H:%MZ}" for name in ("start", "peak", "end")}
        north, west = round(row.latitude), round(row.longitude)
        place = f"{'N' if north >= 0 else 'S'}{abs(north):02d}{'W' if west >= 0 else 'E'}{abs(west):02d}"
        record = {"flrID": f"{row.start:%Y-%m-%dT%H:%M:00}-FLR-001", "instruments": [{"displayName": "simulated"}]}
        record |= {"beginTime": moments["start"], "peakTime": moments["peak"], "endTime": moments["end"]}
        record |= {"classType": row.goes_class, "sourceLocation": place, "activeRegionNum": int(row.region)}
        record |= {"linkedEvents": None}
        records.append(record | {simulation_mark.COLUMN: True})
    atomic_files.write_text(path, json.dumps(records, indent=1) + "\n")
    return len(records)


def write_patches(path, sun, times):
    """Write the parameters of the regions on the disk at some times as JSOC's SHARP keywords; returns the number of records.

    Parameters
    ----------
    path : str or pathlib.Path
        Of a CSV with HARPNUM and NOAA_ARS (both the number of the region in the simulation), T_REC, LON_FWT and LAT_FWT
        (degrees), AREA (millionths of the hemisphere), USFLUX (Mx), MEANGBZ (G / Mm) and R_VALUE (log10 of the flux near
        inversion lines in `R_UNIT`; 0 where there is none).
    sun : dataset_models.simulated.sun.SimulatedSun
    times : sequence of datetime64

    Notes
    -----
    They are the truth, without the noise and the foreshortening that measured ones have. The gradient is the mean field over
    the size of the leading polarity.
    """
    import pandas

    parts = [(time, regions) for time in times if len(regions := sun.ground_truth.regions(time))]
    if not parts:
        raise UserError(f"{path}: there is no region on the disk at any of {len(times)} times; simulate more days")
    table = pandas.concat([regions for _, regions in parts], ignore_index=True)
    stamps = [_record_time(time) for time, _ in parts]
    hemisphere = 2 * numpy.pi * (100 * SOLAR_RADIUS) ** 2  # square centimetres
    area = table["area"].to_numpy() * 1e-6 * hemisphere
    near_lines = table["inversion_line_flux"].to_numpy()
    written = pandas.DataFrame(
        {
            "HARPNUM": table["number"],
            "T_REC": numpy.repeat(stamps, [len(regions) for _, regions in parts]),
            "NOAA_ARS": table["number"],
            "LON_FWT": table["longitude"].round(2),
            "LAT_FWT": table["latitude"].round(2),
            "AREA": table["area"].round(2),
            "USFLUX": [f"{flux:.4e}" for flux in table["flux"]],
            "MEANGBZ": numpy.minimum(table["flux"] / area / (numpy.sqrt(area) * 1e-8), 999.0).round(3),
            "R_VALUE": numpy.log10(numpy.maximum(near_lines / R_UNIT, 1.0)).round(4),
            simulation_mark.COLUMN: 1,
        }
    )
    atomic_files.write_table(path, written)
    return len(written)


def _listed(sun, start, end, least_class):
    table = sun.ground_truth.flares(start, end)
    table = table[(table["flux"] >= goes_class.to_flux(least_class)) & (table["flare_flux"] >= 0.5 * table["flux"])]
    return table.sort_values("start", kind="stable")


def _instrument_header(size, time, *, telescope, instrument):
    header = image_header(size, time)
    header["TELESCOP"] = telescope
    header["INSTRUME"] = instrument
    header["T_REC"] = _record_time(time)
    header["T_OBS"] = f"{numpy.datetime64(time, 's')}Z"
    header["QUALITY"] = 0
    return header


def _record_time(time):
    """Write a time as JSOC's T_REC: str."""
    return _atomic_time(time).strftime("%Y.%m.%d_%H:%M:%S_TAI")


def _atomic_time(time):
    from astropy.time import Time

    return Time(str(numpy.datetime64(time, "s")), scale="utc").tai


def _write_fits(path, units):
    with atomic_files.replacing(path) as temporary:
        units.writeto(temporary, overwrite=True, checksum=True)


def main(arguments=None):
    """Write an archive, or one image, of a simulated Sun."""
    parser = command_line.parser(__doc__)
    parser.add_argument("--out", required=True, help="folder to write to")
    parser.add_argument("--image", metavar="TIME", help="write only the image of a time, or of 'validation': a flaring one")
    parser.add_argument("--products", nargs="+", choices=PRODUCTS, help=f"what to write (default: {' '.join(USUAL)})")
    add_number(
        parser,
        "--aia_size",
        int,
        least=16,
        most=4096,
        says="is not between 16 and 4096",
        default=1024,
        help="pixels of AIA files (default: %(default)s)",
    )
    add_number(
        parser,
        "--hmi_size",
        int,
        least=16,
        most=4096,
        says="is not between 16 and 4096",
        default=512,
        help="pixels of HMI files (default: %(default)s)",
    )
    parser.add_argument(
        "--degraded",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="lower AIA's counts as the real instrument's sensitivity fell (default: yes)",
    )
    options.add_flags(parser, SimulatedSun, title="the simulated Sun", defaults=MONTH)
    parsed = parser.parse_args(arguments)
    given = options.take(SimulatedSun, parsed)
    if parsed.image:
        sun = options.build(SimulatedSun, given, origin="command line")
        time = _chosen_time(sun, parsed.image)
        sun.regions(time)  # refuses times outside the span
        print(write_image(_made(parsed.out), sun, time))
        return
    sun = options.build(SimulatedSun, MONTH | given, origin="command line")
    written = write_archive(
        parsed.out,
        sun,
        products=parsed.products or USUAL,
        aia_size=parsed.aia_size,
        hmi_size=parsed.hmi_size,
        degraded=parsed.degraded,
        progress=True,
    )
    print(f"{parsed.out}: " + ", ".join(f"{count} {product}" for product, count in written.items()))


def _made(folder):
    try:
        pathlib.Path(folder).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"--out: {folder} cannot be made ({error.strerror}); choose another folder") from error
    return folder


def _chosen_time(sun, text):
    if text == "validation":
        times = sun.require_samples("validation")
        return times[int(numpy.argmax(sun.truths(times)[0]))]
    return given_time("--image", text).astype("datetime64[m]")


if __name__ == "__main__":
    command_line.run(main)

"""NOAA's active regions and the flares that followed: what a region was, what it did, and which region flares.

Samples are issue times, by default 00:30 of each day, when NOAA's region summary comes out. Inputs hold what was known then:
the summary of the day, which says what was seen until 24:00 of the day before, and flares whose class was settled. Regions come
from daily texts or tables (see :mod:`dataset_models.flares.region_days`); SHARP or SMARP parameters are added to those whose
patch has their NOAA number (:mod:`dataset_models.flares.patch_tables`). Without summaries regions are the patches themselves,
and without these either they are those that flare lists name.
Targets come from any flare list that :mod:`dataset_models.flare_catalogue` reads.
"""

import dataclasses
import functools
import math
import pathlib

import numpy

from dataset_models import flare_labels, leak_check
from dataset_models.flare_data import FlareListData
from dataset_models.flares import (
    flare_history,
    flare_index,
    flare_marks,
    patch_features,
    patch_tables,
    region_days,
    region_features,
    region_flares,
    region_summaries,
)
from dataset_models.observation_times import given_time
from dataset_models.solar_data import SPLITS, Availability, Download, Window
from tools import goes_class, notes
from tools.errors import UserError
from tools.options import option
from tools.paths import FILE

SUMMARY_ISSUED = numpy.timedelta64(30, "m")  # after midnight of its date
LEAST_HISTORY = numpy.timedelta64(27, "D")  # of flares before the first sample: a rotation of the Sun
_ACTIVE_DAYS = 7.0  # without summaries, regions are those that flared within so many days
_SPANS = (1, 3, 7, 27, 120)  # days of the side channel
_DAY = 86_400
_SECOND = numpy.timedelta64(1, "s")
_TRIED = 6  # times at which leaks are looked for
_SHOWN = 5  # problems of summaries that are named
_PRESENT = region_features.NAMES[:1]

SIDE_CHANNEL = (
    *(f"{letter}_flares_per_day_{days}d" for days in _SPANS for letter in ("C", "M")),
    "log10_peak_flux_24h",
    "region_count",
    "has_summary",
)


@dataclasses.dataclass(kw_only=True)
class ActiveRegions(FlareListData):
    """NOAA's regions of a day, their past flares, and whether a flare of at least `threshold` follows.

    The window is [t + lag, t + lag + window): next-day forecasts that are verified from midnight to midnight have a lag of -0.5
    hours, and then nothing seen after midnight is used either.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> scratch = tempfile.TemporaryDirectory()
    >>> flares, table = (pathlib.Path(scratch.name) / name for name in ("flares.csv", "regions.csv"))
    >>> rows = [f"2014-{month:02d}-{day:02d} 06:00,2014-{month:02d}-{day:02d} 06:20,C2.0,2036" for month in (3, 4) for day in
    ...         range(1, 31)]
    >>> _ = flares.write_text("\\n".join(["start_time,end_time,goes_class,noaa_active_region", *rows]))
    >>> head = "date,noaa_number,location,area,z_class,ll,nn,mag_type_raw"
    >>> _ = table.write_text("\\n".join([head, *(f"2014-04-{day:02d},2036,S16E{80 - 13 * (day - 10)},240,Dkc,8,15,BETA-GAMMA"
    ...                                          for day in range(10, 16))]))
    >>> data = ActiveRegions(summaries=(str(table),), flares=(str(flares),), threshold="C1.0", validation_start="2014-04-14")
    >>> time = data.times("training")[0]
    >>> str(time), data.regions_at(time).tolist(), data.truth(time)
    ('2014-04-10T00:30:00', [12036], (1.0, 1.0))
    >>> {name: array.shape for name, array in data.inputs(time).items()}
    {'regions': (24, 37), 'excitation': (25, 9), 'side_channel': (13,)}
    >>> scratch.cleanup()
    """

    title = "NOAA active regions"

    summaries: tuple[str, ...] = option(
        (),
        "region summaries: texts YYYYMMDDSRS.txt, folders of them, tables; none: regions that the flare lists name",
        place=FILE,
    )
    patches: tuple[str, ...] = option(
        (),
        "SHARP or SMARP tables, and lists of their NOAA numbers: parameters of the regions, or the regions without --summaries",
        place=FILE,
    )
    patch_delay_hours: float = option(3.0, "hours after which a record of a patch is known", least=0.0, most=2400.0)
    patch_age_hours: float = option(24.0, "hours after which a record of a patch is too old", least=0.1, most=240.0)
    flares: tuple[str, ...] = option((), "flare lists (default: flares of config.yml)", place="flares")
    threshold: str = option("M1.0", "GOES class that counts as a flare")
    window_hours: float = option(24.0, "hours that a forecast is for", least=0.1, most=240.0)
    lag_hours: float = option(
        0.0, "hours from the issue to the window; negative: it begins before, and nothing is used that was seen in it",
        least=-24.0, most=240.0,
    )  # fmt: skip
    issue_hour: float = option(0.5, "hour of the first issue of a day, UTC", least=0.0, most=23.99)
    cadence_hours: float = option(24.0, "hours between issues", least=0.25, most=720.0)
    most_regions: int = option(24, "regions of a day at most, the largest", least=1, most=200)
    history_age: float = option(flare_history.AGE, flare_history.AGE_HELP, least=0.0, most=24_000.0)
    flares_until: str | None = option(None, flare_labels.UNTIL_HELP)
    fold: int = option(
        0, "1 to 4: validate on this quarter of each year, as the published folds; 0: split once in time", least=0, most=4
    )
    validation_start: str | None = option(None, "UTC time at which validation begins (default: the last quarter)")
    start: str | None = option(None, "issues from this UTC time on")
    end: str | None = option(None, "issues before this UTC time")
    gap_hours: float | None = option(
        None, "hours left out around validation (default: as far as a sample reaches)", least=0.0, most=24_000.0
    )

    # What goes in and what comes out

    @property
    def input_shapes(self):
        shapes = {
            "regions": (self.most_regions, len(self.region_names)),
            "excitation": (self.most_regions + 1, len(region_flares.NAMES)),
            "side_channel": (len(SIDE_CHANNEL),),
        }
        return shapes if self.region_names else {name: shapes[name] for name in ("excitation", "side_channel")}

    @property
    def region_names(self):
        """Name the numbers that describe a region: tuple of str, empty where regions are those that flared."""
        patches = patch_features.NAMES if self.patches else ()
        return (*region_features.NAMES, *patches) if self.summaries else _PRESENT * bool(patches) + patches

    @property
    def channels(self):
        return ()

    @property
    def side_channel_names(self):
        return SIDE_CHANNEL

    @property
    def task(self):
        return "classification"

    @property
    def target_label(self):
        return f"flare of {self.threshold} or more in {self._window_words}"

    @property
    def _window_words(self):
        later = f", from {self.lag_hours:g} h after the issue on" if self.lag_hours else ""
        return f"{self.window_hours:g} h{later}"

    @property
    def windows(self):
        zero = numpy.timedelta64(0, "s")
        known = min(self._lag, zero)
        seen = [Window("flares known", known - numpy.timedelta64(max(_SPANS), "D"), known, "input")]
        if self.patches:
            latest = known - self._patch_delay
            seen.append(Window("patches known", latest - self._patch_age, latest, "input"))
        return *seen, Window("issue", zero, zero, "input"), Window("window", self._lag, self._lag + self._window, "target")

    @property
    def reach(self):
        return self._window + abs(self._lag)

    # Samples

    def times(self, split):
        return self._splits[split]

    def inputs(self, time):
        day, known = self.summary_day(time), self._known_until(time)
        self._history.require([known], age=self.history_age, origin=self._lists, subject=f"the forecast of {time}Z")
        cells, features = self._cells(day, known)
        excitation = numpy.zeros((self.most_regions + 1, len(region_flares.NAMES)), "float32")
        excitation[: len(cells)] = self._region_flares.faded(cells, numpy.full(len(cells), known))
        everything = self._all_flares.faded([region_flares.NO_REGION], [known])[0]
        excitation[-1] = numpy.maximum(everything - excitation[: len(cells)].sum(axis=0), 0)
        result = {"excitation": excitation, "side_channel": self._side_channel(day, known, len(cells))}
        if not self.region_names:
            return result
        regions = numpy.zeros((self.most_regions, len(self.region_names)), "float32")
        regions[: len(cells)] = features
        return {"regions": regions} | result

    def target(self, time):
        return float(self._events_after([time])[0])

    def targets(self, split):
        return self._events_after(self.times(split)).astype("float32")

    def truth(self, time):
        """Return whether there is such a flare, and whether one was known in the hours before what the inputs hold."""
        past = self._history.peak_flux([self._known_until(time)], self._window)[0]
        return self.target(time), float(past >= self._threshold_flux)

    def truth_if_known(self, time):
        true, prior = self.truth(time)
        begin = [numpy.datetime64(time, "s") + self._lag]
        known = flare_labels.covered(self.events, begin, self._window, until=self._until)[0]
        return true if known else math.nan, prior

    def metadata(self, time):
        begin, width = numpy.datetime64(time, "s") + self._lag, self._window
        flux = float(self._index.peak_flux([begin - _SECOND], width + _SECOND)[0])
        strongest = {"flux": flux, "class": goes_class.from_flux(flux)} if flux else {}
        return strongest | {"flare": int(self.target(time)), "regions": len(self.regions_at(time))}

    def read_image(self, path):
        """Read the summary of a day, a text, into inputs: with what `summaries` say of the days before."""
        return self.with_summary(path).inputs(self.image_time(path))

    def image_time(self, path):
        issued = region_summaries.read(path).issued
        return numpy.datetime64(issued, "s") + numpy.timedelta64(round(self.issue_hour * 3600), "s")

    def places(self, time):
        if not self.summaries:
            known = self.region_table(time).dropna(subset=["longitude", "latitude"])
            names = [f"AR {cell}" if cell > 0 else patch_tables.name(-cell) for cell in known["noaa_region"].tolist()]
            return tuple(zip(names, known["longitude"].tolist(), known["latitude"].tolist(), strict=True))
        table = self._summaries.regions[self._day_rows.get(self.summary_day(time), slice(0, 0))]
        known = table[table["longitude"].notna()]
        return tuple((f"AR {row.noaa_region}", float(row.longitude), float(row.latitude)) for row in known.itertuples())

    def with_summary(self, *paths):
        """Make a data set of the same options that has further summaries, which come first: `ActiveRegions`.

        Raises
        ------
        UserError
            Regions are those of `patches`: with summaries the inputs would be others.
        """
        if self.patches and not self.summaries:
            raise UserError(f"{paths[0]}: regions are those of --patches here; train with --summaries to forecast from one")
        return dataclasses.replace(self, summaries=(*map(str, paths), *self.summaries))

    # Regions

    def regions_at(self, time):
        """List the regions of a sample in the order of its inputs: int64 (k,), k at most `most_regions`.

        They are NOAA numbers. Where regions are those of `patches` they are the first NOAA number of each, or minus the number
        of a patch without one.
        """
        return self._cells(self.summary_day(time), self._known_until(time))[0]

    def region_table(self, time):
        """Describe the regions of a sample as their summary does, in the order of its inputs.

        Parameters
        ----------
        time : datetime64

        Returns
        -------
        pandas.DataFrame
            noaa_region, then longitude, latitude, area, mcintosh and hale_class, missing where there is no summary of them: of
            regions that went over the limb, and without summaries.
        """
        import pandas

        table = pandas.DataFrame({"noaa_region": self.regions_at(time)})
        names = ["noaa_region", "longitude", "latitude", "area", "mcintosh", "hale_class"]
        if not self.summaries:
            if self.patches:
                table["longitude"], table["latitude"] = self._patch_cells(self._known_until(time))[2].T
            return table.reindex(columns=names)
        today = self._summaries.regions[self._day_rows.get(self.summary_day(time), slice(0, 0))]
        return table.merge(today[names], on="noaa_region", how="left")

    def place_times(self, time):
        """Find when the regions of `region_table` were where it has them: ``datetime64[s]``, of all, or (k,) of each patch.

        A summary states places for the midnight that its date begins with, which before 00:30 is the one before the last; a
        patch is where its record has it.
        """
        if self.patches and not self.summaries:
            return self._patch_cells(self._known_until(time))[3]
        return self.summary_day(time).astype("datetime64[s]")

    def summary_day(self, time):
        """Find the date of the newest summary that was issued by a time, and holds nothing of the window: datetime64[D]."""
        issued = (numpy.datetime64(time, "s") - SUMMARY_ISSUED).astype("datetime64[D]")
        return min(issued, self._known_until(time).astype("datetime64[D]"))

    def flaring_regions(self, time):
        """List the strongest flare of each region in the window of a time: dict of NOAA number to peak flux in W m^-2.

        Flares without a region are under `region_flares.NO_REGION`. Empty where the flare lists do not cover the window, see
        `truth_if_known`.
        """
        strongest = {}
        for flare in self._flares_after(time).tolist():
            region, flux = int(self._flare_regions[flare]), float(self._flux[flare])
            strongest[region] = max(strongest.get(region, 0.0), flux)
        return strongest

    def has_summary(self, time):
        """Check whether there is a summary of a time, or a patch observed where regions are those of `patches`: bool.

        Without one the forecast is of the flare history alone.
        """
        if self.patches and not self.summaries:
            return bool(len(self.regions_at(time)))
        return self.summary_day(time) in self._day_rows

    def flare_marks(self, split, grid=None):
        """List the flares of each window: how strong, and of which region.

        Parameters
        ----------
        split : str
        grid : tuple of int, optional
            Places along each axis of a network's rates: ``(most_regions + 1,)``, as without it.

        Returns
        -------
        numpy.ndarray
            float32 (n, k, 2) as of `dataset_models.flares.flare_marks.packed`; a place is the position of a region in the
            inputs, `most_regions` for a region that is not among them.

        Raises
        ------
        UserError
            The grid is another one.
        """
        if grid is not None and tuple(grid) != (self.most_regions + 1,):
            cells = " x ".join(map(str, grid))
            own = self.most_regions + 1
            raise UserError(f"{self.title}: has {own} places, the network {cells}; train it on a data set of its own")
        marks = []
        for time in self.times(split):
            flares = self._flares_after(time)
            marks.append((self._magnitude[flares], self._positions(flares, self.regions_at(time))))
        return flare_marks.packed(marks)

    def _flares_after(self, time):
        """Find the flares of C1.0 and above in the window of a time: positions in `events`, int64."""
        begin = numpy.datetime64(time, "s") + self._lag - _SECOND
        (first,), (last,) = self._index.span([begin], self._window + _SECOND)
        inside = self._index.between(first, last)
        return inside[self._magnitude[inside] >= 0]

    def _positions(self, flares, cells):
        """Find the place of the region of each flare among the cells: float32, as `flare_marks` has it."""
        regions = self._flare_regions[flares]
        result = numpy.full(len(flares), self.most_regions, "float32")
        result[regions == region_flares.NO_REGION] = -1
        for place, number in enumerate(cells.tolist()):
            result[regions == number] = place
        return result

    # Files

    @property
    def archives(self):
        summaries, patches = ([path for path in files if path.is_file()] for files in (self._summary_files, self._patch_files))
        return summaries, patches, self._flare_files

    def is_downloaded(self):
        looked_in = tuple(map(str, (*self._summary_files, *self._patch_files, *self._flare_files)))
        missing = self._missing_lists()
        missing += [f"region summaries {path}" for path in self._summary_files if not path.exists()]
        missing += [
            f"SHARP or SMARP table {path} (fetched by hand: keywords of hmi.sharp_cea_720s or mdi.smarp_cea_96m at JSOC)"
            for path in self._patch_files
            if not path.is_file()
        ]
        return Availability(looked_in, len(looked_in) - len(missing), tuple(missing))

    def downloads(self, start, end):
        time = ("--start", start, "--end", end)
        commands = []
        for path in self._summary_files:
            if not path.exists() and not path.suffix:
                commands.append(Download("dataset_models/download/noaa_regions.py", (*time, "--out", str(path))))
        return commands + self._list_downloads(start, end)

    def describe(self):
        return super().describe() | {"days_without_summary": self._days_without_summary} | self._share_with_patch

    def check_leaks(self):
        report = leak_check.check_split(self.times("training"), self.times("validation"), self.reach)
        times = self.times("training")
        known = times + min(self._lag, numpy.timedelta64(0, "s"))
        count = leak_check.check_causality(
            self._known_of_disk, self.events, known, names=SIDE_CHANNEL[: 2 * len(_SPANS)], samples=_TRIED
        )
        busy = self.events["noaa_region"].mode()
        regions = int(busy.iloc[0]) if len(busy) else 1

        def excitation(events, moments):
            return region_flares.faded(events, numpy.full(len(moments), regions), moments)

        tried = f"; {self._check_patches(known)}" if self.patches else ""
        count += leak_check.check_causality(excitation, self.events, known, names=region_flares.NAMES, samples=_TRIED)
        late = max(-self._lag / numpy.timedelta64(3600, "s"), 0.0)
        before = f", {late:g} h before the issue" if late else ""
        return (
            f"{report}; the flare history does not depend on the future (tried {count} times); flares are used until the window"
            f" begins or the issue, whichever is first{before}, and summaries from 0.5 h of their date on,"
            f" which hold what was seen until it began{tried}"
        )

    def _check_patches(self, times):
        """Require that inputs stay as they are without the records that are known at no time tried: str."""
        some = times[numpy.linspace(0, len(times) - 1, min(_TRIED, len(times))).round().astype(int)]
        for time in some:
            records = self._patch_table.records
            past = records[records["known"].to_numpy("datetime64[s]") <= time - self._patch_delay]
            if not len(past):
                continue
            alone = patch_features.DescribedPatches(dataclasses.replace(self._patch_table, records=past))
            before, after = (described.cells(*self._patches_seen(time)) for described in (self._patches, alone))
            if not all(numpy.array_equal(*pair, equal_nan=True) for pair in zip(before, after, strict=True)):
                raise UserError(f"parameters of patches at {time} change when later records are left out")
        return (
            f"patches are described by records until {self.patch_delay_hours:g} h before that (tried {len(some)} times), their"
            " NOAA numbers by lists made later"
        )

    # Parts

    @functools.cached_property
    def _summary_files(self):
        return [pathlib.Path(path).expanduser() for path in self.summaries]

    @functools.cached_property
    def _patch_files(self):
        return [pathlib.Path(path).expanduser() for path in self.patches]

    @functools.cached_property
    def _events(self):
        events = super()._events
        if not len(events):
            raise UserError(f"{self._lists}: the lists hold no flare; give lists of the time to forecast and before")
        return events

    @functools.cached_property
    def _lag(self):
        return numpy.timedelta64(round(self.lag_hours * 3600), "s")

    @functools.cached_property
    def _magnitude(self):
        return flare_marks.magnitudes(self._flux)

    @functools.cached_property
    def _flux(self):
        return self.events["flux"].to_numpy("float64")

    @functools.cached_property
    def _flare_regions(self):
        regions = self.events["noaa_region"].fillna(region_flares.NO_REGION).to_numpy("int64")
        return self._patches.cells_of_regions(regions) if self.patches and not self.summaries else regions

    @functools.cached_property
    def _region_flares(self):
        return region_flares.RegionFlares(self.events.assign(noaa_region=self._flare_regions))

    @functools.cached_property
    def _all_flares(self):
        return region_flares.RegionFlares(self.events.assign(noaa_region=region_flares.NO_REGION))

    @functools.cached_property
    def _summaries(self):
        days = region_days.read(self._summary_files)
        for text in days.problems[:_SHOWN]:
            notes.note(text)
        if len(days.problems) > _SHOWN:
            notes.note(f"{len(days.problems) - _SHOWN} more lines of summaries like these")
        if len(days.spotless):
            notes.note(f"{len(days.spotless)} days of the tables have no region; taken as spotless, since a table does not say")
        return days

    @functools.cached_property
    def _patch_delay(self):
        return numpy.timedelta64(round(self.patch_delay_hours * 3600), "s")

    @functools.cached_property
    def _patch_age(self):
        return numpy.timedelta64(round(self.patch_age_hours * 3600), "s")

    @functools.cached_property
    def _patch_table(self):
        table = patch_tables.read(self._patch_files)
        for text in table.problems:
            notes.note(text)
        if self.summaries and not table.regions:
            raise UserError(
                f"{', '.join(map(str, self._patch_files))}: no patch has a NOAA number; give JSOC's list of them beside it"
                " (all_harps_with_noaa_ars.txt, all_tarps_with_noaa_ars.txt)"
            )
        return table

    @functools.cached_property
    def _patches(self):
        return patch_features.DescribedPatches(self._patch_table)

    def _patches_seen(self, known):
        """Give the newest time of records that are known, and how long before it they may be: datetime64, timedelta64."""
        return known - self._patch_delay, self._patch_age

    def _patch_cells(self, known):
        """List the patches observed: numbers (k,), features (k, n) with `region_names`, places (k, 2) and times (k,)."""
        cells = self._patches.cells(*self._patches_seen(known))
        numbers, features, places, times = (part[: self.most_regions] for part in cells)
        return numbers, numpy.pad(features, ((0, 0), (1, 0)), constant_values=1), places, times

    @functools.cached_property
    def _share_with_patch(self):
        """Share of regions with parameters of a patch, in both splits: dict, empty where there is nothing to add them to."""
        if not (self.patches and self.summaries):
            return {}
        times = numpy.concatenate([self.times(split) for split in SPLITS])
        place = len(region_features.NAMES)
        found = [self._cells(self.summary_day(time), self._known_until(time))[1][:, place] for time in times]
        return {"regions_with_patch": round(float(numpy.concatenate(found).mean()), 3)} if found else {}

    @functools.cached_property
    def _day_rows(self):
        """Slices into the table of regions by day: dict of numpy.datetime64 (days) to slice."""
        if not self.summaries:
            return {}
        dates = self._summaries.regions["date"].to_numpy("datetime64[D]")
        days = self._summaries.days
        first, last = (numpy.searchsorted(dates, days, side) for side in ("left", "right"))
        return {day: slice(*limits) for day, *limits in zip(days, first.tolist(), last.tolist(), strict=True)}

    @functools.cached_property
    def _described(self):
        return region_features.DescribedRegions(self._summaries.regions)

    def _known_until(self, time):
        return numpy.datetime64(time, "s") + min(self._lag, numpy.timedelta64(0, "s"))

    def _cells(self, day, known):
        """List the regions of a sample, int64 (k,), and their features, float32 (k, n), or None where there are none."""
        if not self.summaries and self.patches:
            return self._patch_cells(known)[:2]
        if not self.summaries:
            numbers = self._region_flares.active(known, _ACTIVE_DAYS)
            return numbers[-self.most_regions :], None
        rows, before = (self._day_rows.get(date, slice(0, 0)) for date in (day, day - 1))
        numbers, features = self._described.numbers[rows], self._described.features[rows]
        if day in self._day_rows:  # what went over the limb since goes on flaring there
            gone = self._described.gone(before, numbers)
            numbers, features = (numpy.concatenate(pair) for pair in zip((numbers, features), gone, strict=True))
        order = numpy.argsort(-features[:, region_features.NAMES.index("log_area")], kind="stable")[: self.most_regions]
        numbers, features = numbers[order], features[order]
        if self.patches:
            features = numpy.hstack([features, self._patches.of_regions(numbers, *self._patches_seen(known))])
        return numbers, features

    def _side_channel(self, day, known, count):
        values = self._known_of_disk(None, numpy.array([known]))[0]
        peak = self._history.peak_flux([known], numpy.timedelta64(24, "h"))[0]
        log_peak = math.log10(max(peak, 10.0**flare_history.QUIET))
        described = count > 0 if self.patches and not self.summaries else day in self._day_rows
        return numpy.array([*values, log_peak, count / 10, float(described)], "float32")

    def _known_of_disk(self, events, times):
        """Count the flares known in the spans of days before times, a day: log(1 + x), float64 (n, 2 spans)."""
        of_classes = self._known_flares if events is None else _known_flares(events)
        seconds = numpy.asarray(times, "datetime64[s]").astype("int64")
        columns = []
        for days in _SPANS:
            for moments in of_classes:
                last, first = (numpy.searchsorted(moments, seconds - back, "left") for back in (0, days * _DAY))
                columns.append(numpy.log1p((last - first) / days))
        return numpy.stack(columns, axis=1)

    @functools.cached_property
    def _known_flares(self):
        return _known_flares(self.events)

    @functools.cached_property
    def _splits(self):
        times = self._all_times
        if not len(times):
            return {"training": times, "validation": times}
        gap = self.reach if self.gap_hours is None else numpy.timedelta64(round(self.gap_hours * 3600), "s")
        if self.fold:
            if self.validation_start:
                raise UserError(f"--fold {self.fold} and --validation_start are two ways to split; give one of them")
            fold = flare_labels.split_fold(times, self.fold, gap=gap)
            return {"training": times[fold.training], "validation": times[fold.validation]}
        return self._split_in_time(times, gap)

    @functools.cached_property
    def _all_times(self):
        """Issue times whose window and history the flare lists cover, within the summaries where there are some."""
        first, last = flare_index.list_span(self.events, self._until)
        begin = (first + LEAST_HISTORY).astype("datetime64[D]") + 1
        end = last
        if self.summaries:
            days = self._summaries.days
            begin = max(begin, days[0])
            if not self.end:  # asked for explicitly, days after the last summary are those of the flare history alone
                end = min(last, (days[-1] + 1).astype("datetime64[s]") + SUMMARY_ISSUED)
        elif self.patches:
            begin = max(begin, self._patches.span[0].astype("datetime64[D]") + 1)
            if not self.end:
                end = min(last, self._patches.span[1] + self._patch_delay)
        if self.start:
            begin = max(begin, given_time("--start", self.start).astype("datetime64[D]"))
        offset = numpy.timedelta64(round(self.issue_hour * 3600), "s")
        step = numpy.timedelta64(round(self.cadence_hours * 3600), "s")
        times = numpy.arange(begin.astype("datetime64[s]") + offset, end.astype("datetime64[s]"), step)
        times = times[self._within_dates(times)]
        times = times[flare_labels.covered(self.events, times + self._lag, self._window, until=self._until)]
        flare_index.note_pauses(self.events, times)
        return times

    @functools.cached_property
    def _days_without_summary(self):
        if not self.summaries:
            return 0
        days = numpy.unique(numpy.concatenate([[self.summary_day(time) for time in self.times(split)] for split in SPLITS]))
        return int((~numpy.isin(days, self._summaries.days)).sum())

    def _events_after(self, times):
        begin = numpy.asarray(times, "datetime64[s]") + self._lag - _SECOND
        return self._index.label(begin, window=self._window + _SECOND, threshold=self._threshold_flux)


def _known_flares(events):
    """List when flares of C1.0 and above, and of M1.0 and above, became known, in order: two int64 arrays of seconds."""
    known, flux = flare_history.known_at(events).astype("int64"), events["flux"].to_numpy("float64")
    return tuple(numpy.sort(known[flux >= region_flares.LEAST[letter]]) for letter in "CM")

"""Which records are about one flare: the same as by comparing each with each, and in a time that grows with their number."""

import itertools
import time

import numpy
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dataset_models import flare_catalogue
from dataset_models.flares import flare_lists, flare_matching
from dataset_models.flares.flare_matching import Record


def each_with_each(records):
    """Match records by the rule itself: the slow way that `flare_matching.match` has to agree with."""
    flares, numbers = [], []

    def same(one, other):
        without_peaks = one.peak is None or other.peak is None
        if (one.file == other.file or (without_peaks and one.source == other.source)) and one.start != other.start:
            return False
        flux_agrees = max(one.flux, other.flux) <= 2.0 * min(one.flux, other.flux)
        near = abs(one.start - other.start) <= 120
        if without_peaks:
            return near and flux_agrees
        return abs(one.peak - other.peak) <= 120 and (near or flux_agrees)

    for record in records:
        candidates = [
            number
            for number, flare in enumerate(flares)
            if flare[0].start >= record.start - 300 and all(same(member, record) for member in flare)
        ]
        if candidates:
            firsts = [(number, flares[number][0]) for number in candidates]
            distances = [(record.start - one.start, abs(numpy.log(record.flux / one.flux)), number) for number, one in firsts]
            number = min(distances)[-1]
            flares[number].append(record)
        else:
            number = len(flares)
            flares.append([record])
        numbers.append(number)
    return numbers


records_of_minutes = st.builds(
    lambda start, peak, flux, source, file: Record(
        start, None if peak is None else start + peak, flux, source, (file, ord(source))
    ),
    st.one_of(st.sampled_from([0, 60, 120, 121, 180, 300, 301, 420]), st.integers(0, 900)),
    st.one_of(st.none(), st.sampled_from([0, 119, 120, 121, 240, 300]), st.integers(0, 600)),
    st.sampled_from([1e-6, 1.5e-6, 2e-6, 2.1e-6, 3e-6, 4e-6, 4.1e-6, 1.1e-5]),
    st.sampled_from("ab"),
    st.integers(0, 2),
)


@settings(max_examples=400)
@given(st.lists(records_of_minutes, max_size=40))
@pytest.mark.long
def test_matching_agrees_with_comparing_each_with_each(records):
    records = sorted(records, key=lambda record: record.start)
    assert flare_matching.match(records).tolist() == each_with_each(records)


@pytest.mark.parametrize("seed", range(3))
def test_crowded_hours_are_matched_as_by_comparing_each_with_each(seed):
    random = numpy.random.default_rng(seed)
    starts = numpy.sort(random.integers(0, 3600, 600))
    records = [
        Record(
            int(start),
            int(start + random.integers(0, 900)) if random.random() < 0.8 else None,
            float(10 ** random.uniform(-6.5, -4)),
            "ab"[file % 2],
            (int(file), 0),
        )
        for start, file in zip(starts, random.integers(0, 4, 600), strict=True)
    ]
    numbers = flare_matching.match(records).tolist()
    assert numbers == each_with_each(records)
    assert 100 < len(set(numbers)) < 600


def test_real_lists_are_matched_as_by_comparing_each_with_each(shared, monkeypatch):
    names = ("hek_flares_2011_2018.csv", "goes_flares_2010_2017.csv", "flarenet/flares_CMX_Flux_2010_2017.csv")
    seen = []
    match = flare_matching.match

    def watched(records):
        records = list(records)
        numbers = match(records)
        seen.append((records, numbers.tolist()))
        return numbers

    monkeypatch.setattr(flare_matching, "match", watched)
    lists = [flare_lists.read_list(shared / name) for name in names]
    for some in ([lists[0]], lists[:2], lists):
        flare_catalogue.joined(some)
    for records, numbers in seen:
        # The first thousands: comparing each with each takes its time.
        assert numbers[:3000] == each_with_recent(records[:3000])


def each_with_recent(records):
    """`each_with_each`, flares long over left out of the comparison."""
    numbers, offset = [], 0
    gaps = [place for place, (one, other) in enumerate(itertools.pairwise(records), 1) if other.start - one.start > 300]
    for begin, end in itertools.pairwise([0, *gaps, len(records)]):
        piece = each_with_each(records[begin:end])
        numbers += [offset + number for number in piece]
        offset += max(piece) + 1
    return numbers


CROWDS = {
    "equal": lambda number, random: Record(0, 60, 1e-5, "a", (0, 0)),
    "equal, without a peak": lambda number, random: Record(0, None, 1e-5, "a", (0, 0)),
    "in two lists": lambda number, random: Record(0, 60, 1e-5, "a", (number % 2, 0)),
    "one start, many peaks": lambda number, random: Record(0, 180 * number, 1e-5, "a", (0, 0)),
    "one start, any peak and class": lambda number, random: Record(
        0, int(random.integers(0, 43200)), float(10 ** random.uniform(-8, -3)), "a", (0, 0)
    ),
    "each second": lambda number, random: Record(number, number + 60, 1e-5, "a", (0, 0)),
    "within five minutes": lambda number, random: Record(
        number * 300 // 20_000, None, float(10 ** random.uniform(-8, -3)), "a", (0, 0)
    ),
}


@pytest.mark.parametrize("crowd", CROWDS)
def test_a_crowd_of_records_take_seconds(crowd):
    random = numpy.random.default_rng(0)
    records = [CROWDS[crowd](number, random) for number in range(20_000)]
    begun = time.process_time()
    numbers = flare_matching.match(records)
    assert time.process_time() - begun < 4
    assert len(numbers) == 20_000


def test_a_list_of_equal_rows_is_joined(tmp_path):
    path = tmp_path / "equal.csv"
    path.write_text("start_time,peak_time,goes_class\n" + "2014-01-01 00:00:00,2014-01-01 00:05:00,M1.0\n" * 8000)
    begun = time.process_time()
    catalogue = flare_catalogue.read(path)
    assert time.process_time() - begun < 5
    assert (len(catalogue.events), catalogue.counts["repeated"]) == (1, 7999)

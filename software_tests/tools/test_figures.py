"""Figures: colour tables, scales, axes, and that nothing of the style leaks."""

import numpy
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from tools import command_line, figures
from tools.errors import UserError


def test_style_ends_with_its_block():
    import matplotlib

    before = dict(matplotlib.rcParams)
    with figures.style():
        assert matplotlib.rcParams["font.size"] == 12
    assert dict(matplotlib.rcParams) == before


def test_saving_is_repeatable_and_whole(tmp_path):
    def draw(path):
        with figures.style():
            figure, axes = figures.new()
            axes.plot([1, 3, 2])
            figures.save(figure, path)
        return path.read_bytes()

    assert draw(tmp_path / "a.png") == draw(tmp_path / "b.png")
    figure, axes = figures.new()
    axes.set_title("$\\nonsense{$")
    with pytest.raises(ValueError, match="nonsense"):
        figures.save(figure, tmp_path / "c.png")
    assert sorted(path.name for path in tmp_path.glob("*.png")) == ["a.png", "b.png"]


def test_pictures_in_the_formats_that_a_script_was_asked_for(tmp_path):
    parser = command_line.parser("draws", draws=True)
    parser.add_argument("--out")

    def drawn(name):
        with figures.style():
            figure, axes = figures.new()
            axes.plot([1, 3, 2])
            return [file.suffix for file in figures.save(figure, tmp_path / name)]

    assert vars(parser.parse_args(["--format", "svg", "pdf", "--out", "x"])) == {"out": "x"}  # no option of a run
    assert drawn("a.png") == [".png", ".svg", ".pdf"]
    assert drawn("b.png") == [".png", ".svg", ".pdf"]
    assert drawn("c.svg") == [".svg", ".pdf"]
    for suffix in (".svg", ".pdf"):
        assert (tmp_path / "a").with_suffix(suffix).read_bytes() == (tmp_path / "b").with_suffix(suffix).read_bytes()
    parser.parse_args([])
    assert drawn("d.png") == [".png"]  # another script in the same process
    with pytest.raises(SystemExit):
        parser.parse_args(["--format", "jpg"])
    with pytest.raises(SystemExit):
        command_line.parser("draws nothing").parse_args(["--format", "svg"])


def test_colour_tables_of_the_instruments():
    assert figures.colour_table("sdoaia171")(0.5) != figures.colour_table("sdoaia304")(0.5)
    with pytest.raises(UserError, match="colour table 'sdoaia172'"):
        figures.colour_table("sdoaia172")


@given(values=arrays.arrays("float64", (4, 5), elements=st.floats(-1e6, 1e6)))
@settings(deadline=None)
def test_zero_of_a_signed_map_is_the_middle_of_its_scale(values):
    norm = figures.signed_norm(values)
    assert float(norm(0.0)) == 0.5
    assert norm.vmax > 0


@given(
    values=arrays.arrays("float64", (6, 5), elements=st.floats(-1e5, 1e5) | st.just(float("nan"))), logarithmic=st.booleans()
)
@settings(deadline=None)
def test_any_image_has_a_scale(values, logarithmic):
    norm = figures.image_norm(values, logarithmic=logarithmic)
    assert norm.vmax > norm.vmin
    shown = numpy.ma.filled(norm(numpy.nan_to_num(values)), 0.0)
    assert ((shown >= 0) & (shown <= 1)).all()


def test_scales_of_magnetograms_and_intensities():
    field = numpy.linspace(-50, 300, 1000)
    assert figures.image_norm(field).vmin == -figures.image_norm(field).vmax
    intensities = figures.image_norm(numpy.array([0.0, 9.0, 999.0]), logarithmic=True)
    assert float(intensities(0.0)) == 0.0
    assert float(intensities(9.0)) == pytest.approx(1 / 3, abs=2e-3)  # the outermost 0.1 % are clipped


def test_fixed_colours_of_magnetograms_are_for_gauss_only():
    assert figures.image_look(numpy.array([-3000.0, 100.0]), "hmimag")[1].vmax == 1500
    assert figures.image_look(numpy.array([0.0, 1.0]), "hmimag")[0].name == "gray"


def test_extent_puts_disc_centre_at_zero_and_west_to_the_right():
    from astropy.io import fits

    header = fits.Header()
    for axis in "12":
        header[f"CTYPE{axis}"], header[f"CUNIT{axis}"] = ("HPLN-TAN", "HPLT-TAN")[int(axis) - 1], "arcsec"
        header[f"CDELT{axis}"], header[f"CRPIX{axis}"], header[f"CRVAL{axis}"] = 2.4, 512.5, 0.0
    left, right, bottom, top = figures.extent_of(header, (1024, 1024))
    assert (left, right, bottom, top) == pytest.approx((-1228.8, 1228.8, -1228.8, 1228.8))
    header["CRPIX1"] = 500.5
    assert figures.extent_of(header, (1024, 1024))[0] == pytest.approx(-1200.0)
    for key, value in (("CROTA2", 180.0), ("CUNIT1", "deg"), ("PC1_2", 0.5)):
        changed = header.copy()
        changed[key] = value
        assert figures.extent_of(changed, (1024, 1024)) is None
    assert figures.extent_of(None, (4, 4)) is None


def test_panels_are_labelled():
    image = numpy.arange(12.0).reshape(3, 4)
    with figures.style():
        figure, axes = figures.new(1, 3)
        figures.show_image(axes[0], image, table="sdoaia171", unit="DN/s", logarithmic=True)
        figures.show_signed(axes[1], image - 5, label="per dex", extent=(-1, 1, -1, 1))
        figures.show_overlay(axes[2], image, image - 5)
        figure.canvas.draw()
    assert "pixels" in axes[0].get_xlabel()
    assert "arcsec" in axes[1].get_ylabel()
    assert {"DN/s", "per dex"} <= {bar.get_ylabel() for bar in figure.axes}


@pytest.mark.parametrize(
    ("values", "opacity"),
    [
        ([0.0, 1.0, 2.0], [0.0, 0.5, 1.0]),
        ([2.0, 3.0, 4.0], [0.0, 0.5, 1.0]),  # weights that are nowhere 0
        ([-2.0, 0.0, 1.0], [1.0, 0.0, 0.5]),
        ([5.0, 5.0, 5.0], [1.0, 1.0, 1.0]),
        ([0.0, 0.0, 0.0], [0.0, 0.0, 0.0]),
    ],
)
def test_a_map_over_its_image_is_the_more_opaque_the_stronger(values, opacity):
    _, axes = figures.new()
    figures.show_overlay(axes, numpy.zeros((1, 3)), numpy.array([values]))
    numpy.testing.assert_allclose(axes.images[1].get_alpha(), [opacity], atol=0.01)


def test_a_map_without_a_sign_leaves_its_weak_half_free_and_has_a_colour_of_its_own():
    weights = numpy.linspace(0.5, 1.0, 400).reshape(20, 20)  # as of Grad-CAM++: nowhere 0
    _, axes = figures.new()
    figures.show_overlay(axes, numpy.zeros((20, 20)), weights)
    free = (axes.images[1].get_alpha() == 0).mean()
    assert free == pytest.approx(figures.QUIET / 100, abs=0.01)
    colours = axes.images[1].to_rgba(numpy.ones((1, 1)))[0, 0, :3]
    for sign in (-1.0, 1.0):
        _, other = figures.new()
        figures.show_overlay(other, numpy.zeros((1, 2)), numpy.array([[-1.0, 1.0]]))
        assert numpy.abs(other.images[1].to_rgba(numpy.array([[sign]]))[0, 0, :3] - colours).max() > 0.4
    assert figures.overlay_key([weights, -weights]) == "blue: against it, red: for it; purple: strength, without a sign"


@pytest.mark.parametrize(
    ("low", "high", "ticks"),
    [
        (0, 5000, [0, 1, 10, 100, 1000]),
        (30, 4000, [30, 100, 300, 1000, 3000]),
        (150, 900, [200, 400, 600, 800]),
        (1200, 1900, [1200, 1400, 1600, 1800]),
        (3, 3, [3]),
    ],
)
def test_a_logarithmic_bar_has_ticks_whatever_its_range(low, high, ticks):
    numpy.testing.assert_allclose(figures.decade_ticks(low, high), ticks)


@pytest.mark.parametrize(("rows", "columns", "least_width"), [(2, 4, 0.0), (1, 1, 6.0), (3, 2, 0.0)])
def test_tiles_lie_apart_below_the_title_and_within_the_figure(rows, columns, least_width):
    figure, axes = figures.tiles(rows, columns, side=1.5, caption=0.4, header=0.7, least_width=least_width)
    width, height = figure.get_size_inches()
    assert width >= least_width
    places = [panel.get_position() for panel in axes.flat]
    for place in places:
        assert (place.width * width, place.height * height) == pytest.approx((1.5, 1.5))
        assert 0 < place.x0 < place.x1 < 1
        assert place.y0 > 0
        assert place.y1 * height + 0.4 <= height - 0.7 + 1e-9
    for number, one in enumerate(places):
        for other in places[:number]:
            apart = one.x0 > other.x1 or other.x0 > one.x1
            assert apart or (other.y0 - one.y1) * height > 0.4, "one lies below the other's caption"
    assert places[0].y0 > places[-1].y0 or rows == 1
    assert (places[0].x0 + places[columns - 1].x1) / 2 == pytest.approx(0.5)


def test_utc_axis_and_title():
    figure, axes = figures.new()
    axes.plot(numpy.array(["2026-02-01", "2026-02-04"], "datetime64[s]"), [0, 1])
    figures.utc_axis(axes)
    figure.canvas.draw()
    assert axes.get_xlabel() == "time (UTC)"
    assert "Feb" in axes.xaxis.get_major_formatter().get_offset() or any(
        "Feb" in tick.get_text() for tick in axes.get_xticklabels()
    )
    assert figures.title("171", simulated=True) == "171 (simulated)"
    assert figures.title("simulated Sun", simulated=True) == "simulated Sun"
    assert figures.title("171", simulated=False) == "171"

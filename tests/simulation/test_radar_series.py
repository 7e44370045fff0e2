import numpy as np
import pytest
import yaml

from components.raster.dataset import read_sources
from components.raster.io import read_scene
from components.simulation.dataset import simulate
from components.simulation.radar_series import BOAT, CONSTRUCTION, FIELD, FLOOD, STABLE, radar_series
from components.simulation.radar_speckle import Speckle, speckle


@pytest.fixture(scope="module")
def series():
    return radar_series(1, (128, 128), dates=40, seen=Speckle(4.4))


@pytest.mark.parametrize("looks", [1.0, 4.4])
@pytest.mark.parametrize("correlation_px", [0.0, 0.7])
def test_speckle_has_mean_one_and_its_looks_whether_correlated_or_not(looks, correlation_px):
    drawn = speckle(np.random.default_rng(0), (10, 200, 200), Speckle(looks, correlation_px))
    assert drawn.mean() == pytest.approx(1, abs=0.01)
    assert 1 / drawn.var() == pytest.approx(looks, rel=0.03)
    neighbours = np.corrcoef(drawn[..., 1:].ravel(), drawn[..., :-1].ravel())[0, 1]
    assert neighbours > 0.4 if correlation_px else abs(neighbours) < 0.01


def test_dates_of_correlated_speckle_are_independent():
    drawn = speckle(np.random.default_rng(0), (2, 200, 200), Speckle(4.4, 0.7))
    assert abs(np.corrcoef(drawn[0].ravel(), drawn[1].ravel())[0, 1]) < 0.03


def test_one_seed_gives_the_same_bytes_and_another_seed_others(series):
    again = radar_series(1, (128, 128), dates=40, seen=Speckle(4.4))
    other = radar_series(2, (128, 128), dates=40, seen=Speckle(4.4))
    assert np.array_equal(series.stack.array, again.stack.array)
    assert not np.array_equal(series.kind.array, other.kind.array)


def test_the_truth_is_where_reflectivity_truly_differs(series):
    """A change is what differs from the date before its first or after its last date; fields never count."""
    kind, (first, last) = series.kind.array[0], series.span.array
    assert set(np.unique(kind)) == {STABLE, CONSTRUCTION, BOAT, FLOOD, FIELD}
    assert (series.changed == np.isin(kind, (CONSTRUCTION, BOAT, FLOOD))).all()
    clean = series.reflectivity[:, 0]
    for row, col in zip(*np.nonzero(series.changed), strict=True):
        moves = np.flatnonzero(np.diff(clean[:, row, col]))
        ends = [] if last[row, col] == 39 else [last[row, col]]
        assert moves.tolist() == [first[row, col] - 1, *ends]
    stable = (kind == STABLE) & ~series.changed
    assert np.ptp(clean[:, stable], axis=0).max() == 0


def test_each_kind_lasts_as_long_as_it_should(series):
    kind, (first, last) = series.kind.array[0], series.span.array
    assert (last[kind == CONSTRUCTION] == 39).all()
    assert (last[kind == BOAT] == first[kind == BOAT]).all()
    assert 1 <= (last - first)[kind == FLOOD].max() <= 4


def test_series_that_are_too_small_are_refused():
    with pytest.raises(ValueError, match="96 px and 8 dates"):
        radar_series(1, (64, 64), seen=Speckle())


def test_a_dataset_of_series_has_a_file_a_date_and_the_truth_beside_them(tmp_path):
    declared = {"view": "radar-series", "shape": [96, 96], "places": [{"name": "one", "seed": 5}]}
    (tmp_path / "dataset.yaml").write_text(yaml.safe_dump({"simulation": declared}))

    (source,) = read_sources(simulate(tmp_path))

    dates = sorted(role for role in source.files if role.startswith("date-"))
    assert len(dates) == 24
    assert dates[0] == "date-20220105"
    assert set(source.files) - set(dates) == {"kind", "span", "reflectivity"}
    noisy, clean = read_scene(source.files[dates[-1]]), read_scene(source.files["reflectivity"])
    assert noisy.unit == clean.unit == "intensity"
    assert np.mean(noisy.array / clean.array) == pytest.approx(1, abs=0.02)

import os
from pathlib import Path

import numpy as np
import pytest
import rasterio

from components.errors import NotEnoughData
from components.metrics.classification import Counts
from components.raster.scene import Scene
from components.raster.stacks import opera_stack
from components.tasks.change.log_ratio import LogRatio
from components.tasks.change.reactiv import Reactiv, detect, estimated_looks
from components.tasks.change.seasons import Season, require_seasons
from components.tasks.change.series import moments
from tests.scenes import make_grid

REAL = Path(os.environ.get("SWATH_REAL_DATA", Path(__file__).parents[2].parent / "shared" / "data")) / "change_sar"
pytestmark = [
    pytest.mark.real,
    pytest.mark.skipif(not REAL.is_dir(), reason=f"no real samples at {REAL}; set SWATH_REAL_DATA"),
    pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning"),
]


@pytest.fixture(scope="module")
def source():
    return opera_stack(REAL / "opera_rtc_s1_10SGD")


def burst(source, name):
    return source.read(next(part.window for part in source.layers[0] if name in part.path.name))


def pair(name):
    pictures = []
    for which in ("1", "2", "gt"):
        with rasterio.open(REAL / "pairs" / f"{name}_{which}.bmp") as dataset:
            pictures.append(dataset.read(1))
    grid = make_grid(pictures[0].shape, None)
    dates = (Scene(each[None].astype(np.float32), grid, ("SAR",), "digital_number") for each in pictures[:2])
    return dict(zip(("before", "after"), dates, strict=True)), pictures[2] > 127


@pytest.mark.parametrize(
    ("name", "rule", "least"),
    [
        ("bern", "otsu", 0.80),
        ("bern", "kittler-illingworth", 0.25),
        ("yellow_A", "otsu", 0.65),
        ("yellow_A", "kittler-illingworth", 0.65),
        ("yellow_B", "otsu", 0.05),
        ("yellow_B", "kittler-illingworth", 0.45),
        ("yellow_B", "kittler-illingworth-half-normal", 0.8),
    ],
)
def test_kappa_of_the_log_ratio_on_real_pairs_is_what_was_measured(name, rule, least):
    scenes, truth = pair(name)
    found = LogRatio(("SAR",), "digital_number", rule, 5, offset=1).predict(scenes)["change"].array[0]
    kappa = Counts.of(truth, found == 1).scores()["kappa"]
    assert least <= kappa < least + 0.1


def test_real_land_has_more_looks_than_the_sea_seems_to_have(source):
    """Waves vary beside speckle, so the looks of water come out too few."""
    land = estimated_looks(moments(burst(source, "292319-IW2")))
    sea = estimated_looks(moments(burst(source, "292322-IW1")))
    assert min(land) > 6
    assert max(sea) < 3


def test_most_of_a_real_town_is_stable_over_one_season_and_more_changes_over_years(source):
    season = source.between(source.dates[0], source.dates[5])
    share = {}
    for name, own in (("season", season), ("years", source)):
        stack = burst(own, "292319-IW2")
        found = detect(stack, estimated_looks(moments(stack)), 0.01)
        assert found.valid.all()
        share[name] = found.changed.mean()
    assert 0.01 < share["season"] < 0.12 < share["years"] < 0.3


def test_real_outputs_fit_together(source):
    out = Reactiv(("VV", "VH")).predict({"series": burst(source, "292320-IW2")})
    changed = out["change"].array[0] == 1
    assert (np.isfinite(out["when"].array).all(axis=0) == changed).all()
    first, last = out["when"].array[1][changed], out["when"].array[2][changed]
    assert (first <= last).all()
    assert last.max() <= (source.dates[-1] - source.dates[0]).days + 1
    assert out["composite"].array.min() >= 1


def test_four_real_winters_cannot_show_a_season(source):
    with pytest.raises(NotEnoughData, match="only some months"):
        require_seasons(source.dates, Season())

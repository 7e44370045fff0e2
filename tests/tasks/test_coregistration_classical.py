"""Classical co-registration: exact on moved copies, blind to contrast where it says so, doubtful on strangers."""

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter, map_coordinates
from scipy.ndimage import shift as moved_by

from components.inference.tiled import predict
from components.metrics.flow import ErrorCounts, end_point_errors
from components.raster.scene import Scene
from components.tasks.coregistration import gefolki, templates
from components.tasks.coregistration.classical import DenseMatching, classical
from components.tasks.coregistration.consistency import trusted
from components.tasks.coregistration.gefolki import EFOLKI, FolkiSettings
from components.tasks.coregistration.lattice import Lattice, smooth_field
from components.tasks.coregistration.options import MethodOptions
from components.tasks.coregistration.pair import CONFIDENCE, FLOW, MOVING, REFERENCE
from components.tasks.coregistration.shift import best_constant, phase_correlation
from components.tasks.coregistration.structure import structure_of
from tests.scenes import make_grid

SHAPE = (192, 224)
SENSOR = {"sensor": "sentinel-2", "bands": ["B03", "B04"], "unit": "reflectance"}
NAMES = ["zero-flow", "phase-correlation", "gefolki", "templates"]


def texture(seed=0, shape=SHAPE):
    rng = np.random.default_rng(seed)
    return sum(gaussian_filter(rng.standard_normal(shape), s) * s for s in (1, 2, 6)).astype(np.float32)


def smooth_flow(seed=0, shape=SHAPE, length=2.5):
    rng = np.random.default_rng(seed)
    field = np.stack([gaussian_filter(rng.standard_normal(shape), 60) for _ in range(2)])
    return (field * length / np.hypot(*field).mean()).astype(np.float32)


def fetched(image, flow):
    rows, cols = np.indices(image.shape)
    return map_coordinates(image, [rows + flow[1], cols + flow[0]], order=3, mode="mirror").astype(np.float32)


def pair(seed=0, shape=SHAPE, length=2.5):
    """Reference, moving, truth: the reference is the moving image fetched once through the true flow."""
    moving, truth = texture(seed, shape), smooth_flow(seed, shape, length)
    return fetched(moving, truth), moving, truth


def epe(flow, truth):
    return ErrorCounts.of(end_point_errors(flow, truth)).scores()["epe"]


def gefolki_flow(reference, moving):
    return gefolki.estimate(reference, moving)


def template_flow(reference, moving):
    return templates.estimate(reference, moving)[0]


def options(**changed):
    return MethodOptions.model_validate({"name": "gefolki", "reference": SENSOR, "moving": SENSOR, **changed})


def scenes(reference, moving):
    def scene(image):
        return Scene(np.stack([image, image]), make_grid(image.shape), ("B03", "B04"), "reflectance", np.nan)

    return {REFERENCE: scene(reference), MOVING: scene(moving)}


def test_gefolki_recovers_a_smooth_flow_to_a_tenth_of_a_pixel():
    reference, moving, truth = pair()
    assert epe(gefolki.estimate(reference, moving), truth) < 0.1


def test_the_contrast_test_makes_gefolki_blind_to_inversion_and_only_that_does():
    reference, moving, truth = pair()
    assert epe(gefolki.estimate(reference, -moving), truth) < 0.1
    assert epe(gefolki.estimate(reference, -moving, EFOLKI), truth) > 5


def test_the_contrast_test_works_place_by_place():
    reference, moving, truth = pair()
    half = moving.copy()
    half[:, :112] *= -1
    assert epe(gefolki.estimate(reference, half), truth) < 0.15
    assert epe(gefolki.estimate(reference, half, EFOLKI), truth) > 1


@pytest.mark.parametrize("estimate", [gefolki_flow, template_flow])
def test_an_image_is_not_moved_against_itself(estimate):
    assert np.abs(estimate(texture(), texture())).max() < 0.02


@pytest.mark.parametrize("estimate", [gefolki_flow, template_flow])
@pytest.mark.parametrize("contrast", [1, -1])
@pytest.mark.parametrize(("u", "v"), [(0.5, -0.25), (3.3, 2.6)])
def test_a_shift_by_part_of_a_pixel_is_found_to_a_twentieth(estimate, contrast, u, v):
    still = texture(1)
    moved = contrast * moved_by(still, (v, u), order=5, mode="mirror")
    inner = estimate(still, moved.astype(np.float32))[:, 16:-16, 16:-16]
    assert inner.mean((1, 2)) == pytest.approx([u, v], abs=0.05)
    assert np.hypot(inner[0] - u, inner[1] - v).mean() < 0.05


@pytest.mark.parametrize(("u", "v"), [(0.5, -0.25), (-7.3, 2.6), (0, 0)])
def test_phase_correlation_finds_a_shift_and_is_sure_of_it(u, v):
    moved = moved_by(texture(), (v, u), order=5, mode="mirror").astype(np.float32)
    found = phase_correlation(texture(), moved)
    assert (found.u, found.v) == pytest.approx((u, v), abs=0.05)
    assert found.confidence > 0.5


def test_the_best_constant_shift_is_the_median_of_the_truth():
    truth = np.array([[[1, 2, 9, np.nan]], [[0, 0, -3, 1]]], np.float32)
    assert best_constant(truth)[:2] == (2, 0)
    assert best_constant(np.full((2, 3, 3), np.nan, np.float32))[:2] == (0, 0)


def test_templates_recover_a_flow_that_changes_little_within_a_window():
    reference, moving, truth = pair(length=1.5)
    assert epe(template_flow(reference, moving), truth) < 0.3
    assert epe(template_flow(reference, -moving), truth) < 0.3


def test_structure_does_not_change_with_gain_offset_or_inversion():
    plain, _ = structure_of(texture())
    other, _ = structure_of(3 - 7 * texture())
    assert np.abs(plain - other).max() < 1e-3


def test_a_flow_for_refinement_is_where_gefolki_begins():
    reference, moving, truth = pair()
    far = FolkiSettings(levels=1, radii=(16, 8))
    coarse = truth + 0.7
    assert epe(gefolki.estimate(reference, moving, far, coarse), truth) < 0.1
    assert epe(gefolki.estimate(reference, moving, far), truth) > 0.3


@pytest.mark.parametrize("name", NAMES)
def test_strangers_are_not_trusted(name):
    found = predict(classical(name, options()), scenes(texture(0), texture(9)))
    assert np.nanmean(found[CONFIDENCE].array) < 0.15


@pytest.mark.parametrize("name", ["gefolki", "templates"])
def test_a_pair_that_matches_is_trusted(name):
    reference, moving, _ = pair(length=1.5)
    found = predict(classical(name, options()), scenes(reference, moving))
    assert np.nanmean(found[CONFIDENCE].array) > 0.85


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("blank", [REFERENCE, MOVING])
def test_a_blank_image_gives_no_confident_flow(name, blank):
    given = scenes(texture(), texture())
    given[blank] = given[blank].with_array(np.zeros((2, *SHAPE), np.float32))
    found = predict(classical(name, options()), given)
    assert np.abs(found[FLOW].array).max() < 1e-3
    assert found[CONFIDENCE].array.max() < 0.05


@pytest.mark.parametrize("name", NAMES)
def test_holes_carry_into_the_answer_and_do_not_disturb_their_surroundings(name):
    reference, moving, truth = pair(length=1.5)
    reference[60:90, 80:120] = np.nan
    moving[120:140, :] = np.nan
    found = predict(classical(name, options()), scenes(reference, moving))
    seen = np.isfinite(reference)
    assert np.array_equal(found[FLOW].valid, seen)
    assert (found[CONFIDENCE].array[0][seen & ~np.isfinite(moving)] == 0).all()
    if name in ("gefolki", "templates"):
        sure = found[CONFIDENCE].array[0] > 0.5
        assert end_point_errors(found[FLOW].array, truth)[sure].mean() < (0.1 if name == "gefolki" else 0.4)


@pytest.mark.parametrize("shape", [(1, 1), (7, 300), (9, 40), (33, 21)])
@pytest.mark.parametrize("name", NAMES)
def test_scenes_of_any_size_are_answered(name, shape):
    found = predict(classical(name, options()), scenes(texture(0, shape), texture(1, shape)))
    assert found[FLOW].valid.all()


@pytest.mark.parametrize("name", NAMES)
def test_a_scene_without_any_pixel_is_answered_with_nothing(name):
    empty = np.full(SHAPE, np.nan, np.float32)
    assert not classical(name, options()).predict(scenes(empty, texture()))[FLOW].valid.any()
    assert (classical(name, options()).predict(scenes(texture(), empty))[CONFIDENCE].array == 0).all()


def test_windows_that_do_not_fit_lower_the_pyramid_and_then_shrink():
    asked = FolkiSettings(levels=6)
    assert asked.fitting((448, 448)).levels == 3  # 112 px hold a window of 65, 56 px do not
    assert asked.fitting((4096, 4096)) == asked
    small = asked.fitting((40, 60))
    assert (small.levels, max(small.radii)) == (1, 19)


@pytest.mark.parametrize("wrong", [{"levels": 0}, {"radii": (8, 0)}, {"rank_radius": 8}, {"iterations": 0}])
def test_settings_out_of_range_are_refused(wrong):
    with pytest.raises(ValueError, match="must be"):
        FolkiSettings(**wrong)


def test_images_of_two_shapes_are_refused():
    for estimate in (gefolki.estimate, trusted, templates.estimate, phase_correlation):
        with pytest.raises(ValueError, match="one shape"):
            estimate(texture(), texture(0, (64, 64)))


def test_matches_on_an_affine_field_give_that_field_up_to_the_border():
    lattice = Lattice.over((100, 130), 10)
    rows, cols = np.meshgrid(lattice.rows, lattice.cols, indexing="ij")
    nodes = np.stack([0.02 * cols - 1, 0.01 * rows + 0.5]).astype(np.float32)
    weight = (np.random.default_rng(0).random(rows.shape) > 0.3).astype(np.float32)
    found, share = smooth_field(nodes, weight, lattice, (100, 130))
    y, x = np.indices((100, 130))
    assert np.abs(found - np.stack([0.02 * x - 1, 0.01 * y + 0.5]))[:, 10:-10, 10:-10].max() < 0.02
    assert 0.5 < share.mean() < 0.9


@pytest.mark.parametrize("name", ["gefolki", "templates"])
def test_tiles_join_without_a_step(name):
    reference, moving, _ = pair(3, (416, 416))
    method = classical(name, options())
    assert isinstance(method, DenseMatching)
    given = scenes(reference, moving)
    tiled, whole = (predict(method, given, tile_px=size)[FLOW].array for size in (208, 416))
    steps = np.abs(np.diff(tiled - whole, axis=2))[:, :, 150:260]
    assert steps.max() < 0.05
    assert np.abs(tiled - whole).mean() < 0.02


def test_settings_of_a_run_reach_the_methods_and_their_halo():
    small = options(templates={"radius": 8, "reach": 4, "step": 8}, gefolki={"levels": 2, "radii": [8, 4]})
    assert (classical("templates", small).halo_px, classical("gefolki", small).halo_px) == (64, 32)
    reference, moving = texture(0), np.roll(texture(0), (0, -6), (0, 1))
    near, far = (predict(classical("templates", each), scenes(reference, moving))[FLOW] for each in (small, options()))
    middle = np.s_[0, 48:-48, 48:-48]
    assert np.abs(far.array[middle] + 6).mean() < 0.3
    assert np.abs(near.array[middle] + 6).mean() > 1  # 6 px lie beyond its reach of 4


@pytest.mark.parametrize(
    ("section", "problem"),
    [
        ({"gefolki": {"levels": 0}}, "at least 1"),
        ({"templates": {"reach": 0}}, "must be positive"),
        ({"templates": {"radios": 8}}, "radios"),
    ],
)
def test_settings_that_cannot_be_are_refused_by_name(section, problem):
    with pytest.raises(ValueError, match=problem):
        options(**section)

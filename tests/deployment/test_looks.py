from pathlib import Path

import pytest

from components.deployment.loading import LoadedVersion
from components.deployment.looks import with_looks
from components.errors import BadParams
from components.tasks import load_run


def version(run, **method):
    task, params = load_run(run)
    params = params.model_copy(update={"method": {**params.method, **method}})
    candidate = task.methods(params).candidate
    return LoadedVersion(run, "0" * 16, Path(), params.task, "", task, task.spec(params), params, candidate)


def test_one_number_is_for_every_band_of_a_series_and_the_version_itself_is_unchanged():
    given = version("change-sar")
    assert with_looks(given, [4.4]).method.looks == (4.4, 4.4)
    assert with_looks(given, [4.9, 4.4]).method.looks == (4.9, 4.4)
    assert given.method.looks is None


def test_a_filter_of_scenes_takes_one_number():
    given = version("despeckling-sandbox", name="lee", spacing_px=1)
    told = with_looks(given, [3.0])
    assert (told.method.options.looks, told.params.method["looks"]) == (3.0, 3.0)
    with pytest.raises(BadParams, match="looks: expected 1 numbers, found 2"):
        with_looks(given, [3.0, 4.0])


@pytest.mark.parametrize(
    ("run", "looks", "said"),
    [
        ("change-sar", [1.0, 2.0, 3.0], r"expected 1 or 2 \(one for each of VV, VH\) numbers, found 3"),
        ("despeckling-sandbox", [4.4], "learnt from scenes of 4.4 looks, and nothing can be declared"),
        ("coregistration-templates", [4.4], "looks"),
    ],
)
def test_looks_that_cannot_be_declared_are_refused(run, looks, said):
    with pytest.raises(BadParams, match=said):
        with_looks(version(run), looks)

"""`swath predict` on a series that a STAC API serves: the declaration of a dataset in place of a folder of dates."""

import pytest

from components.errors import BadParams, BadScene
from components.raster.io import read_scene
from tests.flows.in_service import serve, swath
from tests.ingestion.folders import declare
from tests.ingestion.radar_api import radar_api, radar_layout

pytestmark = pytest.mark.service
ORBITS = {137: 6, 64: 1}


@pytest.fixture(scope="module")
def api(tmp_path_factory):
    """The file server and the URL of a real `rustac serve` with two bursts on six dates of one orbit, one of 64."""
    with radar_api(tmp_path_factory.mktemp("stac"), ORBITS) as found:
        yield found


@pytest.fixture
def declaration(api, tmp_path):
    """The dataset.yaml of the radar scenes of that API."""
    dataset = declare(tmp_path, sensor="sentinel-1", label=None, properties={}, **radar_layout(api[1]))
    return dataset / "dataset.yaml"


@pytest.fixture(autouse=True)
def _in_service(monkeypatch, tmp_path):
    """REACTIV is in service, and downloads stay in the test."""
    (tmp_path / "project").mkdir()
    monkeypatch.setenv("SWATH_PROJECT", str(tmp_path / "project"))
    serve(monkeypatch)


def test_a_declared_api_is_a_series_like_a_folder(api, declaration, tmp_path):
    files, _ = api
    out = tmp_path / "change.tif"
    files.asked.clear()
    done = swath("change-sar", declaration, "-o", out, "--orbit", "T137", "--looks", "4.4")
    assert done.exit_code == 0, done.exception
    assert read_scene(out).grid.shape == (30, 50), "both bursts side by side"
    assert {path.split("/")[1].split("-")[1] for path, _ in files.asked} == {"137"}, "other orbits are not fetched"
    files.asked.clear()
    assert swath("change-sar", declaration, "-o", out, "--orbit", "137", "--looks", "4.4").exit_code == 0
    assert files.asked == [], "what was fetched is kept"


def test_orbits_are_not_mixed(declaration, tmp_path):
    done = swath("change-sar", declaration, "-o", tmp_path / "change.tif")
    assert isinstance(done.exception, BadScene)
    assert "137" in str(done.exception)
    assert "64" in str(done.exception)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [(["--unit", "db"], "says names and unit itself"), (["--orbit", "ascending"], "expected the number of a")],
)
def test_what_the_declaration_says_is_not_said_again(arguments, says, declaration, tmp_path):
    done = swath("change-sar", declaration, "-o", tmp_path / "change.tif", *arguments)
    assert isinstance(done.exception, BadParams)
    assert says in str(done.exception)

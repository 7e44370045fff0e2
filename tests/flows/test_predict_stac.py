"""`swath predict` on a series that a STAC API serves: the declaration of a dataset in place of a folder of dates."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from components.deployment import loading
from components.deployment.loading import LoadedVersion
from components.errors import BadParams, BadScene
from components.raster.io import read_scene
from components.tasks import load_run
from flows import cli
from flows.commands import predict
from tests.ingestion.faulty_server import serving
from tests.ingestion.folders import declare
from tests.ingestion.stac_api import stac_api
from tests.ingestion.test_stac_series import BBOX, CORNERS, radar_item

pytestmark = pytest.mark.service
ORBITS = {137: 6, 64: 1}


@pytest.fixture(scope="module")
def api(tmp_path_factory):
    """The file server and the URL of a real `rustac serve` with two bursts on six dates of one orbit, one of 64."""
    folder = tmp_path_factory.mktemp("stac")
    with serving(folder / "files") as files:
        items = [
            radar_item(files.folder, files.url, orbit, index, burst)
            for orbit, count in ORBITS.items()
            for index in range(count)
            for burst in CORNERS
        ]
        with stac_api(items, folder) as url:
            yield files, url


@pytest.fixture
def declaration(api, tmp_path):
    """The dataset.yaml of the radar scenes of that API."""
    layout = {"kind": "stac", "url": api[1], "collections": ["rtc"], "bbox": BBOX, "place": "{id}"}
    layout |= {"datetime": "2023-01-01/2023-12-31", "assets": {"VV": "vv", "VH": "vh"}}
    image = {"bands": ["VV", "VH"], "unit": "intensity", "storage": {"dtype": "float32"}}
    dataset = declare(tmp_path, sensor="sentinel-1", layout=layout, image=image, label=None, properties={})
    return dataset / "dataset.yaml"


@pytest.fixture(autouse=True)
def _in_service(monkeypatch, tmp_path):
    """REACTIV is in service, and downloads stay in the test."""

    def load(run):
        task, params = load_run(run)
        return LoadedVersion(
            run, "0" * 12, Path(), params.task, "", task, task.spec(params), params, task.methods(params).candidate
        )

    (tmp_path / "project").mkdir()
    monkeypatch.setenv("SWATH_PROJECT", str(tmp_path / "project"))
    monkeypatch.setattr(predict, "fetched", lambda _, run: run)
    monkeypatch.setattr(loading, "load_version", load)


def swath(*arguments):
    return CliRunner().invoke(cli.app, ["predict", *map(str, arguments)], catch_exceptions=True)


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

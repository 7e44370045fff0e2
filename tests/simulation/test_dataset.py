from pathlib import Path

import numpy as np
import pytest
import yaml

from components.errors import BadParams, UnknownName
from components.raster.dataset import read_sources, verify_manifest
from components.raster.io import read_scene
from components.simulation.__main__ import main
from components.simulation.dataset import read_simulation, simulate
from components.simulation.optical import optical_pair

DECLARED = Path(__file__).parents[2] / "data" / "sources" / "sandbox-optical"
PLACES = [{"name": "terra-01", "seed": 1}, {"name": "terra-02", "seed": 2}]


def declare(folder: Path, **simulation: object) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    section = {"shape": [64, 96], "places": PLACES, **simulation}
    (folder / "dataset.yaml").write_text(yaml.safe_dump({"name": folder.name, "simulation": section}))
    return folder


def files_of(raw: Path) -> dict[str, bytes]:
    return {path.relative_to(raw).as_posix(): path.read_bytes() for path in sorted(raw.rglob("*")) if path.is_file()}


def test_the_declared_sandbox_has_places_enough_for_a_gate():
    wanted = read_simulation(DECLARED)
    assert wanted.shape == (256, 256)
    assert [place.name for place in wanted.places] == [f"terra-{number:02d}" for number in range(1, 24)]


def test_the_stage_writes_one_source_a_place(tmp_path):
    raw = simulate(declare(tmp_path / "tiny"))
    verify_manifest(raw)
    sources = read_sources(raw)
    assert [(source.id, source.place) for source in sources] == [("terra-01", "terra-01"), ("terra-02", "terra-02")]
    assert all(set(source.files) == {"before", "after", "mask"} for source in sources)


def test_what_is_written_is_what_was_seen(tmp_path):
    source = read_sources(simulate(declare(tmp_path / "tiny")))[1]
    pair = optical_pair(2, (64, 96))
    before, mask = read_scene(source.files["before"]), read_scene(source.files["mask"], decode=False)
    assert (before.bands, before.unit, before.acquired) == (pair.before.bands, "reflectance", pair.before.acquired)
    np.testing.assert_allclose(before.array, pair.before.array, atol=0.51e-4)
    assert np.array_equal(mask.array, pair.change.array)
    assert mask.classes == pair.change.classes


def test_the_stage_gives_the_same_bytes_again_and_forgets_old_places(tmp_path):
    folder = declare(tmp_path / "tiny")
    first = files_of(simulate(folder))
    declare(folder, places=[*PLACES, {"name": "terra-03", "seed": 3}])
    simulate(folder)
    declare(folder)
    assert files_of(simulate(folder)) == first


def test_an_unknown_dataset_is_named_with_those_that_are_known(tmp_path, capsys):
    declare(tmp_path / "data" / "sources" / "tiny")
    with pytest.raises(UnknownName, match="known: tiny"):
        simulate(tmp_path / "data" / "sources" / "other")
    assert main(["other", "--root", str(tmp_path)]) == 1
    assert "known: tiny" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("section", "problem"),
    [
        ({"places": []}, "simulation.places"),
        ({"shape": [8, 8]}, "at least 64 px"),
        ({"places": [*PLACES, PLACES[0]]}, "stands twice"),
        ({"speed": 3}, "simulation.speed"),
    ],
)
def test_a_wrong_declaration_names_file_and_key(tmp_path, section, problem):
    with pytest.raises(BadParams, match=problem) as caught:
        read_simulation(declare(tmp_path / "tiny", **section))
    assert "dataset.yaml" in str(caught.value)


def test_a_dataset_without_the_section_cannot_be_simulated(tmp_path):
    (tmp_path / "dataset.yaml").write_text("name: real\n")
    with pytest.raises(BadParams, match="simulation: missing"):
        simulate(tmp_path)

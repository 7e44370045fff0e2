import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from components.errors import BandMismatch
from components.raster.bands import band_indexes, canonical, common_name


@pytest.mark.parametrize("alias", ["B2", "b2", "B02", "b02", "blue", "Blue", " blue "])
def test_aliases_of_a_band_have_one_name(alias):
    assert canonical(alias) == "B02"


@pytest.mark.parametrize(("alias", "name"), [("nir", "B08"), ("nir08", "B8A"), ("b8a", "B8A"), ("swir22", "B12")])
def test_common_names_are_understood(alias, name):
    assert canonical(alias) == name


@settings(deadline=None, max_examples=50)
@given(st.text(max_size=8))
def test_a_canonical_name_stays_as_it_is(name):
    assert canonical(canonical(name)) == canonical(name)


def test_an_unknown_name_stays_as_it_is():
    assert canonical("VV") == "VV"
    assert common_name("VV") is None


def test_a_common_name_belongs_to_its_band():
    assert common_name("B2") == "blue"


def test_bands_are_found_by_name_in_any_order():
    assert band_indexes(["nir", "B2"], ["B02", "B03", "B8"], "here") == [2, 0]


def test_a_missing_band_names_expected_and_found():
    with pytest.raises(BandMismatch, match=r"expected bands B12, found B02, B03"):
        band_indexes(["B12"], ["B02", "B03"], "here")


def test_a_name_that_stands_twice_is_refused():
    with pytest.raises(BandMismatch):
        band_indexes(["B02"], ["B02", "blue"], "here")

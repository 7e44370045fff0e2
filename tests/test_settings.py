from pathlib import Path

import pytest
from pydantic import ValidationError

from components.raster.decoder import CACHE_BYTES
from components.settings import CHILD_SETTINGS, LARGE_SETTINGS, UPLOAD_SETTINGS, Settings


@pytest.mark.parametrize("names", [UPLOAD_SETTINGS, LARGE_SETTINGS, CHILD_SETTINGS])
def test_every_limit_is_raised_by_the_setting_that_its_refusal_names(names, monkeypatch):
    kind = {id(UPLOAD_SETTINGS): "upload", id(LARGE_SETTINGS): "large", id(CHILD_SETTINGS): "child"}[id(names)]
    usual = getattr(Settings(project=Path()), f"{kind}_limits")
    for limit, setting in names.items():
        variable = usual.settings[limit]
        monkeypatch.setenv(variable, str(getattr(Settings(project=Path()), setting) + 1))
        try:
            raised = getattr(Settings(project=Path()), f"{kind}_limits")
        except ValidationError:  # it stands at the most that can be had
            continue
        finally:
            monkeypatch.delenv(variable)
        assert getattr(raised, limit) > getattr(usual, limit), variable


def test_the_largest_block_that_may_be_allowed_fits_the_cache_of_a_decoder():
    with pytest.raises(ValidationError):
        Settings(project=Path(), max_block_mb=CACHE_BYTES // 1024**2 + 1)

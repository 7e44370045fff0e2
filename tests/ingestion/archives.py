"""Public archives in small, laid out as published, with numbers whose meaning is known."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from tests.scenes import make_grid, write_plain

SIDE = 24
OSCD_BANDS = ("B01", "B02", "B03", "B04", "B05", "B06", "B07", "B08", "B8A", "B09", "B10", "B11", "B12")


def picture(path: Path, seed: int = 0) -> Path:
    return _save(path, np.random.default_rng(seed).integers(0, 255, (SIDE, SIDE, 3)).astype(np.uint8))


def codes(values: tuple[int, int]) -> np.ndarray:
    """The first value in the upper half, the second below."""
    found = np.full((SIDE, SIDE), values[0])
    found[SIDE // 2 :] = values[1]
    return found


def grey(path: Path, values: tuple[int, int] = (0, 255), *, bands: int = 1) -> Path:
    array = codes(values).astype(np.uint8)
    return _save(path, array if bands == 1 else np.stack([array] * bands, -1))


def coloured(path: Path, colours: tuple[str, str]) -> Path:
    numbers = [[int(text[at : at + 2], 16) for at in (1, 3, 5)] for text in colours]
    array = np.array(numbers, np.uint8)[codes((0, 1))]
    if path.suffix == ".tif":
        return raster(path, np.moveaxis(array, -1, 0), placed=False)
    return _save(path, array)


def raster(path: Path, array: np.ndarray, *, placed: bool = True, **profile: object) -> Path:
    return write_plain(path, array, make_grid((SIDE, SIDE)) if placed else make_grid((SIDE, SIDE), None), **profile)


def numbers(bands: int, seed: int = 0, dtype: str = "uint16") -> np.ndarray:
    return np.random.default_rng(seed).integers(1, 250 if dtype == "uint8" else 5000, (bands, SIDE, SIDE)).astype(dtype)


def oscd(root: Path) -> None:
    for city in ("paris", "rio"):
        images, labels = root / "Images" / city, root / "Labels" / city
        for visit in (1, 2):
            for index, band in enumerate(OSCD_BANDS):
                raster(images / f"imgs_{visit}_rect" / f"{band}.tif", numbers(1, visit * 100 + index), placed=False)
            raster(images / f"imgs_{visit}" / "S2A_OPER_B01.tif", numbers(1))
        grey(labels / "cm" / "cm.png", bands=3)


def levir(root: Path) -> None:
    for name in ("train/{}/train_1", "test/{}/test_7"):
        for folder in ("A", "B"):
            picture(root / f"{name.format(folder)}.png", ord(folder))
        grey(root / f"{name.format('label')}.png")


def hrscd(root: Path) -> None:
    old, new = "14-2005-0310-6890-LA93.tif", "14-2012-0310-6890-LA93-0M50-E080.tif"
    raster(root / "images_2006/2006/D14" / old, numbers(3, 1, "uint8"))
    raster(root / "images_2012/2012/D14" / new, numbers(3, 2, "uint8"))
    raster(root / "labels_change/change/D14" / new, codes((0, 1))[None].astype(np.uint8))
    for year in (2006, 2012):
        raster(root / f"labels_land_cover_{year}/{year}/D14" / new, codes((0, 3))[None].astype(np.uint8))


def second(root: Path) -> None:
    for folder in ("im1", "im2"):
        picture(root / "train" / folder / "00003.png", len(folder))
    coloured(root / "train/label1/00003.png", ("#ffffff", "#00ff00"))
    coloured(root / "train/label2/00003.png", ("#ffffff", "#800000"))


def sen12ms(root: Path) -> None:
    name = "ROIs1158_spring/{0}_1/ROIs1158_spring_{0}_1_p30.tif"
    radar = np.random.default_rng(0).normal(-12, 3, (2, SIDE, SIDE)).astype(np.float32)
    raster(root / name.format("s1"), radar)
    raster(root / name.format("s2"), numbers(13))
    cover = numbers(4, 3, "uint8")
    cover[0] = codes((12, 13))
    raster(root / name.format("lc"), cover)


def sen1floods11(root: Path) -> None:
    raster(root / "S1Hand/Ghana_103272_S1Hand.tif", np.random.default_rng(0).normal(-12, 3, (2, SIDE, SIDE)))
    raster(root / "S2Hand/Ghana_103272_S2Hand.tif", numbers(13, 1, "int16"))
    raster(root / "LabelHand/Ghana_103272_LabelHand.tif", codes((-1, 1))[None].astype(np.int16))


def potsdam(root: Path) -> None:
    raster(root / "2_Ortho_RGB/top_potsdam_2_10_RGB.tif", numbers(3, 1, "uint8"))
    coloured(root / "5_Labels_all/top_potsdam_2_10_label.tif", ("#00ffff", "#ffff00"))


def vaihingen(root: Path) -> None:
    raster(root / "top/top_mosaic_09cm_area1.tif", numbers(3, 1, "uint8"))
    coloured(root / "gts_for_participants/top_mosaic_09cm_area1.tif", ("#00ffff", "#ffff00"))


def _save(path: Path, array: np.ndarray) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(array).save(path)
    return path

"""Every figure that Swath draws, under one name; no other module plots."""

from components.pictures.figures import Interval, contact_sheet, save_curve, save_intervals, save_picture
from components.pictures.panels import (
    CONFUSION_LEGEND,
    class_panel,
    confusion_panel,
    stretch,
    stretch_limits,
)

__all__ = [
    "CONFUSION_LEGEND",
    "Interval",
    "class_panel",
    "confusion_panel",
    "contact_sheet",
    "save_curve",
    "save_intervals",
    "save_picture",
    "stretch",
    "stretch_limits",
]

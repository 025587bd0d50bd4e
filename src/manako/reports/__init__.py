"""Numbers and pictures of a run as something to read: HTML report, terminal table, CSV."""

from manako.reports.contents import Picture, ReportContents
from manako.reports.drawing import draw_prediction
from manako.reports.page import write_report
from manako.reports.predictions_csv import write_predictions
from manako.reports.text import class_table, splits_table

__all__ = [
    "Picture",
    "ReportContents",
    "class_table",
    "draw_prediction",
    "splits_table",
    "write_predictions",
    "write_report",
]

"""The data doctor: what is wrong with a data set, before anybody learns from it.

`check_dataset` decodes every picture once (`scan`, `pictures`), finds the same picture in several
places (`copies`, `neighbours`) and tells what follows for the set as it is divided (`report`).
"""

from manako.data.check.leave_out import left_out, write_exclude_file
from manako.data.check.report import (
    ODDITIES,
    DataReport,
    Fault,
    Place,
    Same,
    check_dataset,
)

__all__ = [
    "ODDITIES",
    "DataReport",
    "Fault",
    "Place",
    "Same",
    "check_dataset",
    "left_out",
    "write_exclude_file",
]

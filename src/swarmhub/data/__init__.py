"""From a hospital's CSV to the matrix that a model trains on.

    tables      reading a CSV; columns with missing values
    statistics  what a hospital says about its table, and the design that all sites build from it
    heart       a real example: heart disease at four hospitals
    metrics     AUC and log loss

Rows stay in the process that reads them; the statistics document is the only thing made here that
leaves a hospital.
"""

from swarmhub.data.heart import load_heart, split_holdout, write_heart
from swarmhub.data.metrics import auc, log_loss
from swarmhub.data.statistics import Design, statistics_of
from swarmhub.data.tables import Table, read_table

__all__ = [
    "Design",
    "Table",
    "auc",
    "load_heart",
    "log_loss",
    "read_table",
    "split_holdout",
    "statistics_of",
    "write_heart",
]

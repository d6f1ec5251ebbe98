"""From a hospital's CSV to the matrix that a model trains on.

    csvfile      a file's rows of cells
    cells        a column's cells as numbers or categories
    identifiers  columns that identify patients
    tables       a table out of these: columns with missing values, a label, patients
    split        setting patients aside
    summaries    a hospital's statistics of its table, and the design that all sites build from it
    agreement    columns that a table and the design share, and those that they do not
    heart        a real example: heart disease at four hospitals
    metrics      AUC and log loss

Rows stay in the process that reads them; the statistics document is the only thing made here that
leaves a hospital.
"""

from swarmhub.data.heart import load_heart, write_heart
from swarmhub.data.metrics import auc, log_loss
from swarmhub.data.split import split_holdout, split_patients
from swarmhub.data.summaries import Design, statistics_of
from swarmhub.data.tables import Table, read_table

__all__ = [
    "Design",
    "Table",
    "auc",
    "load_heart",
    "log_loss",
    "read_table",
    "split_holdout",
    "split_patients",
    "statistics_of",
    "write_heart",
]

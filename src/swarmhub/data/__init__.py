"""From a hospital's files to the matrix that a model trains on.

    frames       what one file holds: numbers, columns of words, names of samples
    readers      one file format, one reader
    cells        a column of words: numbers, categories, or numbers with faults in them
    identifiers  columns that identify patients
    schema       a study's declaration of its data
    join         several files, joined by the samples' names
    columns      the columns of a block
    logarithms   logarithms with the same bits on every machine
    assemble     a `Dataset` out of these
    reading      a hospital's files
    findings     what a look at the data has found
    split        setting patients aside
    summaries    a hospital's statistics of its data, the one document that leaves before training
    design       the features that all hospitals derive from the merged statistics
    agreement    columns that a dataset and the design share, and those that they do not
    heart        a real example: heart disease at four hospitals
    metrics      AUC and log loss

Rows stay in the process that reads them; the statistics document is the only thing made here that
leaves a hospital.
"""

from swarmhub.data.heart import write_heart
from swarmhub.data.metrics import auc, log_loss

__all__ = ["auc", "log_loss", "write_heart"]

"""How good a model is, for two classes: on one hospital's test patients exactly, on all of them by
sums of counts.

    figures  figures with intervals, of scores
    counts   what leaves a hospital, and the figures of its sums
    charts   pictures of these, as SVG

numpy only.
"""

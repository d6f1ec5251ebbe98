"""Gradient-boosted trees over hospitals by sums of histograms.

    cells    neighbouring bins are merged until each has enough patients
    cuts     cut points that all hospitals agree on, out of counts on a grid; bins of rows
    slopes   gradients and curvatures of rows, in whole steps
    forest   trees of fixed depth as they grow, and the margins that they give
    splits   the best split of a node out of its histograms
    growing  the trees, a level in each round of a `sum` stage

Pure functions over numpy arrays. Gradients and curvatures are whole multiples of 2^-BITS, so their
sums are exact in any order: the trees of several hospitals are those of all rows in one place, bit
for bit, if no cell is withheld (`min_count = 1`).
"""

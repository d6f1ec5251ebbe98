"""Survival over hospitals by sums on a grid of times that all agree on.

    times         the grid, and times rounded up to it
    kaplan_meier  survival curves, medians and log-rank tests out of summed counts
    likelihood    Cox's partial likelihood (Efron) out of sums over the rows of each grid time
    agreed        the terms of an evaluation, out of a settled model
    cox           Newton's method in rounds of a `sum` stage, pooled or stratified by hospital

Pure functions over numpy arrays. Counts by grid time, one hospital's own, are read by the leader
and the auditors of a round before they are summed, and so are the pooled Cox model's sums: a grid
time at which a hospital has a single patient shows that patient's columns. `times.count_small` says
how many such grid times there are; a coarser grid has fewer, and the form stratified by hospital
sends nothing by time.
"""

"""How good a model is: on one hospital's test patients exactly, on all of them by sums of counts.

    counts, figures   two classes: what leaves a hospital, and figures with intervals
    classes           several classes
    regression        a measured outcome
    survival, pairs   a time to an event
    sums              whole numbers for sums, and figures of them
    charts            pictures of these, as SVG

numpy only.
"""

"""Attacks on a model that tell how much of its training patients it gives away: pure functions.

scores        how well a score parts members from others, with intervals
membership    was a record among the training rows? by loss, by trajectory, by shadow models
inversion     the inputs behind the update of a linear model
attribution   the hospital from which a record comes
"""

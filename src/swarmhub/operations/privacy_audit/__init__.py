"""Attacks on a study's own models, run at one hospital with its own patients.

held      the study, its models and this hospital's rows, as this node holds them
known, updates, sites    the attacks on membership, on an update, on the site
audit     runs them, and keeps the result in this home
words     what each attack does, shows and does not show
"""

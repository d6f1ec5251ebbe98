"""Checks of a hospital's data.

names    names of columns that are nearly alike
own      the hospital's data by themselves, before anything is promised
merged   against the merged statistics of all hospitals, before any training
"""

"""Guesses of what a study over a hospital's files would declare, for a person to correct.

A guess goes by names and values, and says why. Nothing here is applied by itself: guesses become
the text of terms (`operations.new_study`), which members read and approve.
"""

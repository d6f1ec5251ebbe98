"""Fuzzing of everything that decodes bytes of others.

harnesses   one function bytes -> None for each decoder: what it may raise, what must hold
engine      mutations of kept examples, and the loop; needs nothing but the package
guided      the same harnesses under atheris, which looks for new paths by coverage
corpus/     kept examples, one folder a decoder; every crash that was ever found stays here

    python -m fuzz --minutes 1                   every decoder for a minute each
    python -m fuzz --minutes 60 --only layouts   one of them, as in a night
    python -m fuzz --replay fuzz/corpus/layouts/crash-0123abcd.bin
"""

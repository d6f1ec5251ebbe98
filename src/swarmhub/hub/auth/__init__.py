"""The people of one hospital's hub, and what they may do.

users      names, roles, passphrases and tokens, in a file of the home
links      links that work once
sessions   who is logged in, and a limit on attempts
guard      the checks of every request
"""

"""Print the first nine cards of the deck of kills: `FOLDER`, where the benches are."""

import itertools
import sys

sys.path.insert(0, sys.argv[1])

import kill_deck

cards = kill_deck.deal(2, list(kill_deck.ROLES), hanging=True, lying=False)
print(*itertools.islice(cards, 9), sep="\n")

"""A consortium that keeps its blocks, for what is folded from them."""

from builders import Consortium

from swarmhub.hub.read_model import ReadModel


class Recorded(Consortium):
    def __init__(self, *args, **options):
        self.blocks = []
        super().__init__(*args, **options)

    def block(self, *txs):
        made = super().block(*txs)
        self.blocks += made
        return made

    def read(self):
        """The read model of all blocks."""
        names = {m: f"h{m}" for m in self.accounts}
        model = ReadModel(lambda: names)
        for block in self.blocks:
            model.see(block)
        return model

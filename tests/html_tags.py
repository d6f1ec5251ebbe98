"""The tags of a page, for tests."""

from html.parser import HTMLParser


class Tags(HTMLParser):
    """The tags of a page, and those that were not closed."""

    def __init__(self, page):
        super().__init__()
        self.seen, self.open, self.wrong = set(), [], []
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        self.seen.add(tag)
        if tag not in ("meta", "line", "rect", "circle", "path"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        if tag in ("line", "rect", "circle", "path"):
            return
        if not self.open or self.open.pop() != tag:
            self.wrong.append(tag)

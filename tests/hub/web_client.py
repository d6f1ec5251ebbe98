"""A hub of a real node, and a client for it that keeps cookies and follows nothing by itself."""

import http.client
import json
import re
from urllib.parse import urlencode

from swarmhub.hub.process import make_link


class Web:
    """A person's client. `cookie` is that of the session."""

    def __init__(self, home):
        told = json.loads(home.run_path("hub.json").read_bytes())
        self.port, self.prefix, self.home = told["port"], told["prefix"], home
        self.cookie = ""
        self.token = ""

    def ask(self, method, path, body=None, host="", **headers):
        """One request; returns (status, headers, text)."""
        status, found, data = self.fetch(method, path, body, host, **headers)
        return status, found, data.decode()

    def fetch(self, method, path, body=None, host="", **headers):
        """One request; returns (status, headers, bytes)."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        given = {k.replace("_", "-"): v for k, v in headers.items()}
        given["Host"] = host or f"127.0.0.1:{self.port}"
        if self.cookie:
            given.setdefault("Cookie", self.cookie)
        if self.token:
            given["Authorization"] = f"Bearer {self.token}"
        connection.request(method, self.prefix + path, body, given)
        answer = connection.getresponse()
        data = answer.read()
        found = dict(answer.getheaders())
        connection.close()
        if "Set-Cookie" in found and "language" not in found["Set-Cookie"]:
            self.cookie = found["Set-Cookie"].split(";")[0]
        return answer.status, found, data

    def enter(self, user="operator"):
        """Log in by a link."""
        link = make_link(self.home, user=user)
        status, headers, _ = self.ask("GET", link[link.index("/link/") :])
        assert status == 303
        return headers["Location"]

    def page(self, path):
        """A page's text."""
        status, _, text = self.ask("GET", path)
        assert status == 200, (path, status, text[:2000])
        return text

    def csrf(self, path="/me"):
        """The text of this session's forms."""
        return re.search(r'name="csrf" value="([^"]+)"', self.page(path))[1]

    def do(self, act, after="/", **fields):
        """Send the form of an act; returns what the next page says, or the page itself."""
        form = urlencode({"csrf": self.csrf(), "next": after, **fields})
        status, headers, text = self.ask(
            "POST", f"/do/{act}", form, Content_Type="application/x-www-form-urlencoded"
        )
        if status != 303:
            return text
        page = self.page(headers["Location"].removeprefix(self.prefix))
        return " ".join(re.findall(r'<p class="said \w+" role="status">([^<]*)</p>', page))

    def rest(self, method, path, body=None, **headers):
        """A request to the API; returns (status, value)."""
        data = None if body is None else json.dumps(body)
        status, _, text = self.ask(method, f"/api/v1{path}", data, **headers)
        return status, json.loads(text)

#!/bin/sh
# aiohttp 3.14.5 (server): a handler that raises ConnectionResetError does not cut the connection off;
# the client gets "500 Internal Server Error" as text, and the log an error with a traceback.
#
# aiohttp itself raises ConnectionResetError where a client has left, and passes over it without a word
# when it comes while a response is written. Raised by a handler before any byte is written, it is an
# error like any other: the status is that of a fault of the program, final for many clients, while one
# that is cut off tries again. A handler that wants that has to close `request.transport`, or to say 503.
#
# Exits with 0 as long as this is so, with 1 once it is not. Needs python3 with venv, and a package
# index. swarmhub: its node meant to cut off trainers that way while its keys were replaced, and they
# ended with "The node failed (500)"; it answers 503 with the reason, and a trainer asks again.
set -eu

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check "aiohttp==3.14.5"
cat > "$folder/look.py" <<'PYTHON'
import asyncio
import logging

import aiohttp
from aiohttp import web

logged = []


class Noted(logging.Handler):
    def emit(self, record):
        logged.append((record.levelname, record.exc_info and record.exc_info[0].__name__))


async def reset(request):
    raise ConnectionResetError


async def main():
    logging.getLogger("aiohttp.server").addHandler(Noted())
    app = web.Application()
    app.router.add_get("/", reset)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    port = runner.addresses[0][1]
    async with aiohttp.ClientSession() as session:
        try:
            async with session.get(f"http://127.0.0.1:{port}/") as answer:
                print("answer:", answer.status, (await answer.text()).splitlines()[0])
        except aiohttp.ClientError as error:
            print("cut off:", type(error).__name__)
    await runner.cleanup()
    print("log:", *logged)


asyncio.run(main())
PYTHON
said=$("$folder/venv/bin/python" "$folder/look.py")
echo "$said" | sed 's/^/  /'
case "$said" in
  *"answer: 500 500 Internal Server Error"*"('ERROR', 'ConnectionResetError')"*) ;;
  *) echo "This has changed."; exit 1 ;;
esac
echo "As stated: the client is told of a fault, and is not cut off."

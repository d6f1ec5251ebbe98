#!/bin/sh
# An engine that panics with ENGINE_WORDS and then does ENGINE_THEN; ENGINE_RUNS counts its starts.
[ "$1" = version ] && echo "$ENGINE_VERSION" && exit
echo x >> "$ENGINE_RUNS"
echo "panic: $ENGINE_WORDS"
eval "$ENGINE_THEN"

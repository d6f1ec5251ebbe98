"""A relay to members that cannot be connected to.

    caller ----call 7----> relay <---stand---- member 7    keeps this connection, so that it can be
                           relay ----take X--> member 7    told that there is a call
                           relay <---take X--- member 7    a second connection
    caller <======= bytes, as they come =======> member 7's own port

The payload is the TLS of both ends with each other, as everywhere: a relay carries ciphertext, and
learns which members talk, when and how much. Around it is TLS of each end with the relay, whose
operator is a member and which serves active members only, so no other party learns even that.

A member's address names its relays: `@host:port`, several separated by commas.
"""

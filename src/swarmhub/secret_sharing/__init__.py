"""Verified sharing of a member's two secrets of a masked round. Pure, standard library only.

A dealer shares, among all n members with a key, the seed b of its own mask and the private key s of
its pair masks, so that any t of them recover either, and t - 1 learn nothing (Shamir 1979). One of
the two is recovered later: b if the dealer's vector is in the sum, s if it is not; never both
(Bonawitz et al. 2017).

The dealing. Let f be a secret's polynomial (degree < t, the secret at 0), g a uniform blinding
polynomial of the same degree, m + 1 member m's point. For each secret the dealer publishes

    C_m = H(terms, part, m, f(m + 1), g(m + 1))     for each recipient m; SHA-256 cut to 20 bytes
    G   = g(0) B                                    for the pair key only; B is the base point
    h   = g + c f                                   all t coefficients

with c = H(terms, G, all C), the challenge (Fiat and Shamir 1986), and sends f(m + 1) to m, sealed.

Checks. For a revealed share v of member m, everybody computes w = h(m + 1) - c v and compares
H(terms, part, m, v, w) with C_m. For the pair key, h(0) B = G + c A is Schnorr's proof (1991) that
f(0) is the discrete logarithm of the public key A, as shares are counted modulo the order of B.

Claims, in the random-oracle model.
- Sound: let pairs (v_m, w_m) that open C_m be fixed before c, and the v_m lie on no polynomial of
  degree < t; then the w_m + c v_m lie on one for at most one c of 2^252. To choose v_m after c is
  to find a preimage of 160 bits. Collisions do not help: each opening would have to lie on h. So
  any t accepted shares of a secret recover the same one, from honest and false dealers alike.
- Hiding: h is uniform, whatever f is. C_m hides f(m + 1), which has 252 bits of entropy for anyone
  with fewer than t shares; it needs no salt. The two parts have polynomials, challenges and
  commitments of their own: opening one says nothing about the other.
- Bound: the pair key that t shares recover is that of the published key, but for its sign and
  points of order 8, both of which X25519 ignores.

A dealer can still
- seal nonsense to a recipient: shows to that recipient at receipt, which proves it to everybody
  (`complain`). It must do so before the set of keyed members is frozen, or fewer than t shares of
  that dealer may exist when they are needed;
- mask its vector with another seed or other keys than those dealt: never shows; it equals a false
  input, which no masked sum can exclude;
- choose secrets that are not random, or publish them: it loses its own protection only.

    field     integers modulo the group's order, polynomials, recovery
    edwards   the curve's points
    records   terms, dealing, share, with their encodings
    dealing   dealing and checking
    sealing   sealed shares, and complaints about them
"""

from swarmhub.secret_sharing.dealing import (
    SEED_BYTES,
    challenges,
    check_dealing,
    check_part,
    check_share,
    deal,
    make_seed,
    pair_key_of,
    recover_secret,
)
from swarmhub.secret_sharing.field import ELEMENT_BYTES, ORDER, recover, share_secrets
from swarmhub.secret_sharing.records import (
    PARTS,
    SHARE_BYTES,
    Dealing,
    Share,
    Terms,
    dealing_bytes,
)
from swarmhub.secret_sharing.sealing import (
    COMPLAINT_BYTES,
    Channel,
    Complaint,
    complain,
    is_justified,
    seal,
    unseal,
)

__all__ = [
    "COMPLAINT_BYTES",
    "ELEMENT_BYTES",
    "ORDER",
    "PARTS",
    "SEED_BYTES",
    "SHARE_BYTES",
    "Channel",
    "Complaint",
    "Dealing",
    "Share",
    "Terms",
    "challenges",
    "check_dealing",
    "check_part",
    "check_share",
    "complain",
    "deal",
    "dealing_bytes",
    "is_justified",
    "make_seed",
    "pair_key_of",
    "recover",
    "recover_secret",
    "seal",
    "share_secrets",
    "unseal",
]

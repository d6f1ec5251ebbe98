"""Deliberate faults in contract and round. The campaign has to notice every one of them.

Most show in the first seeds of the general campaign. Some need a certain lie to show at all; for
these the liars of the seed tell that lie and no other.

A mutant is a text that stands once in a module, and what stands there instead. `planted` compiles
the changed module and puts the code of its changed functions into the real ones, so that the fault
is there for everybody who has imported them.
"""

from __future__ import annotations

import contextlib
import functools
import importlib
import inspect
from dataclasses import dataclass
from pathlib import Path

from swarmhub.sim.schedule import DRAWN_FLOATS, SHARDS_FLOATS


@dataclass(frozen=True)
class Mutant:
    name: str
    module: str
    old: str
    new: str
    lie: str = ""  # a lie without which the fault cannot show
    floats: int = 0  # the size of a model in which alone the fault can show
    story: str = ""  # a scenario that shows a fault which the seeds show too seldom
    masked: bool = False  # a fault of masked rounds
    wire: str = ""  # a fault of rounds in few bytes: their format
    first: int = 0  # the seed at which the search begins: where it was last noticed


C, R = "swarmhub.contract.", "swarmhub.protocol."

MUTANTS = [
    Mutant("receipts do not say of which model", C + "transactions",
           'return codec.encode({**said, "model": model} if model else said)',
           "return codec.encode(said)", "false_model", wire="int8"),
    Mutant("a change is taken for its model", C + "round.progress",
           "digest=tx.model or tx.digest,", "digest=tx.digest,", wire="bf16"),
    Mutant("blocks with a scale are merged as bytes", R + "recompute",
           "base, coded = open_base(stack, reader, effect), is_coded(effect.changes)",
           "base, coded = open_base(stack, reader, effect), False", wire="int8"),
    Mutant("changes are applied to zeros", R + "recompute",
           "closing(reader.source(effect.base)) as base,\n        ):\n            yield from apply",
           "closing(MemoryReader(bytes(layout.nbytes))) as base,\n        ):\n            "
           "yield from apply", wire="bf16"),
    Mutant("no receipts asked for", C + "consortium.thresholds",
           "return 0 if n <= 1 else max(1, min(compute_faults(enrolled), n - 2))", "return 0"),
    Mutant("witnesses off by one", C + "consortium.thresholds",
           "return max(1, min(compute_faults(enrolled) + 1, n - 1))",
           "return max(1, min(compute_faults(enrolled), n - 1))", "slander"),
    Mutant("one report excludes", C + "consortium.thresholds",
           "return max(1, min(max(2, compute_faults(enrolled) + 1), n - 1))", "return 1"),
    Mutant("weight not capped", C + "round.checks",
           "if not 1 <= tx.weight <= samples:", "if not 1 <= tx.weight:", "twice"),
    Mutant("second contribution taken", C + "round.progress",
           'if r.contribution_of(member.id):\n        raise AlreadyDone(f"member {member.id} has',
           'if False:\n        raise AlreadyDone(f"member {member.id} has', "twice"),
    Mutant("contribution taken while merging", C + "round.progress",
           "study, spec, r = need_current_round(ctx, tx.ref, tx.KIND)",
           "study, spec, r = need_open_round(ctx, tx.ref.study)", first=16),
    Mutant("anybody settles", C + "round.progress",
           "if member.id != get_leader(r, tx.ref.term):", "if False:", "forge"),
    Mutant("receipts not verified", C + "round.checks",
           "if not ctx.env.verify(account, RECEIPT_DOMAIN, message, p.signature):", "if False:",
           "forge"),
    Mutant("leader signs its own receipt", C + "round.checks",
           "if p.member not in candidates or p.member == leader.id:",
           "if p.member not in candidates:", "forge"),
    Mutant("term not raised", C + "round.phases",
           "(r.with_lead(term=r.lead.term + 1, suspects=()))", "(r.with_lead(suspects=()))"),
    Mutant("grace ignored", C + "round.phases",
           'if r is not None and r.phase == COLLECTING:', "if False:", first=5),
    Mutant("min_peers off by one", C + "round.minimum",
           "return len(members) >= r.min_peers and", "return len(members) >= r.min_peers - 1 and"),
    Mutant("a grown study needs no more", C + "consortium.thresholds",
           "return max(min_peers, 2 * compute_faults(enrolled) + 1)", "return min_peers",
           story="a_study_that_grows"),
    Mutant("who has left is waited for", C + "round.drops",
           "r = leave_out(spec, r, member)", "pass",
           story="those_who_are_missing_leave"),
    Mutant("a newcomer in a round with enough", C + "round.minimum",
           "return grown if lacks or grown.min_peers <= r.min_peers else None",
           "return replace(grown, min_peers=min(r.min_peers, grown.min_peers))",
           story="a_newcomer_comes_late"),
    Mutant("newcomers are not reckoned with", C + "round.minimum",
           "    grown = reckon_with_all(spec, study, r)",
           "    return r\n    grown = reckon_with_all(spec, study, r)",
           story="a_newcomer_comes_late"),
    Mutant("a round left out", C + "stages",
           "and not is_met:\n        return Position(at.number + 1,",
           "and not is_met:\n        return Position(at.number + (2 if at.number == 2 else 1),"),
    Mutant("a stage goes on though its test holds", C + "stages",
           "max_rounds and not is_met:", "max_rounds:"),
    Mutant("a sum of the model before the first result", C + "round.phases",
           "if at.turn > 1 and not KINDS[stage.kind].makes_model:", "if False:"),
    Mutant("the leader alone says that the test holds", C + "transactions",
           '"layout": layout, "met": met,', '"layout": layout, "met": False,', "false_test",
           first=26),
    Mutant("revision not raised", C + "round.drops",
           "revision=r.revision + 1,\n        reports=(),",
           "revision=r.revision,\n        reports=(),", "retract", first=3),
    Mutant("shards of another set stay settled", C + "round.drops",
           "former_accounts=(), settled=None", "former_accounts=()", "slander retract",
           floats=SHARDS_FLOATS, first=13),
    Mutant("a shard is settled twice", C + "round.checks",
           "if r.lead.settled is not None:", "if False:", "replay forge stale",
           floats=SHARDS_FLOATS),
    Mutant("a round is settled before all its shards are", C + "round.shards",
           "return settled if len(settled) == len(leads) else None", "return settled or None",
           floats=SHARDS_FLOATS),
    Mutant("roots of parts are not checked", C + "round.shards",
           "if parts and join_roots(parts) != root:", "if False:", "torn_parts",
           floats=SHARDS_FLOATS),
    Mutant("all shards have one line", C + "round.election",
           "first = shard % len(order) if order else 0", "first = 0", floats=SHARDS_FLOATS),
    Mutant("who is caught leads another shard", C + "round.disputes",
           "put(ctx, view.with_lead(false_leaders=tuple(dict.fromkeys((*known, found.leader)))))",
           "put(ctx, view if view.lead.shard != r.lead.shard else view.with_lead("
           "false_leaders=tuple(dict.fromkeys((*known, found.leader)))))", "false_merge",
           floats=SHARDS_FLOATS),
    Mutant("parts are given to anybody", R + "retention",
           "return digest in in_round and member in {*get_candidates(r), *r.roster}",
           "return digest in in_round", "curious", floats=SHARDS_FLOATS),
    Mutant("leaders by id", C + "round.election",
           "return tuple(sorted(candidates, key=rank))", "return tuple(sorted(candidates))"),
    Mutant("a verdict of half", C + "consortium.thresholds",
           "return max(voters // 2 + 1, compute_faults(enrolled) + 1)", "return voters // 2",
           "false_merge"),
    Mutant("a contribution dropped as the set is fixed", C + "round.phases",
           "r = replace(r, phase=phase).with_lead",
           "r = replace(r, phase=phase, contributions=r.contributions[1:]).with_lead"),
    Mutant("base not checked", C + "round.checks", "if tx.base != r.base:", "if False:", "stale"),
    Mutant("a transaction counts again", C + "execution",
           'if ctx.state.get(f"seen/{tx.id}") is not None:', "if False:", "replay"),
    Mutant("expiry not checked", C + "execution",
           "if tx.expires_ms < ctx.env.time_ms:", "if False:", "stale"),
    Mutant("enrolled without approval", C + "study.lifecycle",
           "if member.id not in study.approved:\n        raise NotAllowed(\"a member that app",
           "if False:\n        raise NotAllowed(\"a member that app", "uninvited"),
    Mutant("contributes without being enrolled", C + "round.checks",
           'if samples is None:\n        raise NotAllowed("an enrolled member", "contribute")',
           "if samples is None:\n        samples = 1", "uninvited"),
    Mutant("the accused answers", C + "round.disputes",
           "if member.id == found.leader:", "if False:", "false_merge self_vote"),
    Mutant("quorum off by one", C + "consortium.thresholds",
           "return n - compute_faults(n)", "return n - compute_faults(n) - 1"),
    Mutant("a made-up chunk is a proof", C + "round.disputes",
           "if root is None or merkle.blob_digest(tx.layout, tx.nbytes, root) != tx.digest:",
           "if False:", "forged_dispute"),
    Mutant("digest of a dispute not checked", C + "round.disputes",
           "if root is None or merkle.blob_digest(tx.layout, tx.nbytes, root) != tx.digest:",
           "if root is None:", "forged_dispute"),
    Mutant("an offer's signature not checked", C + "round.disputes",
           "if not any(ctx.env.verify(a, OFFER_DOMAIN, message, tx.offer) for a in accounts):",
           "if False:", "forged_dispute"),
    Mutant("a new key and no answer for the old one", C + "round.disputes",
           "return (now, *(f.account for f in former if f.member == member))", "return (now,)",
           "false_merge rotate"),
    Mutant("any receipts do, without those of the drawn", C + "round.election",
           "if not KINDS[r.kind].has_contributions or len(signers) >= compute_substitutes(e"
           "nrolled, n):",
           "if True:", "late_offer"),
    Mutant("who flees from a dispute leads again", C + "round.drops",
           "r = r.with_lead(false_leaders=(*r.lead.false_leaders, member))\n    since",
           "pass\n    since", "false_merge flee", first=39),
    Mutant("settled while a merge is disputed", C + "round.progress",
           "if r.lead.dispute is not None:  # of", "if False:  # of", "false_dispute", first=13),
    Mutant("form not checked", C + "round.checks",
           "if not codec.is_digest(layout) or (expected and layout != expected):", "if False:",
           "misshapen"),
    Mutant("the leader's excerpt believed", R + "audit",
           "return c.member == leader or asked_in_vain", "return asked_in_vain", "excuse",
           floats=DRAWN_FLOATS),
    Mutant("drawn stretches not compared", R + "recompute",
           "return None if at is None else at // CHUNK_BYTES", "return None", "false_merge"),
    Mutant("settled before it is synced", R + "lead",
           "if d and d not in local.synced]", "if False]",
           story="a_power_cut_before_the_merge_is_synced"),
    Mutant("two strikes are for ever", C + "round.drops",
           "if m not in r.suspended)", ")", story="a_member_that_was_torn_twice"),
    Mutant("signed before it is kept", R + "audit", "if model is None or unready:",
           "if model is None:", "secretive", first=5),
    Mutant("the start signed unseen", R + "audit", "if local.is_good(offer.digest):", "if True:",
           "not_a_number"),
    Mutant("a quorum of one", C + "consortium.membership",
           "quorum = compute_quorum(len(electors))", "quorum = 1", "self_vote"),
    Mutant("a settlement of any round", C + "round.checks",
           "or replace(ref, term=r.lead.term) != current\n        or", "or", "stale", first=30),
    Mutant("anybody starts the study", C + "round.progress",
           "if member.id != get_leader(r, tx.ref.term):",
           'if r.kind != "initial" and member.id != get_leader(r, tx.ref.term):', "forge"),
    Mutant("one answer convicts", C + "round.disputes",
           "if sum(b.leaf == a.leaf for b in answers) >= needed]", "if voters]",
           "false_dispute"),
    Mutant("who is caught leads again", C + "round.disputes",
           "if agreed and agreed[0] != claimed:\n        convict(ctx, r, agreed[0])",
           "if agreed and agreed[0] != claimed:\n        dismiss(ctx, r)", "false_merge"),
    Mutant("signed without an audit", R + "audit", "if not KINDS[r.kind].has_contributions:",
           "if True:",
           "false_merge"),
    Mutant("signature not checked", C + "execution",
           "if not ctx.env.verify(tx.signer, TX_DOMAIN, tx.signed, tx.signature):", "if False:",
           first=33),
    Mutant("strangers act", C + "records.consortium",
           "return None if found is None else MEMBER.need(state, found.member)",
           "return (state.get('study/sim') and MEMBER.need(state, 1)) if found is None"
           " else MEMBER.need(state, found.member)", first=10),
    Mutant("deadlines never fire", C + "deadlines",
           "now = [d for d in listed if d.due_ms <= time_ms]",
           "now = [d for d in listed if d.due_ms < 0]", first=5),
    Mutant("nobody pokes", R + "decision", "            yield Submit(Poke(view.r.study))",
           "            yield Wake(at_ms + 1000)", first=45),
    Mutant("who is not on the roster reads contributions", R + "retention",
           "return digest in in_round and member in {*get_candidates(r), *r.roster}",
           "return digest in in_round", "curious"),
    Mutant("strangers to the study read its models", R + "retention",
           "if study is None or study.samples_of(member) is None:", "if study is None:",
           "curious uninvited"),
    Mutant("what cannot be had is not reported", R + "reports",
           "lost = [c for c in missing if c in slow or is_out_of_reach(view, c.digest)]",
           "lost = []", first=38),
    Mutant("what is bad is waited for", R + "reports",
           "(*lost, *(bad if is_late else []))", "lost",
           story="a_bad_contribution_that_one_gets"),
    Mutant("a contribution is left out", R + "lead",
           "shares = shares_of(view)",
           "shares = shares_of(view)[1:]"),
    Mutant("weights are merged without their cap", R + "recompute",
           "rule.trim_permille, rule.max_share_permille)", "rule.trim_permille)"),
    Mutant("nobody stands ready", R + "mask_keys",
           "if not view.local.attached or is_ready(view):\n        return\n    if "
           "is_spent(view.state, view.spec, view.me):\n        return\n    turn",
           "if True:\n        return\n    turn"),
    Mutant("models are not fetched", R + "collect",
           "if model.digest in local.held:", "if True:"),
    Mutant("the history forks", "swarmhub.ledger.blocks",
           "tip.head, _txs_digest(txs), _results_digest(results, events),\n        hash_of(tree)"
           ".hex(), writer=writer.public,",
           '"", _txs_digest(txs), _results_digest(results, events),\n        hash_of(tree)'
           ".hex(), writer=writer.public,"),
    Mutant("a round is paused while its sum is opened", C + "study.lifecycle",
           "r = ROUND.need(ctx.state, tx.study)\n    if is_set_final(r):",
           "r = ROUND.need(ctx.state, tx.study)\n    if False:", masked=True, first=46),
    Mutant("a final set changes", C + "round.drops",
           "if is_set_final(r):\n        put(ctx, r)", "if False:\n        put(ctx, r)",
           story="a_member_leaves_while_its_sum_is_opened", masked=True),
    Mutant("two shares open a secret", C + "round.masks",
           "return max(n - compute_faults(n), colluders + 2, (n + colluders) // 2 + 1)", "return 2",
           masked=True, first=105),
    Mutant("shown shares not checked", C + "round.masking",
           "check_part(terms, dealing, member, get_part(r, dealer), value)", "pass",
           "false_shares", masked=True),
    Mutant("arrays that all send alike stay a sum", "swarmhub.privacy.bounded",
           "np.floor_divide(values, sums.members, out=values)", "pass", masked=True),
    Mutant("sums that cannot be true are not cut", "swarmhub.privacy.bounded",
           "np.clip(values, low, high, out=values)", "pass", "false_input", masked=True),
    Mutant("sums of another number of members", R + "mask_procedure",
           "sums = MaskedSums(layout, len(effect.members), to_sum_rule(effect.stage))",
           "sums = MaskedSums(layout, len(effect.members) - 1, to_sum_rule(effect.stage))",
           masked=True),
    Mutant("shares not checked when they are dealt", R + "mask_procedure",
           "complaint = work.find_fault(root, keying, dealt)", 'complaint = ""', "bad_shares",
           masked=True),
]  # fmt: skip


@contextlib.contextmanager
def planted(mutant):
    """The fault is in the code while this lasts."""
    module = importlib.import_module(mutant.module)
    source = Path(module.__file__).read_text()
    assert source.count(mutant.old) == 1, f"{mutant.name}: {source.count(mutant.old)} places"
    scope = {"__name__": mutant.module}
    exec(compile(source.replace(mutant.old, mutant.new), module.__file__, "exec"), scope)
    before = []
    for function, other in pairs(vars(module), scope, mutant.module):
        if function.__code__ != other.__code__:
            before.append((function, function.__code__))
            function.__code__ = other.__code__
    assert before, f"{mutant.name}: nothing has changed"
    clear_caches()
    try:
        yield
    finally:
        for function, code in before:
            function.__code__ = code
        clear_caches()


def pairs(real, other, name):
    """Functions (and methods) of a module with their counterparts."""
    for key, value in real.items():
        if inspect.isclass(value) and value.__module__ == name:
            yield from pairs(vars(value), vars(other[key]), name)
        value, twin = getattr(value, "__wrapped__", value), other.get(key)
        if inspect.isfunction(value) and value.__module__ == name:
            yield value, getattr(twin, "__wrapped__", twin)


def clear_caches():
    """Forget what was computed by the other code."""
    from swarmhub.contract.round.election import compute_leader_order

    assert isinstance(compute_leader_order, functools._lru_cache_wrapper)
    compute_leader_order.cache_clear()

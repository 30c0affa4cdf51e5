"""Passes of the real reconciler miss nothing, whatever happens between their calls; wrong rules are exposed."""

from collections.abc import Callable

import pytest

from proof.simulation import passes
from proof.simulation.listed import TOKENS, Token
from proof.simulation.wrong_passes import RULES, Rule

SEEDS = 250  # make prove: 20,000 of each token
SEEDS_A_RULE = 2_000


@pytest.mark.parametrize("token", TOKENS)
def test_nothing_stays_wrong_whatever_a_token_means(
    token: Token, record_property: Callable[[str, object], None]
) -> None:
    for seed in range(SEEDS):
        violation = passes.run(seed, token)
        assert not violation, violation
    record_property("seeds", SEEDS)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
def test_a_rule_that_looks_right_and_is_wrong_is_exposed(
    rule: Rule, record_property: Callable[[str, object], None]
) -> None:
    violation = rule.exposed(SEEDS_A_RULE, rule.near)
    assert violation, f"not exposed by {SEEDS_A_RULE} seeds: {rule.name}"
    record_property("exposed", violation)

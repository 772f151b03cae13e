# SPDX-License-Identifier: GPL-2.0-only
"""The result of a rule."""

from dataclasses import dataclass, field


@dataclass
class Verdict:
    """wrong: what was found against the rule, in sentences
    evidence: how much of what the rule is about was seen at all; without any, the rule has not held
    not_judged: why the rule does not apply
    """

    wrong: list = field(default_factory=list)
    evidence: int = 0
    not_judged: str = ""

    def broken(self):
        return bool(self.wrong)

    def blind(self):
        """Whether there is no evidence, although the rule applies."""
        return not self.wrong and not self.evidence and not self.not_judged

    def word(self):
        if self.wrong:
            return "broken"
        if self.not_judged:
            return "not judged"
        return "held" if self.evidence else "not seen"

    def failure(self):
        """Sentences why the rule cannot be said to have held."""
        return self.wrong or (["nothing of what it is about was seen"] if self.blind() else [])


def merge(verdicts):
    """The verdict of one rule over several live updates, each of which needs evidence of its own,
    unless the rule applies to none of them."""
    applies = not verdicts or not all(verdict.not_judged for verdict in verdicts)
    return Verdict(wrong=[line for verdict in verdicts for line in verdict.wrong],
                   evidence=min((verdict.evidence for verdict in verdicts), default=0),
                   not_judged="" if applies else verdicts[0].not_judged)

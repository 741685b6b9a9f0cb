"""Where a text holds keys, tokens and passwords: by the forms their makers give them, or by what stands before them.

Forms from each maker's documentation; the list of gitleaks (config/gitleaks.toml) knows many more. Start at `keys_in`.
"""

import math
import re
from collections import Counter
from collections.abc import Iterator

# A literal that must be there before the pattern is tried: finding it costs next to nothing.
FORMS = tuple(
    (literals, re.compile(pattern))
    for literals, pattern in (
        (("PRIVATE KEY",), r"-----BEGIN (?:[A-Z]+ )*PRIVATE KEY(?: BLOCK)?-----"
                           r"(?:[\s\S]{0,20000}?-----END (?:[A-Z]+ )*PRIVATE KEY(?: BLOCK)?-----)?"),
        (("eyJ",), r"\beyJ[A-Za-z0-9_-]{8,}\.eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}"),  # JSON Web Token, RFC 7519
        (("AKIA", "ASIA"), r"\b(?:AKIA|ASIA)[0-9A-Z]{16}\b"),  # AWS
        (("ghp_", "gho_", "ghu_", "ghs_", "ghr_"), r"\bgh[pousr]_[A-Za-z0-9]{36,251}\b"),  # GitHub
        (("github_pat_",), r"\bgithub_pat_[A-Za-z0-9_]{60,}\b"),
        (("glpat-",), r"\bglpat-[A-Za-z0-9_-]{20,}"),  # GitLab
        (("xox",), r"\bxox[abeoprs]-[A-Za-z0-9-]{10,}"),  # Slack
        (("hooks.slack.com",), r"https://hooks\.slack\.com/services/[A-Za-z0-9/]{20,}"),
        (("_live_", "_test_"), r"\b[rsp]k_(?:live|test)_[A-Za-z0-9]{16,}\b"),  # Stripe
        (("AIza",), r"\bAIza[0-9A-Za-z_-]{35}(?![0-9A-Za-z_-])"),  # Google
        (("ya29.",), r"\bya29\.[0-9A-Za-z_-]{20,}"),
        (("sk-",), r"\bsk-(?:ant-|proj-|svcacct-)?[A-Za-z0-9_-]{32,}"),  # OpenAI, Anthropic
        (("hf_",), r"\bhf_[A-Za-z]{34}\b"),
        (("npm_",), r"\bnpm_[A-Za-z0-9]{36}\b"),
    )
)  # fmt: skip
# name = "value", name: value, "name": "value". Read from the sign backwards: signs are rare in prose, names are not.
ASSIGNED = re.compile(r"[=:]>?\s{0,3}[\"']?(?:Bearer )?([A-Za-z0-9_+/=.~!@#$%^&*-]{4,200})")
NAME = re.compile(
    r"(?:(?:api|access|auth|private|client|session|encryption|bearer|bot)[ _.-]?(?:key|token|secret)"
    r"|secret(?:[ _.-]?(?:access)?[ _.-]?key)?|passw(?:or)?d|token)[\"']?\s{0,3}:?\Z",
    re.IGNORECASE,
)
CUES = ("key", "token", "secret", "passw")
# A call, an attribute, a path, a word to be replaced: what stands there in programs and manuals instead of a secret.
NO_SECRET = re.compile(
    r"(?:os|self|env|process|config|settings|request|this|args|options|params|secrets|data)\b[.]|.*(?:example|your|xxxx|"
    r"\*\*\*|placeholder|changeme|<|secret|token|password|\.\.\.)|[A-Za-z_.]+$|[\d.]+$|[a-z0-9_./-]*/[a-z_./-]*$",
    re.IGNORECASE,
)


def keys_in(text: str, least_bits: float, least_characters: int) -> Iterator[tuple[int, int]]:
    """The places of keys, tokens and of what is assigned to a name like api_key and looks drawn at random."""
    underscored = "_" in text
    for literals, pattern in FORMS:
        for literal in literals:  # not `any`: a generator for each form costs three times the search itself
            # Half of the literals hold an underscore, and most prose has none.
            if (underscored or "_" not in literal) and literal in text:
                yield from (found.span() for found in pattern.finditer(text))
                break
    if "=" not in text and ":" not in text:
        return
    small = text.lower()
    for found in ASSIGNED.finditer(text) if any(cue in small for cue in CUES) else ():
        value = found[1].rstrip(".,;")
        if len(value) < least_characters or not NAME.search(text, max(0, found.start() - 40), found.start()):
            continue
        if bits_of(value) >= least_bits and not NO_SECRET.match(value):
            yield found.start(1), found.start(1) + len(value)


def bits_of(value: str) -> float:
    """Entropy of the characters' own frequencies, in bits a character: random text has more than names have."""
    return -sum(n / len(value) * math.log2(n / len(value)) for n in Counter(value).values())

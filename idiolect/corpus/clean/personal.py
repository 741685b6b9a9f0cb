"""Where a text holds mail addresses, IP addresses, phone, card and social security numbers, and bank accounts.

Precision comes first: a version number masked as an address harms every program in the corpus. Check digits decide
where there are any, and the words before decide where a number alone could be anything.
"""

import ipaddress
import re
from collections.abc import Iterator

Spans = Iterator[tuple[int, int]]

# Where numbers may be: one fast look for all kinds, which then read these places alone. A pattern that begins with a
# class of characters is scanned 10 times as fast as one that begins with a look behind.
NUMBERS = re.compile(r"\d[\d .()/:-]{5,}")
BEFORE, BEHIND = 4, 3  # characters around such a place that belong to a number, or say that it is none

LOCAL_PART = re.compile(r"[\w.+%'-]{1,64}\Z")
DOMAIN = re.compile(r"(?:[^\W_](?:[\w-]{0,61}[^\W_])?\.){1,8}[^\W\d_]{2,24}(?![\w(@])")
# Endings of file names (`logo@2x.png`) and of attributes in programs (`x@w.sum`, `a@b.shape`), not of domains.
NO_DOMAIN = frozenset(
    "png jpg jpeg gif svg webp css js ts json html htm xml py txt md shape dot sum mean conj real size data "
    "values grad dtype inverse transpose".split()
)

OCTET = r"(?:25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)"
IPV4 = re.compile(rf"(?<![\w.+-])(?:{OCTET}\.){{3}}{OCTET}(?![\w-]|\.\d)")
VERSION_BEFORE = re.compile(
    r"(?:\bv|version|release|build|firmware|driver|section|chapter|clause|annex|§|rev(?:ision)?|ver|assembly|oid"
    r"|update|[=<>~!]=)[\s.:=(\"'#]{0,3}\Z",
    re.IGNORECASE,
)
IP_BEFORE = re.compile(r"(?:\bips?|addr\w*|host\w*|server|from|ping|gateway|dns|//|@|proxy|client)\W{0,4}\Z", re.I)
IPV6 = re.compile(r"(?<![\w:.])(?:[0-9A-Fa-f]{0,4}:){2,7}(?:[0-9A-Fa-f]{1,4}|(?<=::))(?![\w:]|\.\d)")
PUBLIC_IPV6 = re.compile(r"[23][0-9A-Fa-f]{3}:(?:[0-9A-Fa-f]{0,4}:){1,6}(?:[0-9A-Fa-f]{1,4}|(?<=::))(?![\w:]|\.\d)")

# ITU E.164 (2016): every country code that is in use.
COUNTRY = (
    r"(?:1|7|2[07]|3[0-469]|4[013-9]|5[1-8]|6[0-6]|8[1246]|9[0-58]|2[1-6]\d|29[01789]|3[578]\d|42[013]|50\d|59\d|67\d"
    r"|68\d|69[012]|8[05]\d|8[78]\d|96\d|97\d|99[2-68])"
)
INTERNATIONAL = re.compile(
    rf"(?<![\w+.])(?<!\d\s)(?:\+|00 ?)({COUNTRY})((?:[ .\-/]{{0,2}}\(?\d+\)?){{2,7}})(?![\w]|[.,]\d)"
)
NORTH_AMERICAN = re.compile(
    r"(?<![\w.+/-])(?:1[-. ])?(?:\([2-9]\d\d\) ?|[2-9]\d\d([-.]))[2-9]\d\d[-.]\d{4}(?![\w]|[-.]\d)"
)
FRENCH = re.compile(r"(?<![\w.+-])(?<!\d\s)0[1-9]([ .-])\d\d(?:\1\d\d){3}(?![\w]|[-.]\d|\s\d)")
BRITISH = re.compile(r"(?<![\w.+-])\(?0(?:2\d\)? \d{4} \d{4}|1\d\d\d\)? \d{6}|7\d{3} ?\d{6})(?![\w]|[-.]\d)")
# Seven digits or more that could be a phone number, where the words before say that they are one.
NUMBER = re.compile(r"(?<![\w.+-])\(?\+?\d(?:[ .\-/()]{0,2}\d){6,14}(?![\w]|[-.,/]\d)")
PHONE_BEFORE = re.compile(
    r"\b(?:tel(?:e(?:phone|fon|fono|fone|foon))?|t[eé]l(?:[eé]phone)?|fon|phone|(?:tele)?fax|mobil(?:e|funk)?|cell(?:ular)?"
    r"|call(?: us)?(?: at| on)?|whatsapp|handy|hotline|rufnummer|тел)\b[ \t.:#)(]{0,4}"
    r"(?:no\.?|number|nr\.?|is)?[ \t:#]{0,3}\Z",
    re.IGNORECASE,
)

CARD = re.compile(
    r"(?<![\w.+-])(?:\d{4}([ -])\d{4}\1\d{4}\1\d{4}|3[47]\d\d([ -])\d{6}\2\d{5}|\d{13,19})(?![\w]|[.-]\d)"
)
ISSUER = re.compile(
    r"4(?:\d{12}|\d{15}|\d{18})\Z|5[1-5]\d{14}\Z|2(?:22[1-9]|2[3-9]\d|[3-6]\d\d|7[01]\d|720)\d{12}\Z|3[47]\d{13}\Z"
    r"|3(?:0[0-5]|[689]\d)\d{11}\Z|6(?:011|4[4-9]\d|5\d\d)\d{12}\Z|35(?:2[89]|[3-8]\d)\d{12}\Z|62\d{14}\Z"
)
IBAN = re.compile(r"[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){2,7}(?: ?[A-Z0-9]{1,3})?\b")
# SWIFT's IBAN registry, release 99: characters of each country's accounts.
IBAN_LENGTHS = dict(
    (part[:2], int(part[2:]))
    for part in (
        "AD24 AE23 AL28 AT20 AZ28 BA20 BE16 BG22 BH22 BR29 BY28 CH21 CR22 CY28 CZ24 DE22 DK18 DO28 EE20 EG29 ES24 FI18 "
        "FO18 FR27 GB22 GE22 GI23 GL18 GR27 GT28 HR21 HU28 IE22 IL23 IQ23 IS26 IT27 JO30 KW30 KZ20 LB28 LC32 LI21 LT20 "
        "LU20 LV21 LY25 MC27 MD24 ME22 MK19 MR27 MT31 MU30 NL18 NO15 PK24 PL28 PS29 PT25 QA29 RO24 RS22 SA24 SC31 SE24 "
        "SI19 SK24 SM27 ST25 SV28 TL23 TN24 TR26 UA29 VA22 VG24 XK20"
    ).split()
)
SSN = re.compile(r"(?<![\w.+-])(?!000|666|9)\d{3}-(?!00)\d\d-(?!0000)\d{4}(?![\w]|[-.]\d)")


def mails_in(text: str) -> Spans:
    """Places of mail addresses; `git@host:path`, `logo@2x.png` and matrix products are none."""
    at = text.find("@")
    while at >= 0:
        domain = DOMAIN.match(text, at + 1)
        local = LOCAL_PART.search(text[max(0, at - 64) : at]) if domain else None
        if local and domain[0].rpartition(".")[2].casefold() not in NO_DOMAIN:
            name = local[0].lstrip(".'%-+")
            follows_path = text[domain.end() : domain.end() + 2]
            is_remote = name == "git" and follows_path[:1] in (":", "/")
            if name and not name.endswith(".") and not is_remote:
                yield at - len(name), domain.end()
        at = text.find("@", at + 1)


def numbers_in(text: str) -> list[tuple[int, int]]:
    """The places that hold six digits, spaces and marks or more, with a little around them."""
    return [(max(0, found.start() - BEFORE), found.end() + BEHIND) for found in NUMBERS.finditer(text)]


def _all(pattern: re.Pattern, text: str, places: list[tuple[int, int]]) -> Iterator[re.Match]:
    """Every match of a pattern in the places; what stands around them is seen by look-behinds."""
    return (found for start, stop in places for found in pattern.finditer(text, start, stop))


def ips_in(text: str, places: list[tuple[int, int]], private: bool) -> Spans:
    """Places of IP addresses, public ones alone unless `private`; version and section numbers are none."""
    for found in _all(IPV4, text, places) if "." in text else ():
        before = text[max(0, found.start() - 16) : found.start()]
        small = max(map(int, found[0].split("."))) < 8 and not IP_BEFORE.search(before)
        if not small and not VERSION_BEFORE.search(before) and _is_wanted(found[0], private):
            yield found.span()
    if text.count(":") > 1:
        for found in (IPV6 if private else PUBLIC_IPV6).finditer(text):
            inside = found.start() and (text[found.start() - 1].isalnum() or text[found.start() - 1] in ":._")
            if not inside and _is_wanted(found[0], private):
                yield found.span()


def _is_wanted(address: str, private: bool) -> bool:
    try:
        known = ipaddress.ip_address(address)
    except ValueError:
        return False
    if private:
        # `a::b` and `::` are names in C++ far more often than addresses.
        return known.version == 4 or any(c.isdigit() for c in address)
    # Of IPv6, 2000::/3 alone is given out to the public (RFC 4291, IANA).
    return known.is_global and not known.is_multicast and (known.version == 4 or int(known) >> 125 == 1)


def phones_in(text: str, places: list[tuple[int, int]]) -> Spans:
    """Places of phone numbers: with a country code; in North American, French and British forms; after a cue."""
    for found in _all(INTERNATIONAL, text, places):
        n_digits = sum(c.isdigit() for c in found[2])
        total = n_digits + len(found[1])
        is_float = re.fullmatch(r"\d*\.\d+", found[2])
        if (n_digits == 10 if found[1] == "1" else 9 <= total <= 15) and not is_float and _is_grouped(found):
            yield found.span()
    for pattern in (NORTH_AMERICAN, FRENCH, BRITISH):
        yield from (found.span() for found in _all(pattern, text, places))
    for found in _all(NUMBER, text, places):
        if PHONE_BEFORE.search(text, max(0, found.start() - 32), found.start()):
            yield found.span()


def _is_grouped(found: re.Match) -> bool:
    """Whether a number with a country code is written as one: `00` begins many things, and `+100 000 000` is a sum."""
    groups = re.findall(r"\d+", found[0])
    if found[0].startswith("+"):
        return not all(len(group) == 3 for group in groups) and set(re.sub(r"\D", "", found[2])) != {"0"}
    return len(groups) > 2 if groups[0] == "00" else len(groups) > 1 and len(groups[0]) > 2


def cards_in(text: str, places: list[tuple[int, int]]) -> Spans:
    """Places of card numbers: written as on a card or in one go, of a known issuer, with the right check digit."""
    for found in _all(CARD, text, places):
        digits = "".join(c for c in found[0] if c.isdigit())
        if ISSUER.match(digits) and luhn(digits) and len(set(digits)) > 1:
            yield found.span()


def luhn(digits: str) -> bool:
    """Whether the last digit checks (ISO/IEC 7812-1, annex B)."""
    doubled = (int(c) * 2 for c in digits[-2::-2])
    return (sum(int(c) for c in digits[-1::-2]) + sum(d - 9 if d > 9 else d for d in doubled)) % 10 == 0


def ibans_in(text: str) -> Spans:
    """Places of bank accounts whose country, length and check digits are right (ISO 13616)."""
    for found in IBAN.finditer(text):
        length = IBAN_LENGTHS.get(found[0][:2], 0)
        compact = found[0].replace(" ", "")
        inside = found.start() and text[found.start() - 1].isalnum()
        # What follows the account may look like more of it: `... 3000 EUR`.
        if not inside and 0 < length <= len(compact) and _checks(compact[:length]):
            end, left = found.start(), length
            while left:
                left -= text[end] != " "
                end += 1
            if not text[end : end + 1].isalnum():
                yield found.start(), end


def _checks(account: str) -> bool:
    return int("".join(str(int(c, 36)) for c in account[4:] + account[:4])) % 97 == 1


def ssns_in(text: str, places: list[tuple[int, int]]) -> Spans:
    """Places of US social security numbers, by the areas and groups that are given out."""
    return (found.span() for found in _all(SSN, text, places))

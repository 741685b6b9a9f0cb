"""Personal data and secrets: a planted set with recall and precision for each kind, and what only looks like them."""

import random

import pytest

from idiolect.corpus.clean.config import PiiConfig
from idiolect.corpus.clean.keys import bits_of
from idiolect.corpus.clean.personal import luhn
from idiolect.corpus.clean.pii import MASKS, hidden, mask

PRIVATE = "192.168.1.10"
# Tokens are put together here, so that no scanner takes this file for a leak.
PLANTED = {
    "mail": [
        "jane.doe@example.org", "o'brien+news@mail.example.co.uk", "max_müller@münchen.de", "a@b.io",
        "first.last@sub.domain.example.museum", "USER123@HOST-NAME.COM", "info@xn--bcher-kva.example.com",
    ],
    "ip": ["8.8.8.8", "93.184.216.34", "203.119.4.55", "2001:4860:4860::8888", "2a00:1450:4001:0831:0:0:0:200e"],
    "phone": [
        "+1 415 555 2671", "+44 20 7946 0958", "+49 (0)30 901820", "+33 1 42 68 53 00", "+91-98765-43210",
        "(415) 555-2671", "415-555-2671", "415.555.2671", "1-800-555-0199", "01 42 68 53 00", "020 7946 0958",
        "07700 900123", "+4930901820", "0049 30 901820", "tel: 030 901820 11", "Telefon 0711/22 33 44",
    ],
    "card": [
        "4111 1111 1111 1111", "4012888888881881", "5500-0055-5555-5559", "3714 496353 98431", "6011000990139424",
        "3530111333300000", "2223 0031 2200 3222",
    ],
    "iban": ["DE89 3704 0044 0532 0130 00", "GB29NWBK60161331926819", "FR14 2004 1010 0505 0001 3M02 606",
             "NL91ABNA0417164300"],
    "key": [
        "AKIA" + "IOSFODNN7EXAMPLE", "ghp_" + "16C7e42F292c6912E7710c838347Ae178B4a", 
        "xoxb-" + "2444333222111-abcdefGHIJ",
        "sk_live_" + "4eC39HqLyjWDarjtT1zdp7dc", "AIza" + "SyDaGmWKa4JsXZ-HjGw7ISLn_3namBGewQe",
        "eyJhbGciOiJIUzI1NiJ9." + "eyJzdWIiOiIxMjM0NTY3ODkwIn0." + "dozjgNryP4J3jVmNHl0w5N_XgL0n3I9PlFUP0THsR8U",
        "-----BEGIN RSA PRIVATE" + " KEY-----\nMIIEpAIBAAKCAQEA7\nq3Zk\n-----END RSA PRIVATE" + " KEY-----",
        'api_key = "' + 'f3A9xQ7bZ2mK8tR4vW1y"', "AWS_SECRET_ACCESS_KEY=" + "wJalrXUtnFEMI/K7MDENG/bPxRfiCYzzKEYq1",
        '"password": "' + 'T7#kq9!mZx2$vB4n"',
    ],
    "ssn": ["536-22-8145", "001-01-0001"],
}  # fmt: skip
# One line each; not one of them holds anything of any kind.
HARD = """
version 10.0.19041.1 of the driver, release 1.2.3.4, numpy==1.26.4.0, section 3.1.2.4, OID 1.3.6.1.4.1.311
ISBN 978-3-16-148410-0 and 9783161484100, ISSN 0317-8471, DOI 10.1000/182.2024.1234567
on 2024-01-15, 15.01.2024, 01/15/2024 at 12:30:45.123456, 2024-01-15T12:30:45+01:00, 12:34:56:78
sha1 da39a3ee5e6b4b0d3255bfef95601890afd80709, md5 d41d8cd98f00b204e9800998ecf8427e
uuid 550e8400-e29b-41d4-a716-446655440000, mac 00:1A:2B:3C:4D:5E
3.14159265358979, 2.718281828, 1,234,567.89, +100 000 000, 1e-10, 6.02214076e23, -273.15
x = a@b.T + (w@x).sum(); y = x@w.shape; std::vector<int> a::b; abc::def(); dead::beef
@app.route("/users/<id>"), @Override, user@localhost, git@github.com:owner/name.git, icon@2x.png, react@18.2.0
4111 1111 1111 1112, 1234567890123456, 1111111111111111, 1705329045123, 20240115123045
DE89 3704 0044 0532 0130 01, XX12 3456 7890 1234 5678, AB12CD34EF56, HELLO12 WORLD
the population rose from 1 234 567 to 2 345 678, page 123-456, pp. 100-200, 555-1234 rows
for i in range(1000000): total += i * 0.000001; array([ 1,  2,  3, 1000000, 2000000])
api_key = os.environ["API_KEY_FOR_SERVICE"], token = tokenizer.encode_plus_all, password: your_password_here
the key = the_dictionary_of_all_settings, secret: "correct horse", token: <token>, next_token = self.sample_token(x)
0x1F4A9B2C3D4E5F60, 1010101010101010, 0.1.2, 10.5, 24.12.2025, 3:2, 16:9, Psalm 119:105-112
Room 415 555, 12-34-5678, 000-12-3456, 666-12-3456, 2001:db8, 10:30::, localhost 127.0.0.1, 192.168.0.1, 10.0.0.1
89 63 72 21 36 23 09 75 00 76 44 20 45 35 14 00 61 33 97 34 01 89 19 67 48 03 49 13
chr1:12345678-12345999, 40.7128, -74.0060, 51.5074 N 0.1278 W, #1234567, $1,000,000.00, 1000000000000
""".strip().split("\n")
AROUND = ["{}", "({})", "Write to {} today.", "<b>{}</b>", "as in “{}”, and", "x {}; y"]


def test_planted_data_is_found():
    for kind, texts in PLANTED.items():
        found = [mask(around.format(text), PiiConfig())[1] for text in texts for around in AROUND]
        right = sum(counts.get(kind) == 1 and len(counts) == 1 for counts in found)
        missed = [text for text in texts if mask(f"x {text}; y", PiiConfig())[1] != {kind: 1}]
        assert right == len(found), (kind, right, len(found), missed)


@pytest.mark.parametrize("line", HARD)
def test_what_only_looks_like_it_stays(line):
    assert mask(line, PiiConfig()) == (line, {}, False)


def test_masks_are_words_and_masking_twice_changes_nothing():
    config = PiiConfig(**dict.fromkeys(MASKS, "mask"))
    for kind, texts in PLANTED.items():
        once = mask(f"See {texts[0]} there.", config)[0]
        value = MASKS[kind]
        assert value in once and " " in value and mask(once, config) == (once, {}, False)
        assert texts[0].strip("-") not in once


def test_keep_counts_drop_masks_and_off_looks_for_nothing():
    text = f"{PLANTED['mail'][0]} or {PLANTED['phone'][0]}"
    assert mask(text, PiiConfig()) == (text, {"mail": 1, "phone": 1}, False)
    assert mask(text, PiiConfig(count_kept=False)) == (text, {}, False)
    masked = f"[mail address] or {PLANTED['phone'][0]}"
    assert mask(text, PiiConfig(mail="mask")) == (masked, {"mail": 1, "phone": 1}, False)
    assert mask(text, PiiConfig(mail="drop", count_kept=False)) == (masked, {"mail": 1}, True)


def test_samples_hide_every_kind_whatever_is_kept():
    shown = hidden(f"{PRIVATE}; " + "; ".join(text for texts in PLANTED.values() for text in texts))
    for text in (PRIVATE, *(text for texts in PLANTED.values() for text in texts)):
        number = text.removeprefix("tel: ").removeprefix("Telefon ")
        assert number not in shown
    assert "[IP address]" in hidden(PRIVATE) and mask(PRIVATE, PiiConfig())[1] == {}


def test_where_two_kinds_claim_a_place_the_surer_one_has_it():
    token = "ghp_" + "16C7e42F292c6912E7710c838347Ae178B4a"
    assert mask(f"token={token}", PiiConfig())[1] == {"key": 1}
    assert mask("https://user:8.8.8.8@example.org", PiiConfig())[1] == {"mail": 1}


def test_check_digits():
    assert luhn("79927398713") and not any(luhn(f"7992739871{digit}") for digit in "012456789")
    dice = random.Random(1)
    texts = ["DE" + "".join(dice.choices("0123456789", k=20)) for _ in range(3000)]
    n = sum(bool(mask(text, PiiConfig())[1].get("iban")) for text in texts)
    assert n < 3000 * 0.03, "1 in 97 random accounts checks"


def test_entropy():
    assert bits_of("aaaaaaaa") == 0 and bits_of("abcdefgh") == pytest.approx(3)


def test_long_and_hostile_texts_take_linear_time():
    for text in ("@" * 200_000, "1" * 200_000, "1-" * 100_000, "a@" * 100_000, ":" * 200_000, "+1 " * 70_000,
                 "AB12 " * 40_000, "key=" * 50_000, "1.1." * 50_000, "2001:" * 40_000, "a.b@" * 50_000):  # fmt: skip
        mask(text, PiiConfig())


def test_real_text_holds_what_a_reader_finds_in_it(shared):
    """An encyclopaedia: nothing. War and Peace: the publisher's two addresses and its telephone, in the licence."""
    found = {"wikitext-2/valid.txt": {}, "char-lm/warandpeace.txt": {"mail": 2, "phone": 1}}
    for name, counts in found.items():
        assert mask(shared(name).read_text(encoding="utf-8"), PiiConfig())[1] == counts

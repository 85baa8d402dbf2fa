"""tlog-policy files: what is read, what is refused, and which cosigners make the quorum."""

from __future__ import annotations

import re
from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.logs import KEY, fixture, fixture_bytes
from traceability.notary.errors import VerificationError
from traceability.notary.note import Algorithm, VerifierKey
from traceability.notary.policy import NONE, Policy, PolicyGroup, PolicyLog, PolicyWitness


def log_key(number: int) -> VerifierKey:
    return VerifierKey(f"log.example/{number}", Algorithm.ED25519, sha256(b"log %d" % number).digest())


def witness_key(number: int) -> VerifierKey:
    return VerifierKey(f"witness.example/w{number}", Algorithm.COSIGNATURE, sha256(b"witness %d" % number).digest())


W = [witness_key(number).text for number in range(8)]
RENAMED = VerifierKey("other.example", Algorithm.COSIGNATURE, witness_key(0).public_key).text
LOG = KEY.verifier.text
NAMES = st.text(st.characters(exclude_categories=("Cs", "Cc"), exclude_characters=" "), min_size=1, max_size=8)
OCTETS = st.binary(min_size=1, max_size=8).filter(lambda data: min(data) > 0x20 and 0x7F not in data)
URLS = st.none() | st.just("https://witness.example/prefix")


@st.composite
def policies(draw: st.DrawFn) -> Policy:
    count = draw(st.integers(0, 8))
    names = draw(st.lists(NAMES | OCTETS.map(_octets), min_size=count + 4, max_size=count + 4, unique_by=_bytes))
    names = [name for name in names if name != NONE]
    witnesses = tuple(PolicyWitness(name, witness_key(number), draw(URLS)) for number, name in enumerate(names[:count]))
    free, groups = [witness.name for witness in witnesses], []
    for name in names[count:]:
        if not free:
            break
        members = draw(st.lists(st.sampled_from(free), min_size=1, unique=True))
        groups.append(PolicyGroup(name, draw(st.integers(1, len(members))), tuple(members)))
        free = [other for other in free if other not in members] + [name]
    logs = tuple(PolicyLog(log_key(number), draw(URLS)) for number in range(draw(st.integers(0, 3))))
    defined = [witness.name for witness in witnesses] + [group.name for group in groups]
    return Policy(logs, witnesses, tuple(groups), draw(st.sampled_from([NONE, *defined])))


def _octets(data: bytes) -> str:
    return data.decode("utf-8", "surrogateescape")


def _bytes(name: str) -> bytes:
    return name.encode("utf-8", "surrogateescape")


@given(policies())
def test_what_is_written_is_read_back(policy: Policy) -> None:
    assert Policy.parse(policy.encode()) == policy


def naively(policy: Policy, name: str, cosigned: set[VerifierKey]) -> bool:
    """Evaluate by walking down from the name, as the standard words it."""
    for witness in policy.witnesses:
        if witness.name == name:
            return witness.key in cosigned
    group = next(group for group in policy.groups if group.name == name)
    return len([member for member in group.members if naively(policy, member, cosigned)]) >= group.threshold


@given(policies(), st.sets(st.integers(0, 9)))
def test_the_quorum_is_what_the_standard_says(policy: Policy, numbers: set[int]) -> None:
    cosigned = {witness_key(number) for number in numbers}
    expected = policy.quorum == NONE or naively(policy, policy.quorum, cosigned)
    assert policy.satisfied_by(cosigned) is expected


LINES = st.sampled_from(
    [
        f"log {LOG}",
        f"witness a {W[0]}",
        f"witness b {W[1]} https://b.example",
        "group g any a b",
        "group h 1 g",
        "quorum g",
        "quorum none",
        "quorum",
        "# comment",
        "\t",
        "witness none x+y+z",
    ]
)


@given(st.lists(LINES | st.text(max_size=30)).map("\n".join).map(str.encode) | st.binary(max_size=200))
def test_malformed_input_raises_our_error_and_no_other(data: bytes) -> None:
    try:
        policy = Policy.parse(data)
    except VerificationError:
        return
    assert Policy.parse(policy.encode()) == policy


def example(*lines: str) -> bytes:
    return "".join(f"{line}\n" for line in lines).encode()


def test_the_example_of_the_standard() -> None:
    text, *_ = fixture("c2sp-examples/examples.json")["examples"]["tlog-policy"]["fenced"]
    for vkey in (LOG, *W[:6]):
        text = text.replace("<vkey>", vkey, 1)
    policy = Policy.parse(text.encode())
    x1, x2, x3, y1, y2, y3 = policy.witness_keys
    for enough in ([x1, x2, y3], [x2, x3, y1, y2], [x1, x2, x3, y1, y2, y3]):
        assert policy.satisfied_by(enough)
    for lacking in ([], [x1, x2, x3], [x1, y1, y2, y3], [log_key(1)]):
        assert not policy.satisfied_by(lacking)
    assert policy.logs == (PolicyLog(KEY.verifier),)


def test_a_policy_of_sigsum_reads_once_its_keys_are_verifier_keys() -> None:
    text = fixture_bytes("sigsum/sigsum-generic-2025-1.builtin-policy").decode()
    with pytest.raises(VerificationError):
        Policy.parse(text.encode())
    algorithms = {"log": Algorithm.ED25519, "witness": Algorithm.COSIGNATURE}
    for keyword, name, key in re.findall(r"^(log|witness)( \S+)? +([0-9a-f]{64})", text, re.MULTILINE):
        vkey = VerifierKey(name.strip() or "sigsum.example", algorithms[keyword], bytes.fromhex(key)).text
        text = text.replace(key, vkey)
    policy = Policy.parse(text.encode())
    assert (len(policy.logs), len(policy.witnesses), policy.quorum) == (2, 3, "quorum-rule")
    assert policy.satisfied_by(policy.witness_keys[1:])
    assert not policy.satisfied_by(policy.witness_keys[:1])


@pytest.mark.parametrize(
    ("lines", "reason"),
    [
        ([], "no quorum"),
        (["quorum none", "quorum none"], "line 2 .* one quorum"),
        (["quorum a"], "no line before"),
        (["quorum a", f"witness a {W[0]}"], "no line before"),
        (["group g any a", f"witness a {W[0]}", "quorum g"], "no line before"),
        ([f"witness a {W[0]}", f"witness a {W[1]}", "quorum a"], "defined once"),
        ([f"witness a {W[0]}", "group a any a", "quorum a"], "defined once"),
        ([f"witness none {W[0]}", "quorum none"], "never none"),
        ([f"witness a {W[0]}", "group g any none", "quorum g"], "no line before"),
        ([f"witness a {W[0]}", f"witness b {W[0]}", "quorum a"], "listed twice"),
        ([f"witness a {W[0]}", f"witness b {RENAMED}", "quorum a"], "listed twice"),
        ([f"log {LOG}", f"log {LOG}", "quorum none"], "listed twice"),
        ([f"log {W[0]}", "quorum none"], "key of a log"),
        ([f"witness a {LOG}", "quorum none"], "signature type 4"),
        ([f"witness a {W[0]}", "group g 0 a", "quorum g"], "cannot ask for 0"),
        ([f"witness a {W[0]}", "group g 2 a", "quorum g"], "cannot ask for 2"),
        ([f"witness a {W[0]}", "group g 01 a", "quorum g"], "decimal"),
        ([f"witness a {W[0]}", "group g any a a", "quorum g"], "one group, and once"),
        ([f"witness a {W[0]}", "group g any a", "group h any g a", "quorum h"], "one group, and once"),
        (["group g any", "quorum none"], "no line of a policy"),
        (["witness a", "quorum none"], "no line of a policy"),
        (["quorum none x"], "no line of a policy"),
        (["trust everybody", "quorum none"], "no line of a policy"),
        ([f"witness a {W[0]} https://a.example more", "quorum none"], "no line of a policy"),
        (["quorum none\r"], "control characters"),
        (["quorum\u00a0none"], "no line of a policy"),
    ],
)
def test_what_is_no_policy(lines: list[str], reason: str) -> None:
    with pytest.raises(VerificationError, match=reason):
        Policy.parse(example(*lines))


def test_a_file_that_was_cut_is_refused() -> None:
    whole = example(f"witness w {W[0]}", f"witness w2 {W[1]}", "quorum w2")
    assert Policy.parse(whole).quorum == "w2"
    with pytest.raises(VerificationError, match="newline"):
        Policy.parse(whole[:-2])


def test_names_are_octets() -> None:
    kelvin, letter = "\u212a".encode(), b"K"
    data = b"witness %s %s\nwitness %s %s\nquorum %s\n" % (kelvin, W[0].encode(), letter, W[1].encode(), kelvin)
    policy = Policy.parse(data)
    assert policy.satisfied_by([witness_key(0)])
    assert not policy.satisfied_by([witness_key(1)])
    latin = b"witness \xff %s\nquorum \xff\n" % W[0].encode()
    assert Policy.parse(latin).encode() == latin
    with pytest.raises(VerificationError, match="UTF-8"):
        Policy.parse(b"log \xff%s\nquorum none\n" % LOG.encode())


def test_space_and_comments_are_ignored() -> None:
    policy = Policy.parse(f"# ours\n\n \t#\n\twitness\t a {W[0]}  \n  quorum  a\t\n".encode())
    assert policy == Policy(witnesses=(PolicyWitness("a", witness_key(0)),), quorum="a")

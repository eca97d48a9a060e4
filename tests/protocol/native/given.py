"""What property tests of the native dialect draw: values of all facts, requests, answers, and text near the grammar."""

from __future__ import annotations

from hypothesis import strategies as st

from ftlite.protocol.native import answers, requests
from ftlite.protocol.native.values import MOST_TAG, Digests

tags = st.integers(1, MOST_TAG)
numbers = st.integers(0, 2**63 - 1)
hexes = st.text("0123456789abcdef", min_size=64, max_size=64)
digests = st.builds(Digests, sha256=st.none() | hexes, blake3=st.none() | hexes)
stated = digests.filter(bool)
versions = st.text("09AZaz._-", min_size=1, max_size=64)
names = st.text("az09-.", min_size=1, max_size=8)
moments = st.integers(-(10**18), 4 * 10**18)
modes = st.integers(0, 0o777)
paths = st.text(st.characters(exclude_characters="\r\n\0", exclude_categories=["Cs"]), min_size=1, max_size=12)
patterns = st.lists(st.text("ab,;*?[] %\u00e4/\udcff~", min_size=1, max_size=5), max_size=3).map(tuple)
maybe = st.none() | numbers

request = st.one_of(
    st.builds(requests.GetRequest, tags, paths, numbers, st.none() | versions, names),
    st.builds(
        requests.PutRequest,
        tags, paths, maybe, st.none() | moments, st.none() | modes, names, digests, st.booleans(), st.booleans(),
    ),
    st.builds(requests.FailRequest, tags, paths),
    st.builds(
        requests.GetTreeRequest, tags, paths, st.none() | names, names, patterns, patterns, maybe, digests, maybe
    ),
    st.builds(
        requests.PutTreeRequest,
        tags, paths, st.none() | names, names, st.booleans(), st.just(False), maybe, maybe, digests, st.booleans(),
    ),
    st.builds(requests.DoneRequest, tags, numbers, stated, maybe),
    st.builds(requests.ListRequest, tags, st.sampled_from(["LIST", "NLST"]), st.none() | paths.map("/".__add__)),
    st.builds(requests.ListRequest, tags, st.just("MLSD"), st.none() | paths),
    st.builds(requests.HashRequest, tags, paths, names),
    st.builds(requests.AbortRequest, tags),
    st.builds(requests.WaitRequest, tags, paths, maybe, st.none() | versions, st.booleans()),
)  # fmt: skip

answer = st.one_of(
    st.builds(
        answers.Begun,
        tags, st.none() | paths, maybe, maybe, st.none() | moments, st.none() | modes, st.none() | versions, digests,
        st.booleans(), st.booleans(), maybe, maybe, st.none() | hexes, st.none() | names,
    ),
    st.builds(answers.Working, tags, st.text("abc", min_size=1, max_size=8), st.none() | paths),
    st.builds(
        answers.Moved,
        tags, st.none() | paths, maybe, maybe, maybe, digests, st.booleans(), st.booleans(), st.booleans(), maybe,
        st.none() | versions,
    ),
    st.builds(
        answers.Told,
        tags, st.none() | paths, st.sampled_from([None, "file", "dir"]), maybe, st.none() | moments,
        st.none() | versions, digests,
    ),
    st.builds(answers.Refusal, tags, st.integers(400, 599), names, st.just("") | paths),
)  # fmt: skip

#: Text that gets past the first look of a parser: pieces of the grammar, in any order.
near = st.lists(
    st.one_of(
        st.sampled_from(
            [
                *[
                    "tag=1;",
                    "tag=2147483648;",
                    "TAG=7;",
                    "tag=",
                    "size=5;",
                    "size=-1;",
                    "mode=0755;",
                    "mode=9;",
                    "bytes=1;",
                ],
                *["modify=20240101000000;", "type=tree;", "type=x;", f"sha256={'a' * 64};", "sha256=A;", "if=absent;"],
                *[
                    "if=v1;",
                    "fresh=1;",
                    "fresh=2;",
                    "include=%2A,b;",
                    "include=%;",
                    "stage=hash;",
                    "kind=busy;",
                    "since=v;",
                ],
                *["timeout=9;", "any=1;", "replace=1;", "merge=1;", "failed=1;", "hash=md5;", "=", ";", " ", " /a b"],
            ]
        ),
        st.text(max_size=4),
    ),
    max_size=8,
).map("".join)

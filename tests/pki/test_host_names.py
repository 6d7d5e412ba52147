"""Host names and mailboxes: what is one, and that the quick answers are those in words."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tlsocket.pki.host_names import are_dns_names, host_name_problem, is_dns_name, is_mailbox


@settings(max_examples=500, deadline=None)
@given(st.lists(st.text("a0xZ.-*_\n9", max_size=9), max_size=3))
def test_a_list_of_names_is_judged_as_each_of_them(names: list[str]) -> None:
    each = [is_dns_name(n, wildcard=True) and not (n.startswith("*.") and "." not in n[2:]) for n in names]
    assert are_dns_names([name.encode() for name in names]) is all(each)


@pytest.mark.parametrize(
    "name", ["a\nb", "0xa0", "1.2.3.4", "a..b", "-a", "a_b", "*.com", "*", "", "a" * 64, "é.example"]
)
def test_what_is_no_host_name(name: str) -> None:
    assert not are_dns_names([name.encode("latin-1")])


@settings(max_examples=500, deadline=None)
@given(st.text("a0xZ.-*_\n9\u017f", max_size=9))
def test_what_is_no_host_name_has_a_problem_in_words(name: str) -> None:
    problem = host_name_problem(name)
    assert bool(problem) is not is_dns_name(name)
    assert problem.isprintable()


def test_the_longest_host_name() -> None:
    longest = "a." * 126 + "b"
    assert len(longest) == 253
    assert host_name_problem(longest) == ""
    assert host_name_problem(longest + "b") == "is not between 1 and 253 characters long"


@pytest.mark.parametrize("text", ["a@example.org", "a.b+c@localhost", "!#$@a-b.example"])
def test_a_mailbox(text: str) -> None:
    assert is_mailbox(text)


@pytest.mark.parametrize(
    "text", ["", "@", "a@", "@example.org", "a@b@example.org", ".a@b", "a..b@c", '"a"@b', "a@192.0.2.1", "\u00fc@b"]
)
def test_what_is_no_mailbox(text: str) -> None:
    assert not is_mailbox(text)

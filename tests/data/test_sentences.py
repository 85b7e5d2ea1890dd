import time

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tfbert.data.sentences import split_sentences

# "|" marks where a sentence ends.
CASES = {
    "plain": "It works.| I use it daily!| Do you?| Yes",
    "no mark at all": "great app love it so much",
    "titles": "Mr. Lee and Dr. Ada L. King met Mrs. Poe.| They left.",
    "never at an end": "Use a planner, e.g. Trello or i.e. a list vs. Paper.| Good.",
    "etc.": "It has tasks, notes, etc. and more.| It lacks lists, etc.| The rest is fine.",
    "company": "Acme Inc. Support replied.| I wrote to Acme Inc.| They replied.",
    "numbered": "See No. 5 and fig. 3 on p. 12.| My answer is no.| Never again.",
    "initials": "J. K. Rowling and George R. R. Martin wrote it.| I read it.",
    "I is a word": "So do I.| John left.",
    "dotted letters": "Works in the U.S. and the U.K. at 5 p.m. Paris time.| I moved to the U.S.| It works there.",
    "decimals": "It costs 4.50 or 3,000.25 a year.| That is 0.5 more.",
    "years": "I bought it in 2019.| Now it is free.",
    "versions": "Since v1.2.3 it crashes.| Version 4.0 did not.",
    "addresses": "See https://www.any.do/help.Page?q=a.B for help.| Mail me.you@Mail.Example.com.| Thanks",
    "names with dots": "Any.do and Node.js are fine.| TeuxDeux.com too",
    "ellipsis that goes on": "Well... maybe it … works..| Good.",
    "ellipsis that ends": "I wanted to like it...| But no…| Really.",
    "many marks": "Wow!!!| What?!| No!?!?| Fine.",
    "quotes": '"Stop!" he said.| "Why?"| She left.| He said “no.”| Then (he left.)| Done.',
    "brackets": "It is slow (see v. 2.)| The rest is [almost] fine.| OK.",
    "opening quotes": 'It died.| "Why," I asked.| (Nobody knows.)| ¿Qué?| «Bien.»| Fin',
    "emoji ends before a capital": "Love it 😍😍| The best 👍🏽| Thanks",
    "emoji inside": "I 😀 this and ❤️ that app",
    "emoji behind a mark": "Great! 😍 ❤️| Love it.👍| Works",
    "emoji first": "😍 Love it!|\n👨‍👩‍👧 We all do",
    "chinese": "很好。|真的！|你呢？！| 好",
    "chinese quotes": "他说“好。”|走了。|「はい。」|Ja",
    "other marks": "नमस्ते।| ठीक है।| हाँ؟| Yes",
    "lower-case writer": "i like it.| it works.| no ads",
    "glued": "It crashes.|Please fix!|Thanks for all.|I wait",
    "glued marks that do not end": "Yahoo!mail and e.g.This",
    "enumeration": "1. Open the app.| 2. Tap Add.| a. like this",
    "line breaks": "Pros|\nfast|\ncheap|\n\nCons:|\n- none",
    "windows line breaks": "First line|\r\nSecond",
}
LINES_JOINED = [
    "it is a line of running text that somebody has wrapped at seventy or\nso characters",
    "It is a line of running text that somebody has wrapped, right before New\nYork",
    "a line of forty characters or so, before\na lower-case word",
]
LINES_CUT = [
    "a short line\nanother",
    "It is a line of running text that somebody has wrapped at seventy or\n\nso characters",
    "A line of forty characters or more, which\nEnds before a capital",
    "x" * 101 + "\nanother line",
]


@pytest.mark.parametrize("case", CASES)
def test_hard_cases(case):
    assert split_sentences(CASES[case].replace("|", "")) == [each.strip() for each in CASES[case].split("|")]


@pytest.mark.parametrize("text", LINES_JOINED)
def test_a_wrapped_line_goes_on(text):
    assert split_sentences(text) == [text]


@pytest.mark.parametrize("text", LINES_CUT)
def test_other_line_breaks_end_a_sentence(text):
    assert split_sentences(text) == [line for line in text.split("\n") if line]


@pytest.mark.parametrize("text", ["", " ", "\n \n\t", "\u3000"])
def test_nothing_is_no_sentence(text):
    assert split_sentences(text) == []


TEXTS = st.one_of(st.text(), st.text(alphabet="aI1. !?…。\n\"'()😀\u200d\ufe0fÉ、", max_size=40))


@given(TEXTS)
@example("a.\x1cB")
def test_nothing_but_white_space_is_lost_and_order_is_kept(text):
    sentences = split_sentences(text)
    assert "".join("".join(sentences).split()) == "".join(text.split())
    assert all(sentence and sentence == sentence.strip() for sentence in sentences)


@given(TEXTS)
def test_a_letter_beyond_ascii_changes_nothing_before_it(text):
    """ASCII text is searched by a pattern of its own, which must agree with the other."""
    text = text.encode("ascii", "ignore").decode()
    assert split_sentences(text + "\n\n") == split_sentences(text + "\n\né")[:-1]


@pytest.mark.parametrize(
    "unit", [".", "! ", "!(", "😀", "😀 ", "a.", "\n", "\n ", "! (", '."', "a\n", "x" * 70 + "\n", "A. "]
)
def test_hostile_texts_take_no_more_than_linear_time(unit):
    """200,000 characters; a search that is quadratic in them takes minutes."""
    start = time.process_time()
    split_sentences(unit * (200_000 // len(unit)) + "x")
    assert time.process_time() - start < 5

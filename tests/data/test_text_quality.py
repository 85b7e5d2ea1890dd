import pytest

from tfbert.data.text_quality import is_english, is_running_text


@pytest.mark.parametrize(
    "text",
    [
        "It stopped working after the update. Please fix it!",
        "Not what I expected, but good.",
        "THE BEST",
        "The treaty was signed in Münster; its text names Ōsaka, São Paulo and 東京.",
    ],
)
def test_english_is_told_by_its_function_words(text):
    assert is_english([text])
    assert is_english(["", text])


@pytest.mark.parametrize(
    "text",
    [
        "Nach dem Update geht nichts mehr, bitte in der nächsten Version beheben, so war es gut.",
        "Depuis la mise à jour, plus rien ne marche, on ne comprend pas pourquoi.",
        "Desde la actualización no funciona nada, me gustaba más antes.",
        "Dopo l'aggiornamento non funziona più niente, in passato era un piacere.",
        "Depois da atualização não funciona mais nada, as notas sumiram do app.",
        "Na de update werkt er niets meer, of het is over een tijdje weer goed, we zullen het zien.",
        "Efter opdateringen virker det ikke for mig, og jeg har mistet mine noter i den.",
        "Po aktualizacji nic nie działa, a szkoda, bo to był dobry program.",
        "Güncellemeden sonra hiçbir şey çalışmıyor, lütfen düzeltin.",
        "После обновления ничего не работает.",
        "更新之后就不能用了。",
        "kjsdf qweoi zxmcn",
        "",
        "👍👍👍",
    ],
)
def test_other_text_is_not_english(text):
    assert not is_english([text])


def test_a_tenth_of_the_words_is_enough():
    assert is_english(["the " + "x " * 9])
    assert not is_english(["the " + "x " * 10])


GOOD = ["The app keeps my notes in order.", "It starts quickly and works without a network. I would buy it again."]


@pytest.mark.parametrize(
    "document", [GOOD, ["Nice and simple"], ["\n\n".join(GOOD)], [*GOOD, "- one item", "- two..."]]
)
def test_running_text_passes(document):
    assert is_running_text(document)


@pytest.mark.parametrize(
    "document",
    [
        [],
        [" \n"],
        ["I am so so to be or to do it"],
        ["Donaudampfschifffahrtsgesellschaft Bundesverfassungsgericht Rindfleischetikettierung"],
        ["call 0049 30 1234 567 or 0049 30 7654 now"],
        ["good #app #notes #free text with few words here"],
        ["one word … and then … nothing much"],
        ["- bread and butter from the shop", "- milk and some honey as well", "* flour for the cake"],
        [
            "This goes on and on and never ends, as far as I know...",
            "So does the line that follows on it…",
            "The end of it.",
        ],
        ["The same line.", "A line of its own here.", "The same line.", "The same line."],
        ["Some words.", "More words.", "Other words.", "Further.", *["A longer line that stands twice."] * 2],
    ],
)
def test_each_rule_refuses(document):
    assert not is_running_text(document)


def test_lines_that_occur_again_count_by_their_number_and_by_their_length():
    """Three of ten lines may, if they hold a fifth of the characters."""
    lines = [f"This is line number {number}." for number in range(7)]
    assert is_running_text([*lines, "Yes.", "Yes.", "Yes.", "Yes."])
    assert not is_running_text([*lines, "Yes.", "Yes.", "Yes.", "Yes.", "Yes."])

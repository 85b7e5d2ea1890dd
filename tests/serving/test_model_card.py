from tfbert.serving.model_card import model_card


def test_what_would_break_a_table():
    card = model_card("m, version 1", {"Data": {"a|b": "one\ntwo  three", "rows": 1234567, "small": 1e-7}})
    head = "# m, version 1\n\n## Data\n\n| | |\n|---|---|\n"
    assert card == head + "| a\\|b | one two three |\n| rows | 1234567 |\n| small | 1e-07 |\n"

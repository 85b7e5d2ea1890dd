import numpy as np

from tfbert.benchmarks.serving import _requests


def test_the_requests():
    generator = np.random.default_rng(0)
    lengths = generator.integers(5, 90, 1000)
    texts = [f"{number} {'x' * length}" for number, length in enumerate(lengths)]
    length_of = dict(zip(texts, lengths, strict=True))
    requests = _requests(texts, lengths)
    single = [length_of[text] for (text,) in requests["one review"]]
    assert len(single) == 16
    assert min(single) >= 20
    assert max(single) <= 50
    for case in ("32 reviews of like length", "32 reviews at random"):
        for request in requests[case]:
            assert len(set(request)) == 32
            assert [length_of[text] for text in request] == sorted(length_of[text] for text in request)
    # Requests of like length stand for all: short, middling and long ones.
    of_like = [np.mean([length_of[text] for text in request]) for request in requests["32 reviews of like length"]]
    assert len(of_like) == 8
    assert abs(np.mean(of_like) - lengths.mean()) < 2
    (mixed,) = requests["31 short and one long"]
    *short, long = mixed
    assert len(short) == 31
    assert max(length_of[text] for text in short) < 10
    assert 400 <= sum(length_of[text] - 2 for text in long.split("\n")) < 500

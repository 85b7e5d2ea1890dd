import numpy as np

from tfbert.benchmarks.tokenizing import differences


def rows(*ids):
    return {"ids": np.concatenate([np.array(each, int) for each in ids]), "lengths": np.array([len(i) for i in ids])}


def test_the_share_of_the_texts_whose_ids_differ():
    ours = rows([1, 2], [], [3, 4, 5], [6])
    assert differences(ours, ours) == {"ids": 0.0}
    assert differences(ours, rows([1, 2], [], [3, 9, 5], [6])) == {"ids": 0.25}
    assert differences(ours, rows([1], [2], [3, 4, 5], [6])) == {"ids": 0.5}

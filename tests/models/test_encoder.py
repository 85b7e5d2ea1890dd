import dataclasses
import os
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

from tfbert.config import BertConfig
from tfbert.errors import InputError
from tfbert.models import BertEncoder
from tfbert.training import pick_placement

ROOT = Path(__file__).resolve().parents[2]
CONFIG = BertConfig(
    vocabulary_size=31,
    hidden_dim=14,
    num_layers=3,
    num_heads=2,
    intermediate_dim=23,
    max_sequence_length=13,
    dropout_rate=0.5,
    attention_dropout_rate=0.5,
    initializer_stddev=0.4,
)


def make_inputs(batch=5, length=11, seed=0):
    generator = np.random.default_rng(seed)
    lengths = generator.integers(3, length + 1, size=(batch, 1))
    return {
        "token_ids": generator.integers(0, 31, size=(batch, length)).astype("int32"),
        "segment_ids": generator.integers(0, 2, size=(batch, length)).astype("int32"),
        "padding_mask": (np.arange(length) < lengths).astype("int32"),
    }


@pytest.fixture(scope="module")
def encoder():
    keras.utils.set_random_seed(5)
    return BertEncoder(CONFIG, return_hidden_states=True, return_attention_scores=True)


def test_weights_exist_once_made(encoder):
    per_block = 4 * 14 * 14 + 4 * 14 + 2 * 14 * 23 + 23 + 14 + 4 * 14
    assert encoder.count_params() == (31 + 13 + 2) * 14 + 2 * 14 + 3 * per_block + 14 * 14 + 14
    assert len({weight.path for weight in encoder.weights}) == len(encoder.weights) == 5 + 3 * 12 + 2


def test_outputs(encoder):
    outputs = encoder(make_inputs())
    assert outputs["sequence_output"].shape == (5, 11, 14)
    assert outputs["pooled_output"].shape == (5, 14)
    assert [state.shape for state in outputs["hidden_states"]] == [(5, 11, 14)] * 4
    np.testing.assert_array_equal(outputs["hidden_states"][-1], outputs["sequence_output"])
    assert [scores.shape for scores in outputs["attention_scores"]] == [(5, 2, 11, 11)] * 3
    for scores in outputs["attention_scores"]:
        np.testing.assert_allclose(np.sum(scores, -1), 1, atol=5e-6)
    plain = BertEncoder(CONFIG)
    assert set(plain(make_inputs())) == {"sequence_output", "pooled_output"}


def test_hidden_states_are_the_embeddings_and_each_block(encoder):
    inputs = make_inputs()
    states = encoder(inputs)["hidden_states"]
    np.testing.assert_array_equal(states[0], encoder.embeddings(inputs["token_ids"], inputs["segment_ids"]))
    np.testing.assert_allclose(states[2], encoder.blocks[1](states[1], padding_mask=inputs["padding_mask"]), atol=5e-6)


POSITIONS = np.array([[10, 0], [3, 3], [2, 7], [0, 0], [5, 1]], "int32")


@pytest.mark.parametrize("asked", [{"pooled_only": True}, {"output_positions": POSITIONS}], ids=["pooled", "positions"])
def test_some_outputs_and_their_gradients_are_those_of_the_whole(asked):
    keras.utils.set_random_seed(5)
    encoder = BertEncoder(dataclasses.replace(CONFIG, dropout_rate=0.0, attention_dropout_rate=0.0))
    inputs = make_inputs()
    found = {}
    for some in (False, True):
        with tf.GradientTape() as tape:
            outputs = encoder(inputs, training=True, **(asked if some else {}))
            loss = tf.reduce_sum(outputs["pooled_output"] ** 2 * np.arange(14))
            if "output_positions" in asked:
                sequence = outputs["sequence_output"]
                if not some:
                    sequence = tf.gather(sequence, POSITIONS, axis=1, batch_dims=1)
                loss += tf.reduce_sum(sequence**2 * np.arange(28).reshape(2, 14))
        found[some] = loss, [tf.convert_to_tensor(each) for each in tape.gradient(loss, encoder.trainable_variables)]
    assert set(outputs) == {"pooled_output"} | ({"sequence_output"} if "output_positions" in asked else set())
    np.testing.assert_allclose(found[True][0], found[False][0], rtol=1e-6)
    for variable, of_all, of_some in zip(encoder.trainable_variables, found[False][1], found[True][1], strict=True):
        scale = max(np.abs(of_all).max(), 1e-3)
        np.testing.assert_allclose(of_some, of_all, atol=2e-5 * scale, err_msg=variable.path)


def test_some_outputs_are_rows_of_the_whole(encoder):
    whole, some = encoder(make_inputs()), encoder(make_inputs(), output_positions=POSITIONS)
    assert set(some) == set(whole)
    np.testing.assert_allclose(some["pooled_output"], whole["pooled_output"], atol=1e-6)
    for got, everything in (
        (some["sequence_output"], whole["sequence_output"]),
        (some["hidden_states"][-1], whole["hidden_states"][-1]),
        (
            tf.transpose(some["attention_scores"][-1], (0, 2, 1, 3)),
            tf.transpose(whole["attention_scores"][-1], (0, 2, 1, 3)),
        ),
    ):
        np.testing.assert_allclose(got, tf.gather(everything, POSITIONS, axis=1, batch_dims=1), atol=2e-6)
    np.testing.assert_array_equal(some["hidden_states"][2], whole["hidden_states"][2])


@pytest.mark.parametrize("asked", [{"pooled_only": True}, {"output_positions": POSITIONS[:, :1]}])
def test_some_outputs_take_less_work(encoder, asked):
    """Of three blocks the last one does the work of its keys and values alone: it has two products of few rows less."""
    inputs = {name: tf.constant(value) for name, value in make_inputs().items()}

    def operations(asked):
        function = tf.function(lambda: encoder(inputs, **asked)["pooled_output"], autograph=False)
        graph = function.get_concrete_function().graph
        return tf.compat.v1.profiler.profile(
            graph, options=tf.compat.v1.profiler.ProfileOptionBuilder(
                tf.compat.v1.profiler.ProfileOptionBuilder.float_operation()
            ).with_empty_output().build()
        ).total_float_ops  # fmt: skip

    assert operations(asked) < 0.8 * operations({})


def test_padding_does_not_change_real_positions(encoder):
    inputs = make_inputs()
    changed = {name: value.copy() for name, value in inputs.items()}
    pads = inputs["padding_mask"] == 0
    assert pads.any()
    changed["token_ids"][pads] = 30 - changed["token_ids"][pads]
    changed["segment_ids"][pads] = 1 - changed["segment_ids"][pads]
    longer = {name: np.pad(value, ((0, 0), (0, 2))) for name, value in changed.items()}
    before, after = encoder(inputs), encoder(longer)
    np.testing.assert_allclose(before["pooled_output"], after["pooled_output"], atol=5e-6)
    np.testing.assert_allclose(
        before["sequence_output"].numpy()[~pads], after["sequence_output"].numpy()[:, :11][~pads], atol=2e-6
    )


@pytest.mark.parametrize("field", ["dropout_rate", "attention_dropout_rate"])
def test_each_dropout_acts_in_training_only(field):
    off = {"dropout_rate": 0.0, "attention_dropout_rate": 0.0}
    encoder = BertEncoder(dataclasses.replace(CONFIG, **{**off, field: 0.5}))
    inputs = make_inputs()
    evaluated = encoder(inputs)["sequence_output"]
    np.testing.assert_array_equal(evaluated, encoder(inputs, training=False)["sequence_output"])
    assert np.abs(encoder(inputs, training=True)["sequence_output"] - evaluated).max() > 0.1


@pytest.mark.parametrize(("field", "value"), [("activation", "relu"), ("layer_norm_epsilon", 0.5), ("num_heads", 7)])
def test_each_field_reaches_the_numbers(encoder, field, value):
    inputs = make_inputs()
    other = BertEncoder(dataclasses.replace(CONFIG, **{field: value}))
    other.set_weights(encoder.get_weights())
    difference = other(inputs)["sequence_output"] - encoder(inputs)["sequence_output"]
    assert np.abs(difference).max() > 1e-3


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
@pytest.mark.parametrize("how", ["argument", "global"])
def test_mixed_precision(encoder, policy, how):
    inputs = make_inputs()
    inputs["padding_mask"][0] = 0  # a row of padding alone stays finite
    if how == "argument":
        mixed = BertEncoder(CONFIG, dtype=policy)
    else:
        before = keras.config.dtype_policy()
        keras.config.set_dtype_policy(policy)
        mixed = BertEncoder(CONFIG)
        keras.config.set_dtype_policy(before)
    assert {layer.dtype_policy.name for layer in mixed._flatten_layers()} == {policy}
    assert {weight.dtype for weight in mixed.trainable_weights} == {"float32"}
    mixed.set_weights(encoder.get_weights())
    outputs = mixed(inputs)
    compute_dtype = keras.DTypePolicy(policy).compute_dtype
    assert outputs["sequence_output"].dtype == outputs["pooled_output"].dtype == compute_dtype
    exact = encoder(inputs)["sequence_output"]
    got = tf.cast(outputs["sequence_output"], tf.float32)
    assert np.isfinite(got).all()
    assert np.abs(got - exact).max() < (0.02 if policy == "mixed_float16" else 0.15)


def test_length_above_the_positions(encoder):
    with pytest.raises(InputError, match="max_sequence_length=13"):
        encoder(make_inputs(length=17))


def test_wrong_config():
    with pytest.raises(TypeError, match="takes a BertConfig, received dict"):
        BertEncoder(CONFIG.to_dict())


def test_dynamic_shapes_in_one_trace(encoder):
    names = ("token_ids", "segment_ids", "padding_mask")
    function = tf.function(
        lambda inputs: encoder(inputs)["sequence_output"],
        input_signature=[{name: tf.TensorSpec((None, None), tf.int32) for name in names}],
    )
    for batch, length in ((2, 3), (5, 11)):
        inputs = make_inputs(batch, length)
        np.testing.assert_allclose(function(inputs), encoder(inputs)["sequence_output"], atol=5e-6)
    assert function.experimental_get_tracing_count() == 1


def test_inside_mirrored_strategy():
    strategy = pick_placement("mirrored").strategy
    with strategy.scope():
        mirrored = BertEncoder(CONFIG)
    inputs = make_inputs(batch=4)
    halves = [{name: value[start : start + 2] for name, value in inputs.items()} for start in (0, 2)]
    distributed = strategy.experimental_distribute_values_from_function(
        lambda context: halves[context.replica_id_in_sync_group]
    )
    outputs = strategy.run(tf.function(lambda x: mirrored(x)["pooled_output"]), (distributed,))
    np.testing.assert_allclose(tf.concat(outputs.values, 0), mirrored(inputs)["pooled_output"], atol=5e-6)


def test_symbolic_call_and_a_functional_model(encoder):
    symbolic = {name: keras.Input((None,), dtype="int32", name=name) for name in make_inputs()}
    outputs = encoder(symbolic)
    assert outputs["sequence_output"].shape == (None, None, 14)
    assert len(outputs["hidden_states"]) == 4
    model = keras.Model(symbolic, outputs["pooled_output"])
    np.testing.assert_allclose(
        model.predict(make_inputs(), verbose=0), encoder(make_inputs())["pooled_output"], atol=5e-6
    )


def test_summary_shows_shapes(encoder):
    lines = []
    encoder.summary(print_fn=lines.append)
    assert "block_2 (EncoderBlock)" in "\n".join(lines)
    assert "(None, None, 14)" in "\n".join(lines)


def test_depth_groups_hold_every_variable_once(encoder):
    groups = encoder.depth_groups()
    assert len(groups) == 1 + 3 + 1
    paths = [variable.path for group in groups for variable in group]
    assert sorted(paths) == sorted(variable.path for variable in encoder.variables)
    assert all("block_0" in variable.path for variable in groups[1])
    assert all("pooler" in variable.path for variable in groups[-1])


def test_freeze():
    encoder = BertEncoder(CONFIG)
    encoder.freeze(embeddings=True, layers=2)
    assert {path.split("/")[1] for path in (w.path for w in encoder.trainable_weights)} == {"block_2", "pooler"}
    copy = BertEncoder.from_config(encoder.get_config())
    assert len(copy.trainable_weights) == len(encoder.trainable_weights)
    encoder.freeze()
    assert len(encoder.trainable_weights) == 5 + 3 * 12 + 2
    with pytest.raises(InputError, match="layers=4 must lie between 0 and num_layers=3"):
        encoder.freeze(layers=4)


FRESH_PROCESS = """
import sys
import keras, numpy as np
import tfbert.models
encoder = keras.saving.load_model(sys.argv[1])
data = np.load(sys.argv[2])
inputs = {name: data[name] for name in ("token_ids", "segment_ids", "padding_mask")}
outputs = encoder.predict(inputs, verbose=0)
np.testing.assert_allclose(outputs["sequence_output"], data["sequence_output"], atol=5e-6)
assert len(outputs["hidden_states"]) == 4 and encoder.config.dropout_rate == 0.5
"""


@pytest.mark.slow
def test_keras_file_in_a_fresh_process(encoder, tmp_path):
    inputs = make_inputs()
    encoder.save(tmp_path / "encoder.keras")
    np.savez(tmp_path / "data.npz", sequence_output=encoder(inputs)["sequence_output"], **inputs)
    arguments = [sys.executable, "-c", FRESH_PROCESS, str(tmp_path / "encoder.keras"), str(tmp_path / "data.npz")]
    result = subprocess.run(arguments, capture_output=True, text=True, cwd=ROOT)
    assert result.returncode == 0, result.stderr


WITHOUT_TENSORFLOW = """
import sys
sys.modules["tensorflow"] = None  # `import tensorflow` fails from here on
from pathlib import Path
import keras, numpy as np
import tfbert.config, tfbert.layers, tfbert.models, tfbert.checkpoints

def compare(folder):
    encoder = tfbert.checkpoints.load_encoder(folder, return_hidden_states=True)
    expected = np.load(folder / "expected.npz")
    inputs = {name: expected[name] for name in ("token_ids", "segment_ids", "padding_mask")}
    outputs = encoder.predict(inputs, verbose=0)  # compiled whole, where a call would compile each operation
    for name, got in {
        "embedding_output": outputs["hidden_states"][0],
        "layer_0": outputs["hidden_states"][1],
        "sequence_output": outputs["sequence_output"],
        "pooled_output": outputs["pooled_output"],
    }.items():
        np.testing.assert_allclose(got, expected[name], rtol=0, atol=1e-5)
    return encoder, expected

assert keras.backend.backend() == "jax"
golden = Path(sys.argv[1])
encoder, expected = compare(golden / "huggingface_checkpoint")
classifier = tfbert.models.BertClassifier(encoder, labels=("bad", "good"))
pooled = keras.Input((24,), name="pooled")
assert keras.Model(pooled, classifier.head(pooled)).predict(expected["pooled_output"], verbose=0).shape == (3, 2)
assert sys.modules["tensorflow"] is None
del sys.modules["tensorflow"]  # Google's files are read by TensorFlow, whatever computes
compare(golden / "google_checkpoint")
"""


@pytest.mark.slow
def test_runs_under_jax_where_tensorflow_cannot_be_imported(golden):
    result = subprocess.run(
        [sys.executable, "-c", WITHOUT_TENSORFLOW, str(golden)],
        capture_output=True,
        text=True,
        cwd=ROOT,
        env={**os.environ, "KERAS_BACKEND": "jax"},
    )
    assert result.returncode == 0, result.stderr

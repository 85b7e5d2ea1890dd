"""The exports outside Python. A fresh Python and saved_model_cli are in the tests of each export."""

import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from tensorflow.core.protobuf import saved_model_pb2
from tensorflow.python.framework import op_def_registry

PROGRAM = r"""
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "tensorflow/c/c_api.h"

static void check(TF_Status* status) {
  if (TF_GetCode(status) != TF_OK) {
    fprintf(stderr, "%s\n", TF_Message(status));
    exit(1);
  }
}

/* Arguments: folder, input's operation, output's operation and index, texts. Prints the output's floats. */
int main(int argc, char** argv) {
  TF_Status* status = TF_NewStatus();
  TF_Graph* graph = TF_NewGraph();
  TF_SessionOptions* options = TF_NewSessionOptions();
  const char* tags[] = {"serve"};
  TF_Session* session = TF_LoadSessionFromSavedModel(options, NULL, argv[1], tags, 1, graph, NULL, status);
  check(status);
  int64_t rows = argc - 5;
  TF_Tensor* text = TF_AllocateTensor(TF_STRING, &rows, 1, rows * sizeof(TF_TString));
  TF_TString* strings = TF_TensorData(text);
  for (int64_t row = 0; row < rows; ++row) {
    TF_StringInit(&strings[row]);
    TF_StringCopy(&strings[row], argv[5 + row], strlen(argv[5 + row]));
  }
  TF_Output input = {TF_GraphOperationByName(graph, argv[2]), 0};
  TF_Output output = {TF_GraphOperationByName(graph, argv[3]), atoi(argv[4])};
  TF_Tensor* answer = NULL;
  TF_SessionRun(session, NULL, &input, &text, 1, &output, &answer, 1, NULL, 0, NULL, status);
  check(status);
  float* numbers = TF_TensorData(answer);
  for (size_t i = 0; i < TF_TensorByteSize(answer) / sizeof(float); ++i) printf("%.9g\n", numbers[i]);
  return 0;
}
"""


def graph_of(path):
    saved = saved_model_pb2.SavedModel.FromString((path / "saved_model.pb").read_bytes())
    return saved.meta_graphs[0]


@pytest.fixture(scope="module")
def c_program(tmp_path_factory):
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        pytest.skip("there is no C compiler (cc or gcc)")
    folder, wheel = tmp_path_factory.mktemp("c"), Path(tf.__file__).parent
    (folder / "ask.c").write_text(PROGRAM)
    libraries = [wheel / "libtensorflow_cc.so.2", wheel / "libtensorflow_framework.so.2"]
    command = [compiler, "-std=c11", f"-I{tf.sysconfig.get_include()}", "ask.c", *libraries, "-o", "ask"]
    command += [f"-Wl,-rpath,{wheel}", "-Wl,--allow-shlib-undefined"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return folder / "ask"


@pytest.mark.slow
def test_a_c_program_asks_it(exported, tokenizer, c_program):
    model, path = exported
    signature = graph_of(path).signature_def["serving_default"]
    operation, index = signature.outputs["probabilities"].name.split(":")
    texts = ["I love this app!", "", "It crashes. Größe 👍"]
    command = [c_program, path, signature.inputs["text"].name.split(":")[0], operation, index, *texts]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    logits = [model(tokenizer.encode([text], max_length=64), training=False)[0] for text in texts]
    wanted = tf.nn.softmax(tf.stack(logits) / 1.7).numpy()
    np.testing.assert_allclose(np.reshape([float(line) for line in done.stdout.split()], (3, 3)), wanted, atol=1e-5)


@pytest.mark.parametrize("fixture", ["exported", "exported_pretrainer"])
def test_every_op_is_a_core_op(fixture, request):
    """Of the ops that TensorFlow itself registers, none of a library; and none of Python."""
    graph = graph_of(request.getfixturevalue(fixture)[1]).graph_def
    nodes = [*graph.node, *(node for function in graph.library.function for node in function.node_def)]
    ops = {node.op for node in nodes} - {function.signature.name for function in graph.library.function}
    assert len(ops) > 20
    assert [op for op in ops if op_def_registry.get(op) is None or ">" in op or "Py" in op] == []

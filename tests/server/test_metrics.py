from tfbert.server.metrics import Metrics, _Histogram, _shown


def test_a_histogram_is_written_as_there():
    # Histogram of TensorFlow Serving's util/prometheus_exporter_test.cc
    histogram = _Histogram([float(2**power) for power in range(10)])
    for value in (2, 20, 200):
        histogram.add(value)
    counts = {1: 0, 2: 0, 4: 1, 8: 1, 16: 1, 32: 2, 64: 2, 128: 2, 256: 3, 512: 3, "+Inf": 3}
    assert histogram.lines(":test:path:histogram", 'status="good"') == [
        *(f':test:path:histogram_bucket{{status="good",le="{limit}"}} {count}' for limit, count in counts.items()),
        ':test:path:histogram_sum{status="good"} 222',
        ':test:path:histogram_count{status="good"} 3',
    ]


def test_labels_are_escaped():
    # SanitizeLabelValue of the same file
    assert _shown((("name", '"abc\\"'),)) == 'name="\\"abc\\\\\\""'
    assert _shown((("a", "x\ny"), ("b", "z"))) == 'a="x\\ny",b="z"'


def test_the_page():
    counted = Metrics()
    counted.count_request("reviews", "OK", "predict", "REST", 0.002)
    counted.count_request("reviews", "OK", "predict", "REST", 1e9)
    counted.count_request("reviews", "NOT_FOUND", "predict", "REST", 0.0)
    counted.count_run("reviews", "Predict", 0.001)
    counted.count_examples("reviews", 3)
    counted.count_warmup("/models/reviews/1", "OK", 0.5)
    lines = counted.page().splitlines()
    # Names, labels and buckets: servables/tensorflow/util.cc and saved_model_warmup_util.cc.
    for line in (
        "# TYPE :tensorflow:serving:request_count counter",
        ':tensorflow:serving:request_count{model_name="reviews",status="OK"} 2',
        ':tensorflow:serving:request_count{model_name="reviews",status="NOT_FOUND"} 1',
        "# TYPE :tensorflow:serving:request_latency histogram",
        ':tensorflow:serving:request_latency_bucket{model_name="reviews",API="predict",entrypoint="REST",le="10"} 1',
        ':tensorflow:serving:request_latency_bucket{model_name="reviews",API="predict",entrypoint="REST",le="18"} 1',
        ':tensorflow:serving:request_latency_bucket{model_name="reviews",API="predict",entrypoint="REST",le="+Inf"} 3',
        ':tensorflow:serving:request_latency_count{model_name="reviews",API="predict",entrypoint="REST"} 3',
        ':tensorflow:serving:runtime_latency_sum{model_name="reviews",API="Predict",runtime="TF1"} 1000',
        ':tensorflow:serving:request_example_count_total{model="reviews"} 3',
        ':tensorflow:serving:request_example_counts_bucket{model="reviews",le="2"} 0',
        ':tensorflow:serving:request_example_counts_bucket{model="reviews",le="4"} 1',
        ':tensorflow:serving:model_warmup_latency_count{model_path="/models/reviews/1",status="OK"} 1',
    ):
        assert line in lines, line
    assert sum(line.startswith(":tensorflow:serving:request_latency_bucket") for line in lines) == 34
    assert counted.page().endswith("\n")

"""Prepare a corpus on a cluster: an Apache Beam pipeline that writes what prepare_corpus.py writes.

The same documents, ids, rows and counts, in the same files, byte for byte, on whatever runs Beam. What stands behind --
goes to Beam: its runner, and the runner's own flags.

  python recipes/prepare_corpus_beam.py                            the bundled sample, in this process
  python recipes/prepare_corpus_beam.py --data "text/*.txt.gz" --vocabulary FOLDER --deduplicate near --language en \\
      -- --runner=DirectRunner --direct_running_mode=multi_processing --direct_num_workers=2
  python recipes/prepare_corpus_beam.py --data "/mnt/text/*.txt.gz" --vocabulary FOLDER --output /mnt/corpus \\
      -- --runner=FlinkRunner --flink_master=HOST:8081 --environment_type=DOCKER --environment_config=IMAGE

Needs Apache Beam, in an environment of its own: pip install 'tfbert[beam]'. Every worker needs tfbert, and sees the
files and the output folder by the same paths: a network file system, or a mounted bucket. A file is read by one worker,
so give many. A pipeline that failed goes on with the same command: shards that are whole are kept. Beam's DirectRunner
holds in memory what goes from step to step; it is there to try a pipeline with some hundred megabytes.
"""

import dataclasses
import functools
import sys
from collections.abc import Sequence

from tfbert.recipes import prepare_corpus

from tfbert.cli import run_recipe


@dataclasses.dataclass(frozen=True)
class Settings(prepare_corpus.CorpusSettings):
    """What a run depends on; what Beam is told is no part of it."""


def main(settings: Settings, beam_flags: Sequence[str]) -> None:
    """Run the recipe."""
    prepare_corpus.prepare(settings, beam_flags=beam_flags)


if __name__ == "__main__":
    end = sys.argv.index("--") if "--" in sys.argv else len(sys.argv)
    run_recipe(functools.partial(main, beam_flags=sys.argv[end + 1 :]), Settings, sys.argv[1:end])

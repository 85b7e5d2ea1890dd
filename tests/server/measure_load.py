"""What 64 clients at once wait for, beside the time of a full batch in process.

    python tests/server/measure_load.py FOLDER [REQUESTS]

FOLDER is a model's folder with version 1, as `finetune_reviews` leaves it: runs/reviews/serving/reviews. Each client
asks for one text of 5 to 40 words at a time, REQUESTS in all (20,000 by default), every answer is compared with the
SavedModel's, and a first quarter warms the server up.
"""

import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parent))
from conftest import ServerProcess
from test_load import Clients, batch_seconds, job, resident_megabytes


def main(folder: Path, num_requests: int) -> None:
    def versions(number):
        return folder / str(number)

    full = batch_seconds(versions) * 1000
    work = {**job(versions, num_requests, 1, [1]), "path": f"/v1/models/{folder.name}:predict"}
    with ServerProcess(folder, "--port", 0) as server:
        Clients(server.port, {**work, "requests": num_requests // 4}).result()
        before = resident_megabytes(server.process)
        found = Clients(server.port, work).result()
        after = resident_megabytes(server.process)
    median, last = np.percentile(found["seconds"], [50, 99]) * 1000
    print(f"requests        {sum(found['versions'].values()):,} right, {len(found['wrong'])} wrong")
    print(f"answers         {num_requests / found['total_seconds']:,.0f} a second")
    print(f"waited          median {median:,.1f} ms, 99 % at most {last:,.1f} ms")
    print(f"a batch of 64   {full:,.1f} ms in process; 99 % wait at most {last / full:.2f} times that")
    print(f"memory          {before:,.0f} MB after warming up, {after:,.0f} MB at the end")


if __name__ == "__main__":
    main(Path(sys.argv[1]).resolve(), int(sys.argv[2]) if len(sys.argv) > 2 else 20_000)

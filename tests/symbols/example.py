"""The downloader of examples/ brings a file from `spate seed`: example.py DOWNLOAD SPATE"""

import os
import signal
import socket
import subprocess
import sys
import tempfile
import time

download, spate = (os.path.abspath(path) for path in sys.argv[1:])
PATIENCE_S = 60

with tempfile.TemporaryDirectory() as directory:
    os.makedirs(directory + "/seed/things")
    with open(directory + "/seed/things/a file", "wb") as file:
        file.write(os.urandom(3_000_001))
    with open(directory + "/seed/things/another", "wb") as file:
        file.write(os.urandom(77))
    torrent = directory + "/things.torrent"
    subprocess.run([spate, "create", directory + "/seed/things", "-o", torrent], check=True,
                   stdout=subprocess.DEVNULL)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    seed = subprocess.Popen([spate, "seed", torrent, "-d", directory + "/seed", "--bind", "127.0.0.1", "--port",
                             str(port), "--state-dir", directory + "/state", "--no-config", "--quiet"])
    try:
        end = time.monotonic() + PATIENCE_S
        while True:
            try:
                socket.create_connection(("127.0.0.1", port), 1).close()
                break
            except OSError:
                assert seed.poll() is None, "the seed ended"
                assert time.monotonic() < end, "the seed does not listen"
                time.sleep(0.05)
        subprocess.run([download, torrent, directory + "/out", f"127.0.0.1:{port}"], check=True,
                       timeout=PATIENCE_S)
        subprocess.run(["diff", "-r", directory + "/seed/things", directory + "/out/things"], check=True)
    finally:
        seed.send_signal(signal.SIGINT)
        seed.wait(PATIENCE_S)

"""Starts the example backends, which verify with the standardwebhooks packages, and has our own client ask them.

    ask_backends.py ASK_BACKEND DIRECTORY_WITH_NODE_MODULES
"""

import os
import pathlib
import shutil
import subprocess
import sys

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
WORDS = "Hello Ada, this is Acme Dental. How can I help?"
EXAMPLES = pathlib.Path(__file__).parents[2] / "examples"


def check(ask: str, *command: str) -> None:
    environment = {**os.environ, "CALL_CONFIG_SECRET": SECRET}
    with subprocess.Popen([*command, "0"], env=environment, stdout=subprocess.PIPE, text=True) as backend:
        try:
            url = backend.stdout.readline().strip()
            subprocess.run([ask, url, SECRET, WORDS], check=True, timeout=60)
        finally:
            backend.kill()


ask_backend, node = sys.argv[1], pathlib.Path(sys.argv[2])
check(ask_backend, sys.executable, str(EXAMPLES / "backend.py"))
# A module is looked for beside the script that imports it.
check(ask_backend, "node", shutil.copy(EXAMPLES / "backend.mjs", node))

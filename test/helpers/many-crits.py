# Debian's crit, many command lines in one process: its own main(), with what it printed and how it ended. A module of its own per
# command line, because crit's explorers keep what they have read.
#   stdin   [["decode", "-i", "core-1.img"], ...]
#   stdout  [{"status": 0, "stdout": "...", "stderr": "..."}, ...]
import contextlib
import importlib
import io
import json
import sys

import crit.__main__ as crit


def run(words):
    out, err = io.TextIOWrapper(io.BytesIO(), 'utf-8', write_through=True), io.StringIO()
    status = 0
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        sys.argv = ['crit'] + words
        importlib.reload(crit)
        try:
            crit.main()
        except SystemExit as end:
            status = end.code or 0
        except BaseException as trouble:
            status = 1
            err.write('%s: %s' % (type(trouble).__name__, trouble))
    return {'status': status, 'stdout': out.buffer.getvalue().decode('latin1'), 'stderr': err.getvalue()}


json.dump([run(words) for words in json.load(sys.stdin)], sys.stdout)
